//! The door through which an import becomes visible.

use datacovey_error::{ErrorReason, Kind};
use datacovey_persistence::{DbRole, ImportCommit, JobKind, NewFile};
use datacovey_testing::schema_of;
use serde_json::{Value, json};

use crate::leases::claimed;
use crate::world::World;

fn flights_commit(mode: &str, base_version: Option<i64>, files: &[(&str, i64)]) -> ImportCommit {
    let file = |(path, rows): &(&str, i64)| NewFile {
        path: (*path).to_owned(),
        format: "parquet".to_owned(),
        rows: *rows,
        bytes: rows * 10,
        checksum: "c".to_owned(),
        statistics: json!({"tailnum": {"nulls": 0}}),
    };
    ImportCommit {
        used_schema: schema_of(&["tailnum", "carrier"]),
        base_version,
        mode: mode.to_owned(),
        unique_columns: vec!["tailnum".to_owned()],
        files: files.iter().map(file).collect(),
        progress: Some(json!({"rows": 1})),
    }
}

#[tokio::test]
async fn an_import_becomes_a_version_of_files() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let transfer = world.database.open(DbRole::Transfer).await;
    let commit = async |commit: ImportCommit| {
        world.admin.import_job(world.airline, world.flights).await;
        let job = claimed(&worker, JobKind::Import).await;
        assert_eq!(
            (job.parent_id, job.creator.user_id),
            (world.flights, world.airline.admin)
        );
        worker.import_commit(&job.ctx(), &job.lease, commit).await
    };
    assert_eq!(
        commit(flights_commit("append", Some(0), &[("a", 100)]))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        commit(flights_commit("append", Some(1), &[("b", 20), ("c", 3)]))
            .await
            .unwrap(),
        2
    );
    assert_eq!(commit(flights_commit("append", None, &[])).await.unwrap(), 3);
    assert_eq!(
        commit(flights_commit("replace", None, &[("d", 7)]))
            .await
            .unwrap(),
        4
    );

    let versions = transfer
        .versions_resolve(
            &world.airline.ctx(),
            &[
                (world.flights, Some(1)),
                (world.flights, Some(3)),
                (world.flights, None),
                (world.planes, None),
            ],
        )
        .await
        .unwrap();
    let paths = |files: &Value| {
        files
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let found = versions
        .iter()
        .map(|it| {
            (
                it.version,
                it.content_version,
                it.rows,
                it.bytes,
                paths(&it.files),
            )
        })
        .collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            (1, 1, 100, 1000, "a".to_owned()),
            (3, 2, 123, 1230, "a b c".to_owned()),
            (4, 4, 7, 70, "d".to_owned()),
            (0, 0, 0, 0, String::new()),
        ]
    );
    // A version that is not there, and a table that is not the stranger's to query, are absent.
    let none = transfer
        .versions_resolve(&world.registry.ctx(), &[(world.flights, Some(9))])
        .await
        .unwrap();
    assert_eq!(none, []);
    assert_eq!(
        transfer
            .versions_resolve(&world.stranger.ctx(), &[(world.flights, None)])
            .await
            .unwrap(),
        []
    );

    // Of another's table the size class is told, of an own one the size.
    let query = world.database.open(DbRole::Query).await;
    let seen = query
        .project_resolve(&world.registry.ctx(), world.project)
        .await
        .unwrap();
    // The newest one differs by nobody knows how many individuals, and is not in sight yet.
    assert_eq!((seen[0].version, seen[0].rows, seen[0].bytes), (1, 128, 1024));
    let seen = query
        .project_resolve(&world.airline.ctx(), world.project)
        .await
        .unwrap();
    assert_eq!(
        (seen[0].rows, seen[0].bytes, seen[0].unique_columns.as_slice()),
        (7, 70, ["tailnum".to_owned()].as_slice())
    );
    let state = "SELECT status FROM import_job";
    assert!(
        world
            .admin
            .column(state)
            .await
            .unwrap()
            .iter()
            .all(|it| it == "completed")
    );
}

