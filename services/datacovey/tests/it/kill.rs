//! `kill -9` at any moment: what was acknowledged is there once, and every job ends.
//!
//! `DATACOVEY_KILLS=20 cargo test -p datacovey --test it kill` makes more rounds than the usual run.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::query::v1::{ListQueryJobsRequest, QueryJobState};
use datacovey_proto::transfer::v1::{ImportJob, JobState, ListImportJobsRequest};
use rand::RngExt as _;

use crate::process::{Process, folder};
use crate::world::World;

const ROWS: u64 = 20_000;
/// Longer than a dead worker's lease.
const END: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_stuck() {
    let rounds = std::env::var("DATACOVEY_KILLS")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(3);
    let folder = folder();
    let data_dir = folder.path().join("data");
    let file = folder.path().join("people.csv");
    write_people(&file);

    let process = Process::up(&data_dir, &[]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let world = World::make(&left, &right).await;
    right
        .import_file(
            &world.tables[1],
            &file,
            &ImportOptions::default(),
            &|_, _| {},
            &|_, _| {},
        )
        .await
        .unwrap();
    drop((left, right));
    process.kill().await;

    // Imports whose completion the client was told of.
    let acknowledged = Arc::new(AtomicU64::new(0));
    for round in 0..rounds {
        let process = Process::up(&data_dir, &[]).await;
        let work = tokio::spawn(work(
            process.client("Left").await,
            process.client("Right").await,
            world.project_id.clone(),
            world.tables[0].clone(),
            file.clone(),
            Arc::clone(&acknowledged),
        ));
        let moment = Duration::from_millis(rand::rng().random_range(0..4000));
        // The point of the wait is that it ends anywhere.
        tokio::time::sleep(moment).await;
        if round % 2 == 1 {
            process.kill_database().await;
        }
        process.kill().await;
        work.abort();
        println!("round {round}: killed after {} ms", moment.as_millis());
    }

    let process = Process::up(&data_dir, &[]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let imports = ended_imports(&left, &world.tables[0]).await;
    let queries_stuck = open_queries(&right).await;
    let completed = imports
        .iter()
        .filter(|job| job.state() == JobState::Completed)
        .count() as u64;
    let acknowledged = acknowledged.load(Ordering::SeqCst);
    assert!(
        completed >= acknowledged,
        "{acknowledged} imports were acknowledged, {completed} are there"
    );

    let counted = left
        .run(&world.project_id, "SELECT COUNT(*) AS n FROM north.people")
        .await
        .unwrap();
    let counted: u64 = counted.cells[0][0].to_string().parse().unwrap();
    let held = completed * ROWS;
    println!(
        "{rounds} kills: {} imports, {completed} completed, {acknowledged} acknowledged; lost {}, doubled {}, stuck {queries_stuck}",
        imports.len(),
        held.saturating_sub(counted),
        counted.saturating_sub(held),
    );
    assert_eq!(counted, held, "rows of {completed} completed imports");
    assert_eq!(queries_stuck, 0);
    assert!(process.terminate().await.success());
}

/// Imports and queries without end, as fast as they go.
async fn work(
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
async fn ended_imports(client: &Client, table_id: &str) -> Vec<ImportJob> {
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

/// Waits for every query job to end; how many did not.
async fn open_queries(client: &Client) -> usize {
    let request = ListQueryJobsRequest {
        page_size: 1000,
        ..Default::default()
    };
    let jobs = client
        .query_jobs()
        .list_query_jobs(request)
        .await
        .unwrap()
        .into_inner()
        .query_jobs;
    let mut stuck = 0;
    for job in jobs {
        let ended = async {
            loop {
                let wait = datacovey_proto::query::v1::WaitQueryJobRequest {
                    id: job.id.clone(),
                    timeout: Some(prost_types::Duration {
                        seconds: 10,
                        nanos: 0,
                    }),
                };
                let job = client
                    .query_jobs()
                    .wait_query_job(wait)
                    .await
                    .unwrap()
                    .into_inner();
                if matches!(job.state(), QueryJobState::Done | QueryJobState::Error) {
                    return;
                }
            }
        };
        stuck += usize::from(tokio::time::timeout(END, ended).await.is_err());
    }
    stuck
}

fn write_people(path: &Path) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "email,city").unwrap();
    for person in 0..ROWS {
        writeln!(file, "person{person}@example.org,city{}", person % 7).unwrap();
    }
}
