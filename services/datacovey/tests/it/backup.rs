//! A backup as k8s/README.md describes it, taken while the suite works: what was acknowledged before it is
//! there after the restore, and queries run on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datacovey::client::ImportOptions;
use datacovey_persistence::BOOTSTRAP;
use datacovey_proto::transfer::v1::JobState;
use tokio::process::Command;
use tokio_postgres::NoTls;

use crate::load::{ROWS, ended_imports, work, write_people};
use crate::process::{Process, database_server, folder};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_whole() {
    let folder = folder();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    let file = folder.path().join("people.csv");
    let dump = folder.path().join("datacovey.dump");
    write_people(&file);
    // Another server, and its programs, which are of the version of the suite's own.
    let server = database_server(folder.path()).await;

    let process = Process::up(&before, &[]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let world = World::make(&left, &right).await;
    for (client, table) in [(&left, &world.tables[0]), (&right, &world.tables[1])] {
        let options = ImportOptions::default();
        client
            .import_file(table, &file, &options, &|_, _| {}, &|_, _| {})
            .await
            .unwrap();
    }
    let acknowledged = Arc::new(AtomicU64::new(1));
    let work = tokio::spawn(work(
        left,
        right,
        world.project_id.clone(),
        world.tables[0].clone(),
        file.clone(),
        Arc::clone(&acknowledged),
    ));
    while acknowledged.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    let acknowledged_before = acknowledged.load(Ordering::SeqCst);
    let mut pg_dump = Command::new(server.program("pg_dump"));
    pg_dump
        .args([
            "--format=custom",
            "--role=datacovey_owner",
            "--enable-row-security",
        ])
        .arg("--file")
        .arg(&dump)
        .arg(process.superuser());
    succeed(pg_dump).await;
    copy(&before.join("objects"), &after.join("objects"));
    // The one key that belongs to the data.
    std::fs::create_dir(after.join("keys")).unwrap();
    std::fs::copy(before.join("keys/secret.key"), after.join("keys/secret.key")).unwrap();
    work.abort();
    process.kill().await;

    let restored = server.database("restored").await.unwrap();
    run(&restored, BOOTSTRAP).await;
    let mut pg_restore = Command::new(server.program("pg_restore"));
    pg_restore
        .args([
            "--exit-on-error",
            "--single-transaction",
            "--role=datacovey_owner",
        ])
        .args(["--no-owner", "--dbname", &restored])
        .arg(&dump);
    succeed(pg_restore).await;

    let process = Process::up(&after, &["--database-url", &restored]).await;
    let (left, right) = (process.client("Left").await, process.client("Right").await);
    let imports = ended_imports(&left, &world.tables[0]).await;
    let completed = imports.iter().filter(|job| job.state() == JobState::Completed);
    let completed = completed.count() as u64;
    assert!(
        completed >= acknowledged_before,
        "{completed} of {acknowledged_before} imports"
    );
    let counted = left
        .run(&world.project_id, "SELECT COUNT(*) AS n FROM north.people")
        .await
        .unwrap();
    assert_eq!(counted.cells[0][0].to_string(), (completed * ROWS).to_string());
    let both = "SELECT COUNT(*) AS n FROM (SELECT email FROM north.people INTERSECT SELECT email FROM south.people) AS both_of_them";
    let overlap = right.run(&world.project_id, both).await.unwrap();
    assert_eq!(overlap.cells[0][0].to_string(), ROWS.to_string());
    assert!(process.terminate().await.success());
    server.stop().await;
}

async fn succeed(mut command: Command) {
    let output = command.output().await;
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

async fn run(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

/// As `cp -r` of a folder whose files come and go meanwhile.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        let copied = match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                copy(&entry.path(), &to);
                continue;
            }
            Ok(_) => std::fs::copy(entry.path(), to).map(|_| ()),
            Err(gone) => Err(gone),
        };
        if let Err(error) = copied {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
    }
}