#[tokio::test]
async fn an_import_that_no_longer_fits_is_not_committed() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    world.admin.import_job(world.airline, world.flights).await;
    let first = claimed(&worker, JobKind::Import).await;
    worker
        .import_commit(
            &first.ctx(),
            &first.lease,
            flights_commit("append", Some(0), &[("a", 1)]),
        )
        .await
        .unwrap();
    // Ended: it commits nothing a second time.
    let again = worker
        .import_commit(
            &first.ctx(),
            &first.lease,
            flights_commit("append", None, &[("z", 1)]),
        )
        .await;
    assert_eq!(again.unwrap_err().kind(), Kind::FailedPrecondition);

    world.admin.import_job(world.airline, world.flights).await;
    let job = claimed(&worker, JobKind::Import).await;
    let commit = async |commit| {
        worker
            .import_commit(&job.ctx(), &job.lease, commit)
            .await
            .unwrap_err()
    };
    assert_eq!(
        commit(flights_commit("append", Some(0), &[("b", 1)]))
            .await
            .kind(),
        Kind::Aborted
    );
    assert_eq!(
        commit(flights_commit("empty_only", None, &[("b", 1)]))
            .await
            .reason(),
        ErrorReason::WrongState
    );
    let mut other_schema = flights_commit("append", None, &[("b", 1)]);
    other_schema.used_schema = json!({});
    assert_eq!(commit(other_schema).await.reason(), ErrorReason::WrongState);
    let mut stale = job.lease.clone();
    stale.attempt = 2;
    let refused = worker
        .import_commit(&job.ctx(), &stale, flights_commit("append", None, &[]))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WrongState);
    stale = job.lease.clone();
    stale.holder = "w2".to_owned();
    let refused = worker
        .import_commit(&job.ctx(), &stale, flights_commit("append", None, &[]))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WrongState);
    // In another tenant's name the job is not there.
    let refused = worker
        .import_commit(
            &world.registry.ctx(),
            &job.lease,
            flights_commit("append", None, &[]),
        )
        .await;
    assert_eq!(refused.unwrap_err().kind(), Kind::FailedPrecondition);
    for (relation, id) in [
        ("table", world.flights),
        ("dataset", world.dataset),
        ("project", world.project),
    ] {
        let set = |value: &str| format!("UPDATE \"{relation}\" SET archived_at = {value} WHERE id = '{id}'");
        world.admin.run(&set("now()")).await.unwrap();
        assert_eq!(
            commit(flights_commit("append", None, &[])).await.reason(),
            ErrorReason::Archived
        );
        world.admin.act_for(world.airline.id, world.airline.admin).await;
        world.admin.run(&set("NULL")).await.unwrap();
    }
    // Nothing of it was left.
    assert_eq!(
        world
            .admin
            .value("SELECT count(*) FROM table_version")
            .await
            .unwrap(),
        "1"
    );
    assert_eq!(
        worker
            .import_commit(&job.ctx(), &job.lease, flights_commit("append", Some(1), &[]))
            .await
            .unwrap(),
        2
    );
}

#[tokio::test]
async fn of_cancel_and_commit_exactly_one_wins() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let client = world.airline_as("datacovey_transfer").await;
    let mut committed = 0;
    for _ in 0..25 {
        let id = world.admin.import_job(world.airline, world.flights).await;
        let job = claimed(&worker, JobKind::Import).await;
        let cancel = format!("UPDATE import_job SET status = 'failed' WHERE id = '{id}'");
        let ctx = job.ctx();
        let (commit, cancel) = tokio::join!(
            worker.import_commit(&ctx, &job.lease, flights_commit("append", None, &[])),
            client.run(&cancel)
        );
        assert_ne!(commit.is_ok(), cancel.is_ok(), "{commit:?} {cancel:?}");
        let status = world
            .admin
            .value(&format!("SELECT status FROM import_job WHERE id = '{id}'"))
            .await
            .unwrap();
        assert_eq!(status == "completed", commit.is_ok());
        committed += u64::from(commit.is_ok());
    }
    assert_eq!(
        world
            .admin
            .value("SELECT count(*) FROM table_version")
            .await
            .unwrap(),
        committed.to_string()
    );
}
