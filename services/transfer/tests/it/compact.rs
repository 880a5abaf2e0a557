use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::{ObjectPath, Store};
use futures::TryStreamExt as _;

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

/// All objects of tables, with what they hold.
async fn table_objects(store: &Store) -> BTreeMap<String, Bytes> {
    let paths: Vec<ObjectPath> = store
        .list(&ObjectPath::from("tenant"))
        .try_collect()
        .await
        .unwrap();
    let mut objects = BTreeMap::new();
    for path in paths {
        let size = store.size_bytes(&path).await.unwrap();
        let content = store.get_range(&path, 0..size).await.unwrap();
        objects.insert(path.to_string(), content);
    }
    objects
}

#[tokio::test]
async fn a_damaged_file_is_left_alone_with_all_others() {
    let suite = Suite::with(|limits| {
        limits.compact_from_files = 8;
        limits.compact_every = Duration::from_millis(20);
    })
    .await;
    let (mut editor, table) = (suite.as_editor(), suite.table("planes").await);
    let import = async |editor: &mut crate::suite::Caller, number: u32| {
        let content = csv(1 + number * 10, 10);
        let job = editor.import(csv_import(&table), content.as_bytes()).await;
        assert_eq!(job.state(), pb::JobState::Completed);
    };
    for number in 0..7 {
        import(&mut editor, number).await;
    }
    let store = &suite.transfer.store;
    let (damaged, good) = table_objects(store).await.pop_first().unwrap();
    let damaged = ObjectPath::from(damaged);
    let mut content = good.to_vec();
    let middle = content.len() / 2;
    content[middle] ^= 0x20;
    store.put(&damaged, Bytes::from(content)).await.unwrap();
    let before = table_objects(store).await;
    // With the next one there are enough to be made few.
    import(&mut editor, 7).await;
    // A pass that failed leaves the table alone for a while; one that was overtaken does not.
    let failed = format!(
        "SELECT count(*) FROM table_compaction WHERE table_id = '{table}' AND attempt > 0 AND holder IS NULL
         AND ready_at > utc_now() + interval '10 seconds'"
    );
    let tried = async {
        while suite.sql.value(&failed).await.unwrap() == "0" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tried).await.unwrap();

    // What the pass may have written is garbage, and no part of the table.
    let files = format!("SELECT path FROM table_file WHERE table_id = '{table}' AND removed_in IS NULL");
    let files = suite.sql.column(&files).await.unwrap();
    assert_eq!((files.len(), editor.list_versions(&table).await.len()), (8, 8));
    let objects = table_objects(store).await;
    assert!(files.iter().all(|path| objects.contains_key(path)));
    assert!(
        before
            .iter()
            .all(|(path, content)| objects.get(path) == Some(content))
    );
    // Once it is as it was, every row is there.
    store.put(&damaged, good).await.unwrap();
    let whole = editor.exported(&table, None).await;
    let mut expected: Vec<String> = (1..81).map(|n| format!("N{n}")).collect();
    let mut found: Vec<_> = whole.lines().skip(1).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found.len(), expected.len());
    assert!(
        found
            .iter()
            .all(|line| expected.iter().any(|name| line.contains(name.as_str())))
    );
}
