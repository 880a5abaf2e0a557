use std::time::Duration;

use datacovey_proto::transfer::v1 as pb;

use crate::suite::{PATIENCE, Suite, csv, csv_import};

fn sorted(csv: &str) -> Vec<&str> {
    let mut lines: Vec<_> = csv.lines().collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn many_small_imports_become_few_files_of_the_same_rows() {
    let suite = Suite::with(|limits| {
        limits.compact_from_files = 8;
        limits.compact_every = Duration::from_millis(20);
    })
    .await;
    let (mut editor, table) = (suite.as_editor(), suite.table("planes").await);
    for number in 0..20 {
        let job = editor
            .import(csv_import(&table), csv(1 + number * 10, 10).as_bytes())
            .await;
        assert_eq!(job.state(), pb::JobState::Completed);
    }
    let live = format!("SELECT count(*) FROM table_file WHERE table_id = '{table}' AND removed_in IS NULL");
    let compacted = async {
        while suite.sql.value(&live).await.unwrap().parse::<u32>().unwrap() >= 8 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, compacted).await.unwrap();
    let versions = editor.list_versions(&table).await;
    let newest = &versions[0];
    assert_eq!(
        (newest.rows, newest.import_job_id.is_empty()),
        (200, newest.origin() == pb::VersionOrigin::Compaction)
    );
    assert!(
        versions
            .iter()
            .any(|it| it.origin() == pb::VersionOrigin::Compaction)
    );
    let whole = editor.exported(&table, None).await;
    assert_eq!(sorted(&whole).len(), 201);
    assert_eq!(
        sorted(&whole),
        sorted(&editor.exported(&table, Some(newest.content_version)).await)
    );
    let proven = format!("SELECT DISTINCT unique_columns FROM table_version WHERE table_id = '{table}'");
    assert_eq!(suite.sql.column(&proven).await.unwrap(), ["{tailnum}"]);
    // What is known of the rows is known of them together.
    let known = format!(
        "SELECT sum(rows), sum((statistics #>> '{{tailnum,nulls}}')::bigint),
                min((statistics #>> '{{year,min}}')::bigint), max((statistics #>> '{{year,max}}')::bigint)
         FROM table_file WHERE table_id = '{table}' AND removed_in IS NULL"
    );
    assert_eq!(
        suite.sql.rows(&known).await.unwrap(),
        [["200", "0", "1950", "2019"]]
    );
    // Tail numbers that are there already are found in the merged files, too.
    let twice = editor.import(csv_import(&table), csv(5, 1).as_bytes()).await;
    let proven = format!(
        "SELECT unique_columns FROM table_version WHERE table_id = '{table}' AND version = {}",
        twice.version.unwrap()
    );
    assert_eq!(suite.sql.value(&proven).await.unwrap(), "{}");
}
