use anyhow::Context as _;
use datacovey_proto::transfer::v1::ImportMode;

use crate::cli::{Import, Mode};
use crate::client::{Client, ImportOptions, file_format};
use crate::screen::{bar, follow};

pub(super) async fn run(arguments: Import) -> anyhow::Result<()> {
    // All names are checked before the first file goes out.
    for file in &arguments.files {
        file_format(file)?;
        std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    let client = Client::connect(&arguments.connection.endpoint, &arguments.connection.token).await?;
    let mut options = ImportOptions {
        mode: mode(arguments.mode),
        null_values: arguments.null_values,
        max_bad_records: arguments.max_bad_records,
    };
    for file in &arguments.files {
        let name = file.display();
        let bar = bar();
        let (upload, import) = (format!("uploading {name}"), format!("importing {name}"));
        let (upload, import) = (follow(&bar, upload), follow(&bar, import));
        let job = client
            .import_file_until(
                interrupted(),
                &arguments.table_id,
                file,
                &options,
                &upload,
                &import,
            )
            .await;
        bar.finish_and_clear();
        let job = job.with_context(|| name.to_string())?;
        let version = job.version.unwrap_or_default();
        println!(
            "{name}: {} rows, {} rejected, version {version}",
            job.rows_imported, job.rows_rejected
        );
        if !job.ignored_columns.is_empty() {
            eprintln!(
                "{name}: columns that the table does not have were passed over: {}",
                job.ignored_columns.join(", ")
            );
        }
        options.mode = ImportMode::Append;
    }
    Ok(())
}

/// Ctrl-c; never, where it cannot be told.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

const fn mode(mode: Mode) -> ImportMode {
    match mode {
        Mode::Append => ImportMode::Append,
        Mode::Replace => ImportMode::Replace,
        Mode::EmptyOnly => ImportMode::EmptyOnly,
    }
}
