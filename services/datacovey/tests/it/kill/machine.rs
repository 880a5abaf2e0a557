//! The suite on one machine, killed whole: the next start takes up what is left, its database among it.
//!
//! `DATACOVEY_KILLS=20 cargo test -p datacovey --test it kill::machine` makes more rounds than the usual run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::query::v1::{ListQueryJobsRequest, QueryJobState};
use datacovey_proto::transfer::v1::JobState;
use rand::RngExt as _;

use crate::load::{END, ROWS, ended_imports, work, write_people};
use crate::process::{Process, folder};
use crate::world::World;

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
