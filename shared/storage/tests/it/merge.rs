use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use datacovey_storage::merge::{Mergeable, Merged, merge_files};
use datacovey_storage::read::{Piece, read_table_files};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::write::WriteError;
use datacovey_storage::{ObjectPath, Store};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::kit::{read_all, store};

/// `number` was an integer once, and `new` was not there.
fn schema() -> TableSchema {
    TableSchema::parse(&json!({ "type": "object", "properties": {
        "name": { "type": "string" },
        "number": { "type": "number" },
        "new": { "type": "string" },
    } }))
    .unwrap()
}

/// A file of names and whole numbers, with hidden columns of numbers.
async fn put(
    store: &Store,
    name: &str,
    rows: std::ops::Range<i64>,
    hidden: &[&str],
    known: Value,
) -> Mergeable {
    let names: StringArray = rows.clone().map(|n| Some(format!("n{n}"))).collect();
    let numbers = || -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.clone())) };
    let mut columns = vec![("name", Arc::new(names) as ArrayRef), ("number", numbers())];
    columns.extend(hidden.iter().map(|name| (*name, numbers())));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let content = writer.into_inner().unwrap();
    let path = ObjectPath::from(format!("t/{name}.parquet"));
    let size_bytes = content.len() as u64;
    let sha256 = sha256(&content);
    store.put(&path, Bytes::from(content)).await.unwrap();
    Mergeable {
        piece: Piece { path, size_bytes },
        rows: batch.num_rows() as u64,
        sha256,
        statistics: known,
    }
}

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

async fn merge(store: &Store, files: &[Mergeable], file_bytes: u64) -> Result<Merged, WriteError> {
    let folder = ObjectPath::from("merged");
    merge_files(store.clone(), folder, files.to_vec(), schema(), file_bytes).await
}

fn known(keyed_with: Option<&str>) -> Value {
    match keyed_with {
        Some(key) => json!({ "name": { "nulls": 0, "distinct": 10, "id": key }, "number": { "nulls": 0 } }),
        None => json!({ "name": { "nulls": 0, "distinct": 10 }, "number": { "nulls": 0 } }),
    }
}

async fn columns_of(store: &Store, path: &ObjectPath) -> RecordBatch {
    let size = store.size_bytes(path).await.unwrap();
    let whole = store.get_range(path, 0..size).await.unwrap();
    let mut batches = ParquetRecordBatchReaderBuilder::try_new(whole)
        .unwrap()
        .build()
        .unwrap();
    batches.next().unwrap().unwrap()
}

#[tokio::test]
async fn rows_are_those_that_they_were_in_the_types_of_now() {
    let (_folder, store) = store();
    let mut files = Vec::new();
    for n in 0..10 {
        files.push(put(&store, &n.to_string(), n * 10..n * 10 + 10, &[], known(None)).await);
    }
    let merged = merge(&store, &files, 1 << 20).await.unwrap();
    let expected: Vec<_> = files.iter().map(|file| file.piece.path.clone()).collect();
    assert_eq!(merged.merged, expected);
    let [file] = &merged.files[..] else {
        panic!("{merged:?}")
    };
    assert_eq!((file.rows, file.sha256.len()), (100, 64));
    assert_eq!(file.size_bytes, store.size_bytes(&file.path).await.unwrap());
    assert_eq!(
        file.statistics,
        json!({ "name": { "nulls": 0, "distinct": 10 }, "number": { "nulls": 0 } })
    );
    let pieces = |files: Vec<Piece>| read_table_files(store.clone(), files, schema());
    let before = files.iter().map(|file| file.piece.clone()).collect();
    let after = Piece {
        path: file.path.clone(),
        size_bytes: file.size_bytes,
    };
    let (before, rejected) = read_all(pieces(before), &schema()).await.unwrap();
    assert_eq!(rejected, []);
    assert_eq!(read_all(pieces(vec![after]), &schema()).await.unwrap().0, before);
    assert_eq!(
        columns_of(&store, &file.path).await.schema().fields(),
        schema().arrow().fields()
    );
}

