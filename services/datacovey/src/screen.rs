//! What commands and demo show alike: progress bars and tables.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use comfy_table::{Table, TableComponent, presets};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes on standard error; invisible where that is no terminal.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A bar that nobody sees.
pub(crate) fn hidden_bar() -> ProgressBar {
    ProgressBar::hidden()
}

/// Lets a bar follow one part of the work; the next part may take the same bar.
pub(crate) fn follow(bar: &ProgressBar, what: String) -> impl Fn(u64, Option<u64>) + Send + Sync + '_ {
    move |done, total| {
        bar.set_message(what.clone());
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(done);
    }
}

/// An empty table with a line below its header.
pub(crate) fn table<T: Display>(header: impl Iterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, ' ');
    table.set_header(header.map(|it| it.to_string()));
    table
}

/// Writes to standard output. That its reader has seen enough and gone, as `head` does, is no error.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    print_to(io::stdout().lock(), write)
}

fn print_to(out: impl Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(out);
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed(io::ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is() {
        let write = |out: &mut dyn Write| writeln!(out, "row");
        assert!(print_to(Closed(io::ErrorKind::BrokenPipe), write).is_ok());
        assert!(print_to(Closed(io::ErrorKind::StorageFull), write).is_err());
    }
}
