//! `kill -9` at any moment, of the suite and of its database: what was acknowledged is there once, every job
//! ends, and no object is left that nothing points to.
//!
//! `DATACOVEY_KILLS=20 cargo test -p datacovey --test it kill` makes more rounds than the usual run.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::query::v1::{ListQueryJobsRequest, QueryJobState};
use datacovey_proto::transfer::v1::{
    ExportJob, JobState, ListExportJobsRequest, VersionOrigin, WaitExportJobRequest,
};
use rand::RngExt as _;
use tokio_postgres::SimpleQueryMessage;

use crate::kill_load::{FEW, Files, Told, age, versions, work};
use crate::load::{END, ROWS, ended_imports};
use crate::process::{Process, folder};
use crate::world::{World, people, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_stuck() {
    let rounds = std::env::var("DATACOVEY_KILLS")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(3);
    let folder = folder();
    let data_dir = folder.path().join("data");
    let files = Files::write(folder.path());

    let process = Process::up(&data_dir, &[]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let world = Arc::new(World::make(&left, &right).await);
    let turned = people(&left, &world.project_id, "turned", &tenant(&right).await).await;
    right
        .import_file(
            &world.tables[1],
            &files.few,
            &ImportOptions::default(),
            &|_, _| {},
            &|_, _| {},
        )
        .await
        .unwrap();
    drop((left, right));
    process.kill().await;

    let told = Arc::new(Told::default());
    for round in 0..rounds {
        let process = Process::up(&data_dir, &[]).await;
        let clients = [process.client("Left").await, process.client("Right").await];
        let work = work(
            clients,
            Arc::clone(&world),
            turned.clone(),
            files.clone(),
            Arc::clone(&told),
        );
        let work = tokio::spawn(work);
        let moment = || Duration::from_millis(rand::rng().random_range(0..4000));
        // The point of the waits is that they end anywhere.
        let (first, second) = (moment(), moment());
        tokio::time::sleep(first).await;
        match round % 3 {
            0 => process.crash_database().await,
            1 => age(&process).await,
            _ => {}
        }
        tokio::time::sleep(second).await;
        if round % 2 == 1 {
            process.kill_database().await;
        }
        process.kill().await;
        work.abort();
        println!(
            "round {round}: killed after {} and {} ms",
            first.as_millis(),
            second.as_millis()
        );
    }

    let process = Process::up(&data_dir, &[]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
    let mut lost = 0;
    let mut doubled = 0;
    let mut compactions = 0;
    for (client, table, from, rows, acknowledged) in [
        (&left, &world.tables[0], "north.people", ROWS, read(&told.imports)),
        (
            &right,
            &world.tables[1],
            "south.people",
            FEW,
            read(&told.small_imports) + 1,
        ),
    ] {
        let completed = completed_imports(client, table).await;
        assert!(
            completed >= acknowledged,
            "{acknowledged} imports into {from} were acknowledged, {completed} are there"
        );
        let (counted, held) = (count(client, &world.project_id, from).await, completed * rows);
        lost += held.saturating_sub(counted);
        doubled += counted.saturating_sub(held);
        let versions = versions(client, table).await.unwrap();
        compactions += versions
            .iter()
            .filter(|it| it.origin() == VersionOrigin::Compaction)
            .count();
    }
    let turns = versions(&left, &turned).await.unwrap();
    let restored = turns
        .iter()
        .filter(|it| it.origin() == VersionOrigin::Restore)
        .count() as u64;
    let rows = count(&left, &world.project_id, "turned.people").await;
    assert_eq!(rows, turns.first().map_or(0, |it| it.rows).unsigned_abs());
    assert!(restored >= read(&told.restores), "{restored} of {told:?}");
    completed_imports(&left, &turned).await;

    let exports = ended_exports(&left).await;
    let exported = exports
        .iter()
        .filter(|it| it.state() == JobState::Completed)
        .count() as u64;
    assert!(exported >= read(&told.exports));
    let stuck = open_queries(&right).await;

    // As if weeks had passed: all that nothing points to goes, and nothing else.
    age(&process).await;
    assert!(process.terminate().await.success());
    let process = Process::up(&data_dir, &[]).await;
    let (missing, left_over) = objects(&process, &data_dir).await;
    println!(
        "{rounds} kills, {told:?}; {compactions} compactions, {} exports ended; lost {lost}, doubled {doubled}, stuck \
         {stuck}; objects missing {}, left over {}",
        exports.len(),
        missing.len(),
        left_over.len(),
    );
    assert_eq!((lost, doubled, stuck), (0, 0, 0));
    assert_eq!((missing, left_over), (BTreeSet::new(), BTreeSet::new()));
    assert!(process.terminate().await.success());
}

async fn completed_imports(client: &Client, table: &str) -> u64 {
    let imports = ended_imports(client, table).await;
    imports
        .iter()
        .filter(|job| job.state() == JobState::Completed)
        .count() as u64
}

async fn count(client: &Client, project_id: &str, from: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {from}");
    let counted = client.run(project_id, sql.as_str()).await.unwrap();
    counted.cells[0][0].to_string().parse().unwrap()
}

/// Once the sweep is done: table files that no object is there for, and objects that no file is in.
async fn objects(process: &Process, data_dir: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let swept = async {
        let open = "SELECT (SELECT count(*) FROM object_garbage WHERE since <= utc_now())
                         + (SELECT count(*) FROM import_run
                            WHERE swept_at IS NULL AND ended_at <= utc_now() - interval '10 minutes')
                         + (SELECT count(*) FROM table_version v WHERE version_may_go(v, utc_now() - interval '8 days'))
                         + (SELECT count(*) FROM table_compaction WHERE holder IS NOT NULL)";
        while column(process, open).await != BTreeSet::from(["0".to_owned()]) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(END, swept)
        .await
        .expect("the sweep comes to its end");
    let files = column(process, "SELECT DISTINCT path FROM table_file").await;
    let root = data_dir.join("objects");
    let (mut there, mut folders) = (BTreeSet::new(), vec![root.join("tenant")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                there.insert(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    (
        files.difference(&there).cloned().collect(),
        there.difference(&files).cloned().collect(),
    )
}

async fn column(process: &Process, sql: &str) -> BTreeSet<String> {
    let messages = process.sql(sql).await;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    rows.collect()
}

/// All exports, once each has ended.
async fn ended_exports(client: &Client) -> Vec<ExportJob> {
    let request = ListExportJobsRequest {
        page_size: 1000,
        ..Default::default()
    };
    let jobs = client.exports().list_export_jobs(request).await.unwrap();
    let mut ended = Vec::new();
    for mut job in jobs.into_inner().export_jobs {
        let to_its_end = async {
            while !matches!(job.state(), JobState::Completed | JobState::Failed) {
                let wait = WaitExportJobRequest {
                    id: job.id.clone(),
                    timeout: Some(prost_types::Duration {
                        seconds: 10,
                        nanos: 0,
                    }),
                };
                job = client.exports().wait_export_job(wait).await.unwrap().into_inner();
            }
            job
        };
        let to_its_end = tokio::time::timeout(END, to_its_end);
        ended.push(to_its_end.await.expect("an export is stuck"));
    }
    ended
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
