//! How many small files become few.

use std::time::Duration;

use datacovey_error::{ErrorReason, Kind};
use datacovey_persistence::{Compaction, ImportCommit, JobKind, NewFile};
use datacovey_testing::schema_of;
use serde_json::json;

use crate::leases::claimed;
use crate::refusal::{breaks, refusal};
use crate::visibility::Imports;

const LEASE: Duration = Duration::from_secs(60);

impl Imports {
    async fn claim(&self) -> Option<Compaction> {
        self.worker.compaction_claim("w", LEASE, 8).await.unwrap()
    }

    async fn small(&self, files: usize) {
        self.import("append", &vec![100; files]).await;
    }
}

fn paths(held: &Compaction, most: usize) -> Vec<String> {
    held.files.iter().take(most).map(|it| it.path.clone()).collect()
}

fn merged(held: &Compaction, rows: i64) -> NewFile {
    NewFile {
        path: format!("{}00000.parquet", held.folder),
        format: "parquet".to_owned(),
        rows,
        bytes: 5_000,
        checksum: "c".to_owned(),
        statistics: json!({"tailnum": {"nulls": 0, "distinct": 100}}),
    }
}

#[tokio::test]
async fn small_files_become_a_version_of_the_same_content() {
    let imports = Imports::new().await;
    imports.small(7).await;
    assert_eq!(imports.claim().await, None, "seven are few");
    imports.small(3).await;
    let held = imports.claim().await.unwrap();
    assert_eq!(
        (held.table_id, held.tenant_id),
        (imports.world.flights, imports.world.airline.id)
    );
    assert_eq!((held.files.len(), held.files[0].rows), (10, 1_000));
    assert_eq!(held.schema, schema_of(&["tailnum", "carrier"]));
    assert_eq!(imports.claim().await, None, "it is held");
    // Until it is committed, what is written is garbage.
    assert_eq!(imports.garbage().await, std::slice::from_ref(&held.folder));
    // What is added meanwhile stays as it is.
    imports.small(1).await;
    let version = imports
        .worker
        .compaction_commit(&held, paths(&held, 9), &[merged(&held, 9_000)])
        .await
        .unwrap();
    assert_eq!(version, 4);
    assert_eq!(imports.garbage().await, Vec::<String>::new());
    let newest = &imports.versions().await[0];
    assert_eq!(
        (
            newest.version,
            newest.content_version,
            newest.mode.as_str(),
            newest.rows,
            newest.bytes
        ),
        (4, 3, "compaction", 11_000, 7_000)
    );
    assert!(newest.visible, "others read the same rows");
    assert_eq!(imports.seen().await, 4);
    assert_eq!(imports.files(4).await.0.len(), 3);
    assert_eq!(
        imports.files(3).await.0.len(),
        11,
        "the version before is as it was"
    );
    assert_eq!(imports.claim().await, None);
    // Nothing is a second time.
    let again = imports.worker.compaction_commit(&held, Vec::new(), &[]).await;
    assert_eq!(again.unwrap_err().reason(), ErrorReason::WrongState);
}

#[tokio::test]
async fn a_policy_that_became_milder_judges_no_compaction() {
    let imports = Imports::new().await;
    imports.import("append", &[100]).await;
    imports.import("append", &[10; 8]).await;
    imports
        .policy(json!({"privacy_unit": "tailnum", "threshold": {"min_units": 5}}))
        .await;
    let held = imports.claim().await.unwrap();
    imports
        .worker
        .compaction_commit(&held, paths(&held, 9), &[merged(&held, 9_000)])
        .await
        .unwrap();
    assert_eq!(imports.seen().await, 1);
}