#[tokio::test]
async fn hidden_columns_go_along_and_files_of_another_key_stay_apart() {
    let (_folder, store) = store();
    let files = [
        put(&store, "a", 0..10, &["__id.name"], known(Some("k"))).await,
        put(&store, "b", 10..20, &[], known(None)).await,
        put(&store, "c", 20..30, &["__id.name"], known(Some("k"))).await,
        put(&store, "d", 30..40, &["__id.name"], known(Some("l"))).await,
        put(&store, "e", 40..50, &[], known(None)).await,
        // Says that it is keyed, and has no ids.
        put(&store, "f", 50..60, &[], known(Some("k"))).await,
    ];
    let merged = merge(&store, &files, 1 << 20).await.unwrap();
    let mut taken: Vec<_> = merged.merged.iter().map(ToString::to_string).collect();
    taken.sort();
    assert_eq!(
        taken,
        ["t/a.parquet", "t/b.parquet", "t/c.parquet", "t/e.parquet"]
    );
    assert_eq!(merged.files.len(), 2);
    let keyed = merged
        .files
        .iter()
        .find(|file| file.statistics["name"]["id"] == "k")
        .unwrap();
    let rows = columns_of(&store, &keyed.path).await;
    let ids = rows
        .column_by_name("__id.name")
        .unwrap()
        .as_primitive::<Int64Type>();
    assert_eq!(ids.values().to_vec(), (0..10).chain(20..30).collect::<Vec<_>>());
    assert_eq!(ids.len(), rows.column_by_name("name").unwrap().len());
}

#[tokio::test]
async fn a_file_that_has_grown_is_ended_and_nothing_else_is_merged_with_it() {
    let (_folder, store) = store();
    let mut files = Vec::new();
    for n in 0..6 {
        files.push(put(&store, &n.to_string(), 0..1_000, &[], known(None)).await);
    }
    let merged = merge(&store, &files, 1).await.unwrap();
    assert_eq!((merged.merged.len(), merged.files.len()), (6, 6));
    let merged = merge(&store, &files[..1], 1).await.unwrap();
    assert_eq!((merged.merged.len(), merged.files.len()), (0, 0));
}

#[tokio::test]
async fn a_file_with_other_rows_than_it_should_have_is_refused() {
    let (_folder, store) = store();
    let mut files = vec![
        put(&store, "a", 0..10, &[], known(None)).await,
        put(&store, "b", 10..20, &[], known(None)).await,
    ];
    files[1].rows = 11;
    let refused = merge(&store, &files, 1 << 20).await.unwrap_err();
    assert!(
        refused.to_string().contains("10 rows in place of 11"),
        "{refused}"
    );
    store
        .put(&files[0].piece.path, Bytes::from_static(b"PAR1?PAR1"))
        .await
        .unwrap();
    files[0].piece.size_bytes = 9;
    assert!(merge(&store, &files, 1 << 20).await.is_err());
}

/// A letter in a name is another: still a file, of as many rows, of which nothing else says that it is wrong.
#[tokio::test]
async fn a_file_that_is_damaged_where_only_its_checksum_says_so_is_refused() {
    let (_folder, store) = store();
    let files = [
        put(&store, "a", 0..10, &[], known(None)).await,
        put(&store, "b", 10..20, &[], known(None)).await,
    ];
    let Piece { path, size_bytes } = &files[1].piece;
    let mut content = store.get_range(path, 0..*size_bytes).await.unwrap().to_vec();
    let at = content.windows(3).position(|it| it == b"n15").unwrap();
    content[at + 2] = b'6';
    store.put(path, Bytes::from(content)).await.unwrap();
    assert_eq!(columns_of(&store, path).await.num_rows(), 10);
    let refused = merge(&store, &files, 1 << 20).await.unwrap_err();
    assert!(
        refused.to_string().contains("t/b.parquet is damaged"),
        "{refused}"
    );
}
