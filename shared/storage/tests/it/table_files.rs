use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use datacovey_storage::keys::{ProjectKeys, ProjectSecret};
use datacovey_storage::read::{Piece, read_table_files};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::unique::UniqueLimits;
use datacovey_storage::write::{TableWriter, WriteOptions, Written};
use datacovey_storage::{ObjectPath, Store};
use futures::StreamExt as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::kit::{Row, batch, read_all, schema, store};

fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    ids.map(|id| {
        (
            id,
            Some(format!("word {}", id % 700)),
            Some(id as f64),
            None,
            Some(0),
            Some(id),
        )
    })
    .collect()
}

async fn write(store: &Store, folder: &str, rows: &[Row], file_bytes: u64) -> Written {
    write_with(store, folder, rows, file_bytes, Some(keys(1))).await
}

/// Those of a project; another number, another project.
fn keys(project: u8) -> ProjectKeys {
    ProjectSecret::new([project; 32].into()).keys()
}

async fn write_with(
    store: &Store,
    folder: &str,
    rows: &[Row],
    file_bytes: u64,
    keys: Option<ProjectKeys>,
) -> Written {
    let options = WriteOptions {
        file_bytes,
        unique: UniqueLimits {
            run_rows: 100,
            ..UniqueLimits::default()
        },
    };
    let mut writer = TableWriter::start(store.clone(), ObjectPath::from(folder), schema(), keys, options);
    for part in rows.chunks(250) {
        writer.write(batch(part)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

fn pieces(written: &Written) -> Vec<Piece> {
    written
        .files
        .iter()
        .map(|file| Piece {
            path: file.path.clone(),
            size_bytes: file.size_bytes,
        })
        .collect()
}

#[tokio::test]
async fn a_table_is_one_file_or_several_and_reads_as_one() {
    let (_folder, store) = store();
    let all = rows(0..1_000);
    let written = write(&store, "t", &all, 5_000).await;
    assert!(written.files.len() > 1, "{:?}", written.files);
    assert_eq!(
        (
            written.rows,
            written.files.iter().map(|file| file.rows).sum::<u64>()
        ),
        (1_000, 1_000)
    );
    for file in &written.files {
        assert_eq!(store.size_bytes(&file.path).await.unwrap(), file.size_bytes);
        assert_eq!(file.sha256.len(), 64);
    }
    let (read, _) = read_all(
        read_table_files(store.clone(), pieces(&written), schema()),
        &schema(),
    )
    .await
    .unwrap();
    assert_eq!(read, batch(&all));

    let narrow = schema().select(&["at".to_owned(), "id".to_owned()]).unwrap();
    let (read, _) = read_all(
        read_table_files(store.clone(), pieces(&written), narrow.clone()),
        &narrow,
    )
    .await
    .unwrap();
    assert_eq!(read, batch(&all).project(&[5, 0]).unwrap());
}

#[tokio::test]
async fn statistics_tell_missing_values_and_ranges_but_no_text_and_no_identity() {
    let (_folder, store) = store();
    let written = write(&store, "t", &rows(10..20), u64::MAX).await;
    let statistics = &written.files[0].statistics;
    let fingerprint = keys(1).fingerprint().to_owned();
    assert_eq!(
        statistics["id"],
        json!({ "nulls": 0, "id": fingerprint, "distinct": 10 })
    );
    assert_eq!(statistics["at"], json!({ "nulls": 0, "min": 10, "max": 19 }));
    assert_eq!(
        statistics["number"],
        json!({ "nulls": 0, "min": 10.0, "max": 19.0 })
    );
    assert_eq!(statistics["flag"], json!({ "nulls": 10 }));
    assert_eq!(
        statistics["text"],
        json!({ "nulls": 0, "id": fingerprint, "distinct": 10 })
    );
    assert_eq!(statistics.as_object().unwrap().len(), 6);
}

#[tokio::test]
async fn no_rows_make_no_file() {
    let (_folder, store) = store();
    assert_eq!(write(&store, "t", &[], u64::MAX).await.files, []);
}

#[tokio::test]
async fn a_writer_dropped_midway_leaves_no_object() {
    let (_folder, store) = store();
    let mut writer = TableWriter::start(
        store.clone(),
        ObjectPath::from("t"),
        schema(),
        Some(keys(1)),
        WriteOptions::default(),
    );
    writer.write(batch(&rows(0..10))).await.unwrap();
    drop(writer);
    assert_eq!(store.list(&ObjectPath::from("t")).count().await, 0);
}

#[tokio::test]
async fn uniqueness_is_proven_over_old_and_new_files_together() {
    let (_folder, store) = store();
    let old = write(&store, "old", &rows(0..600), 5_000).await;
    let old_files = pieces(&old);
    assert_eq!(old.unique.finish().await.unwrap().unique(), ["id", "text"]);

    // Ids go on, words begin to repeat.
    let next = write(&store, "next", &rows(600..900), u64::MAX).await.unique;
    let proof = next
        .add_kept_files(&store, old_files.clone(), &schema())
        .await
        .unwrap();
    assert_eq!(proof.finish().await.unwrap().unique(), ["id"]);

    let again = write(&store, "again", &rows(599..600), u64::MAX).await.unique;
    let proof = again.add_kept_files(&store, old_files, &schema()).await.unwrap();
    assert!(proof.finish().await.unwrap().unique().is_empty());
}

#[tokio::test]
async fn a_column_that_a_file_does_not_have_yet_has_no_values() {
    let (_folder, store) = store();
    let files = pieces(&write(&store, "t", &rows(0..3), u64::MAX).await);
    let wider = TableSchema::parse(&json!({ "type": "object", "properties": {
        "later": { "type": "string" },
        "id": { "type": "integer" },
    } }))
    .unwrap();
    let (read, _) = read_all(read_table_files(store, files, wider.clone()), &wider)
        .await
        .unwrap();
    assert_eq!((read.num_rows(), read.column(0).null_count()), (3, 3));
}

#[tokio::test]
async fn rows_that_repeat_a_value_of_a_unique_column_are_told() {
    let (_folder, store) = store();
    let unique = TableSchema::parse(&json!({ "type": "object", "properties": {
        "id": { "type": "integer", "x-unique": true },
        "text": { "type": "string", "x-unique": true },
    } }))
    .unwrap();
    let options = || WriteOptions {
        file_bytes: 2_000,
        unique: UniqueLimits {
            run_rows: 14,
            ..UniqueLimits::default()
        },
    };
    let write = async |folder: &str, ids: Vec<i64>| {
        let mut writer = TableWriter::start(
            store.clone(),
            ObjectPath::from(folder),
            unique.clone(),
            None,
            options(),
        );
        for part in ids.chunks(10) {
            let rows: Vec<Row> = part
                .iter()
                .map(|id| {
                    (
                        *id,
                        (*id % 5 != 0).then(|| format!("w{id}")),
                        None,
                        None,
                        None,
                        None,
                    )
                })
                .collect();
            writer
                .write(batch(&rows).project(&[0, 1]).unwrap())
                .await
                .unwrap();
        }
        writer.finish().await.unwrap()
    };
    let old = write("old", (0..50).collect()).await;
    let (new_ids, kept) = ((100..160).chain([7, 111, 10, 200, 111]), pieces(&old));
    assert_eq!(old.unique.finish().await.unwrap().unique(), ["id", "text"]);
    let new = write("new", new_ids.collect()).await;
    let files = pieces(&new);
    let proof = new
        .unique
        .add_kept_files(&store, kept.clone(), &unique)
        .await
        .unwrap();
    let proven = proof.finish().await.unwrap();
    assert!(proven.unique().is_empty() && proven.untold().is_empty());
    let repeats = proven.repeats(&store, &unique, &files, &kept).await.unwrap();
    let told: Vec<_> = repeats
        .iter()
        .map(|it| (it.row, it.column.as_str(), it.first))
        .collect();
    assert_eq!(
        told,
        [
            (60, "id", None),
            (60, "text", None),
            (61, "id", Some(11)),
            (61, "text", Some(11)),
            // Its text is null.
            (62, "id", None),
            (64, "id", Some(11)),
            (64, "text", Some(11)),
        ]
    );
}

/// A column of a file that is not among the table's.
async fn hidden(store: &Store, written: &Written, name: &str) -> Vec<Option<i64>> {
    let mut values = Vec::new();
    for file in &written.files {
        let bytes = store.get_range(&file.path, 0..file.size_bytes).await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .unwrap()
            .build()
            .unwrap();
        for batch in reader {
            let column = batch.unwrap().column_by_name(name).unwrap().clone();
            values.extend(column.as_primitive::<Int64Type>().iter());
        }
    }
    values
}

#[tokio::test]
async fn identities_have_ids_beside_them_that_nobody_is_shown() {
    let (_folder, store) = store();
    let mut all = rows(0..1_000);
    all[3].1 = None;
    let written = write(&store, "t", &all, 5_000).await;
    assert!(written.files.len() > 1);
    let ids = hidden(&store, &written, "__id_text").await;
    assert_eq!(ids[3], None);
    assert_eq!(ids[0], ids[700], "the same word");
    let different: std::collections::HashSet<_> = ids.iter().flatten().collect();
    assert_eq!(different.len(), 700);
    // The same words of another table of the project have the same ids, and of another project others.
    let of = async |folder, keys| {
        let written = write_with(&store, folder, &all[..1], u64::MAX, keys).await;
        hidden(&store, &written, "__id_text").await[0]
    };
    assert_eq!(of("same", Some(keys(1))).await, ids[0]);
    assert_ne!(of("other", Some(keys(2))).await, ids[0]);

    let read = read_table_files(store.clone(), pieces(&written), schema());
    assert_eq!(read_all(read, &schema()).await.unwrap().0, batch(&all));
}

#[tokio::test]
async fn files_without_ids_are_read_beside_those_with() {
    let (_folder, store) = store();
    let old = write_with(&store, "old", &rows(0..10), u64::MAX, None).await;
    assert_eq!(
        old.files[0].statistics["text"],
        json!({ "nulls": 0, "distinct": 10 })
    );
    let new = write(&store, "new", &rows(10..20), u64::MAX).await;
    let both = [pieces(&old), pieces(&new)].concat();
    let read = read_table_files(store.clone(), both, schema());
    assert_eq!(read_all(read, &schema()).await.unwrap().0, batch(&rows(0..20)));
    let proof = new
        .unique
        .add_kept_files(&store, pieces(&old), &schema())
        .await
        .unwrap();
    assert_eq!(proof.finish().await.unwrap().unique(), ["id", "text"]);
}
