use crate::cli::Export;
use crate::client::Client;
use crate::screen::{bar, follow};

pub(super) async fn run(arguments: Export) -> anyhow::Result<()> {
    let client = Client::connect(&arguments.connection.endpoint, &arguments.connection.token).await?;
    let bar = bar();
    let progress = follow(&bar, format!("exporting {}", arguments.file.display()));
    let job = client
        .export_file(&arguments.table_id, &arguments.file, &progress)
        .await;
    bar.finish_and_clear();
    let job = job?;
    println!(
        "{}: {} rows of version {}",
        arguments.file.display(),
        job.rows_exported,
        job.table_version
    );
    Ok(())
}
