//! A table's files copied into one.

use std::sync::{Arc, Mutex};

use datacovey_storage::ObjectPath;
use datacovey_storage::Store;
use datacovey_storage::keys::ProjectSecret;
use datacovey_storage::read::{Piece, read_table_files};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::write::{ExportWriter, TableWriter, WriteOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::kit::{Row, batch, read_all, schema, store};

fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    let row = |id| {
        (
            id,
            Some(format!("word {}", id % 700)),
            None,
            None,
            Some(0),
            Some(id),
        )
    };
    ids.map(row).collect()
}

/// A table's file, with keyed ids beside its identities.
async fn file(store: &Store, folder: &str, rows: &[Row]) -> Piece {
    let keys = Some(ProjectSecret::new([1; 32].into()).keys());
    let folder = ObjectPath::from(folder);
    let mut writer = TableWriter::start(store.clone(), folder, schema(), keys, WriteOptions::default());
    for part in rows.chunks(1_000) {
        writer.write(batch(part)).await.unwrap();
    }
    let mut files = writer.finish().await.unwrap().files;
    let file = files.remove(0);
    assert_eq!(files.len(), 0);
    Piece {
        path: file.path,
        size_bytes: file.size_bytes,
    }
}

async fn copy(store: &Store, files: Vec<Piece>, schema: &TableSchema) -> Option<(Piece, Vec<(u64, u64)>)> {
    let path = ObjectPath::from("copied");
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let progress = move |rows, bytes| tell.lock().unwrap().push((rows, bytes));
    let copied = ExportWriter::copy(store.clone(), files, store, path.clone(), schema, progress);
    let exported = copied.await.unwrap()?.finish().await.unwrap();
    let told = told.lock().unwrap().clone();
    assert_eq!(told.last().map_or(0, |(rows, _)| *rows), exported.rows);
    let piece = Piece {
        path,
        size_bytes: exported.size_bytes,
    };
    Some((piece, told))
}

#[tokio::test]
async fn a_copy_has_the_rows_of_all_files_and_no_column_more_than_is_asked_for() {
    let (_folder, store) = store();
    let (first, second) = (rows(0..9_000), rows(9_000..18_000));
    let files = vec![file(&store, "a", &first).await, file(&store, "b", &second).await];
    let bytes: u64 = files.iter().map(|it| it.size_bytes).sum();
    let all = batch(&[first, second].concat());
    let narrow = schema().select(&["at".to_owned(), "id".to_owned()]).unwrap();
    for (wanted, expected) in [(schema(), all.clone()), (narrow, all.project(&[5, 0]).unwrap())] {
        let (copied, told) = copy(&store, files.clone(), &wanted).await.unwrap();
        assert_eq!(told.last(), Some(&(18_000, bytes)));
        let content = store.get_range(&copied.path, 0..copied.size_bytes).await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(content).unwrap();
        assert_eq!(reader.schema().fields(), wanted.arrow().fields());
        let (read, _) = read_all(
            read_table_files(store.clone(), vec![copied], wanted.clone()),
            &wanted,
        )
        .await
        .unwrap();
        assert_eq!(read, expected);
    }
}

#[tokio::test]
async fn what_would_not_be_the_same_file_is_not_copied() {
    let (_folder, store) = store();
    let wider = TableSchema::parse(&serde_json::json!({ "type": "object", "properties": {
        "id": { "type": "integer" },
        "new": { "type": "string" },
    } }))
    .unwrap();
    let one = file(&store, "a", &rows(0..10)).await;
    assert!(copy(&store, vec![one.clone()], &wider).await.is_none());
    // Many small parts are better written anew.
    let other = file(&store, "b", &rows(10..20)).await;
    assert!(copy(&store, vec![one.clone(), other], &schema()).await.is_none());
    assert!(copy(&store, vec![one], &schema()).await.is_some());
    let (nothing, _) = copy(&store, Vec::new(), &schema()).await.unwrap();
    assert!(nothing.size_bytes > 0);
}
