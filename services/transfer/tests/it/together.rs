//! Imports into one table at once.

use datacovey_proto::transfer::v1 as pb;
use futures::future::join_all;

use crate::restore::replace;
use crate::suite::{Suite, csv, csv_import};

async fn crowded() -> Suite {
    Suite::with(|limits| {
        limits.worker.concurrency = 8;
        limits.worker.max_running_per_tenant = 8;
    })
    .await
}

/// Imports each content at once; how they ended, in order.
async fn at_once(suite: &Suite, requests: Vec<(pb::CreateImportJobRequest, String)>) -> Vec<pb::ImportJob> {
    let imports = requests.into_iter().map(|(request, content)| async move {
        let mut editor = suite.as_editor();
        editor.import(request, content.as_bytes()).await
    });
    join_all(imports).await
}

async fn rows(suite: &Suite, table: &str) -> String {
    let newest = format!(
        "SELECT rows, (SELECT sum(rows) FROM table_file f WHERE f.table_id = v.table_id AND removed_in IS NULL)
         FROM table_version v WHERE table_id = '{table}' ORDER BY version DESC LIMIT 1"
    );
    suite.sql.rows(&newest).await.unwrap()[0].join(" ")
}

#[tokio::test]
async fn what_is_appended_at_once_is_all_kept() {
    let suite = crowded().await;
    let table = suite.table("planes").await;
    let requests = (0..12).map(|n| (csv_import(&table), csv(1 + n * 100, 100)));
    let jobs = at_once(&suite, requests.collect()).await;
    for job in &jobs {
        assert_eq!(job.state(), pb::JobState::Completed, "{job:?}");
    }
    assert_eq!(rows(&suite, &table).await, "1200 1200");
    let mut versions: Vec<_> = jobs.iter().filter_map(|job| job.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=12).collect::<Vec<_>>());
    let unique = format!("SELECT DISTINCT unique_columns FROM table_version WHERE table_id = '{table}'");
    assert_eq!(suite.sql.column(&unique).await.unwrap(), ["{tailnum}"]);
}

#[tokio::test]
async fn of_replacements_at_once_one_is_the_last() {
    let suite = crowded().await;
    let table = suite.table("planes").await;
    let requests = (1..=6).map(|n| (replace(&table), csv(1, n * 10)));
    let jobs = at_once(&suite, requests.collect()).await;
    let last = jobs.iter().max_by_key(|job| job.version).unwrap();
    assert_eq!(last.version, Some(6));
    let rows = rows(&suite, &table).await;
    assert_eq!(rows, format!("{0} {0}", last.rows_imported));
}

#[tokio::test]
async fn of_imports_into_an_empty_table_at_once_one_succeeds() {
    let suite = crowded().await;
    let table = suite.table("planes").await;
    let into_empty = || pb::CreateImportJobRequest {
        mode: pb::ImportMode::EmptyOnly.into(),
        ..csv_import(&table)
    };
    // Both are created while the table is empty.
    let mut editor = suite.as_editor();
    let [one, other] = [
        editor.create(into_empty()).await,
        editor.create(into_empty()).await,
    ];
    let upload = async |id: &str, content: String| {
        let mut editor = suite.as_editor();
        editor.upload(id, content.as_bytes()).await;
        editor.ended(id).await
    };
    let (one, other) = tokio::join!(upload(&one.id, csv(1, 10)), upload(&other.id, csv(1, 20)));
    let (won, lost) = if one.version.is_some() {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(won.version, Some(1));
    assert_eq!(lost.state(), pb::JobState::Failed);
    let why = lost.error.unwrap();
    assert!(why.message.contains("holds data already"), "{why:?}");
    let rows = rows(&suite, &table).await;
    assert_eq!(rows, format!("{0} {0}", won.rows_imported));
}
