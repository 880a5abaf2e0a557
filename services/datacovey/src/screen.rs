//! What commands and demo show alike: progress bars and tables.

use std::fmt::Display;
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
