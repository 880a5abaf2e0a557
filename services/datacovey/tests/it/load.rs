//! Imports and queries without end, and what has come of them.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::transfer::v1::{ImportJob, JobState, ListImportJobsRequest};

/// Of the file that is imported again and again.
pub(crate) const ROWS: u64 = 20_000;
/// Longer than a dead worker's lease.
pub(crate) const END: Duration = Duration::from_secs(150);

pub(crate) fn write_people(path: &Path) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "email,city").unwrap();
    for person in 0..ROWS {
        writeln!(file, "person{person}@example.org,city{}", person % 7).unwrap();
    }
}

/// As fast as they go, until one fails.
pub(crate) async fn work(
    left: Client,
    right: Client,
    project_id: String,
    table: String,
    file: std::path::PathBuf,
    acknowledged: Arc<AtomicU64>,
) {
    let importing = async {
        while left
            .import_file(&table, &file, &ImportOptions::default(), &|_, _| {}, &|_, _| {})
            .await
            .is_ok()
        {
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    };
    let querying = async {
        while right
            .run(
                &project_id,
                "SELECT city, COUNT(*) AS n FROM north.people GROUP BY city",
            )
            .await
            .is_ok()
        {}
    };
    tokio::join!(importing, querying);
}

/// All imports of the table, once each has ended; those whose upload broke off wait for the rest of
/// their content, which is no end that a worker could bring.
pub(crate) async fn ended_imports(client: &Client, table_id: &str) -> Vec<ImportJob> {
    let ended = async {
        loop {
            let jobs = imports(client, table_id).await;
            let open = |job: &&ImportJob| !matches!(job.state(), JobState::Completed | JobState::Failed);
            let uploaded =
                |job: &&ImportJob| job.state() == JobState::Running || job.upload_expires_at.is_none();
            let Some(job) = jobs.iter().filter(open).find(uploaded) else {
                return jobs;
            };
            let wait = datacovey_proto::transfer::v1::WaitImportJobRequest {
                id: job.id.clone(),
                timeout: Some(prost_types::Duration {
                    seconds: 10,
                    nanos: 0,
                }),
            };
            client.imports().wait_import_job(wait).await.unwrap();
        }
    };
    tokio::time::timeout(END, ended)
        .await
        .expect("an import is stuck")
}

async fn imports(client: &Client, table_id: &str) -> Vec<ImportJob> {
    let request = ListImportJobsRequest {
        table_id: Some(table_id.to_owned()),
        page_size: 1000,
        ..Default::default()
    };
    client
        .imports()
        .list_import_jobs(request)
        .await
        .unwrap()
        .into_inner()
        .import_jobs
}