#[tokio::test]
async fn an_import_wins() {
    let imports = Imports::new().await;
    imports.small(9).await;
    let held = imports.claim().await.unwrap();
    imports.import("replace", &[1]).await;
    let overtaken = imports
        .worker
        .compaction_commit(&held, paths(&held, 9), &[merged(&held, 9_000)])
        .await;
    assert_eq!(overtaken.unwrap_err().kind(), Kind::Aborted);
    assert_eq!(imports.versions().await.len(), 2);
    imports
        .worker
        .compaction_release(&held, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(imports.claim().await, None, "one file is left");

    // An import that has proven its rows against the version before is not disturbed.
    imports.small(9).await;
    imports
        .world
        .admin
        .import_job(imports.world.airline, imports.world.flights)
        .await;
    let job = claimed(&imports.worker, JobKind::Import).await;
    let held = imports.claim().await.unwrap();
    imports
        .worker
        .compaction_commit(&held, paths(&held, 10), &[merged(&held, 10_000)])
        .await
        .unwrap();
    let commit = ImportCommit {
        used_schema: schema_of(&["tailnum", "carrier"]),
        base_version: Some(3),
        mode: "append".to_owned(),
        unique_columns: vec!["tailnum".to_owned()],
        files: Vec::new(),
        progress: None,
    };
    let version = imports.worker.import_commit(&job.ctx(), &job.lease, commit).await;
    assert_eq!(version.unwrap(), 5);
}

#[tokio::test]
async fn only_whole_and_timely_work_counts() {
    let imports = Imports::new().await;
    imports.small(9).await;
    let held = imports.claim().await.unwrap();
    let commit = async |held: &Compaction, rows| {
        let files = [merged(held, rows)];
        imports
            .worker
            .compaction_commit(held, paths(held, 9), &files)
            .await
    };
    // A row less or more, and nothing saved.
    for (merged_paths, files) in [
        (paths(&held, 9), vec![merged(&held, 8_999)]),
        (paths(&held, 1), vec![merged(&held, 1_000)]),
    ] {
        let call = format!(
            "SELECT commit_compaction('{}', 'w', {}, ARRAY['{}'], '{}')",
            held.table_id,
            held.attempt,
            merged_paths.join("', '"),
            serde_json::to_string(&files).unwrap()
        );
        let worker = imports.world.airline_as("datacovey_transfer_worker").await;
        breaks(worker.rows(&call).await, "table_compaction_keeps_rows");
    }
    let other = Compaction {
        holder: "other".to_owned(),
        ..held.clone()
    };
    assert_eq!(
        commit(&other, 9_000).await.unwrap_err().reason(),
        ErrorReason::WrongState
    );
    let expire = "UPDATE table_compaction SET lease_expires_at = utc_now() - interval '1 second'";
    imports.world.admin.run(expire).await.unwrap();
    assert_eq!(
        commit(&held, 9_000).await.unwrap_err().reason(),
        ErrorReason::WrongState
    );
    // Another worker takes it over, in a folder of its own; that of the first is garbage.
    let next = imports.claim().await.unwrap();
    assert_eq!(next.attempt, held.attempt + 1);
    assert_ne!(next.folder, held.folder);
    assert_eq!(
        commit(&held, 9_000).await.unwrap_err().reason(),
        ErrorReason::WrongState
    );
    commit(&next, 9_000).await.unwrap();
    assert_eq!(imports.garbage().await, std::slice::from_ref(&held.folder));
    // What came to nothing is left alone for a while.
    imports.small(9).await;
    let held = imports.claim().await.unwrap();
    imports.worker.compaction_release(&held, LEASE).await.unwrap();
    assert_eq!(imports.claim().await, None);

    let worker = imports.world.airline_as("datacovey_transfer_worker").await;
    for call in ["'', 1000, 8", "'w', 0, 8", "'w', 1000, 1"] {
        let refused = refusal(
            worker
                .rows(&format!("SELECT * FROM claim_compaction({call})"))
                .await,
        );
        assert_eq!(refused.code, "22023", "{call}");
    }
    let query_worker = imports.world.airline_as("datacovey_query_worker").await;
    assert_eq!(
        refusal(
            query_worker
                .rows("SELECT * FROM claim_compaction('w', 1000, 8)")
                .await
        )
        .code,
        "42501"
    );
}

#[tokio::test]
async fn an_archived_table_waits_and_a_removed_one_is_forgotten() {
    let imports = Imports::new().await;
    let world = &imports.world;
    imports.small(9).await;
    let set = |value: &str| {
        format!(
            "UPDATE \"table\" SET archived_at = {value} WHERE id = '{}'",
            world.flights
        )
    };
    world.admin.run(&set("now()")).await.unwrap();
    assert_eq!(imports.claim().await, None);
    world.admin.act_for(world.airline.id, world.airline.admin).await;
    world.admin.run(&set("NULL")).await.unwrap();
    let held = imports.claim().await.unwrap();
    let purge = format!("SELECT purge('table', '{}', true)", world.flights);
    world
        .airline_as("datacovey_catalog")
        .await
        .rows(&purge)
        .await
        .unwrap();
    let late = imports
        .worker
        .compaction_commit(&held, paths(&held, 9), &[merged(&held, 9_000)])
        .await;
    assert_eq!(late.unwrap_err().reason(), ErrorReason::WrongState);
    let table = format!("tenant/{}/table/{}/", world.airline.id, world.flights);
    let garbage = imports.garbage().await;
    let of_table: Vec<_> = garbage
        .into_iter()
        .filter(|it| it.starts_with("tenant/"))
        .collect();
    assert_eq!(of_table, [table, held.folder]);
}
