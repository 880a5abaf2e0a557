//! Arrow IPC, as files and as streams.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, NullArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use datacovey_storage::Format;
use datacovey_storage::read::{ReadError, ReadLimits, Rejected, read_import};

use crate::kit::{Row, batch, read_all, schema, source, store};

fn file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

async fn read(content: &[u8]) -> Result<(RecordBatch, Vec<Rejected>), String> {
    let (_folder, store) = store();
    let stream = read_import(
        source(&store, content).await,
        Format::Arrow,
        ReadLimits::default(),
        schema(),
    );
    read_all(stream, &schema()).await.map_err(|error| match error {
        ReadError::Content { reason, .. } => reason,
        other => panic!("{other}"),
    })
}

fn rows(count: i64) -> Vec<Row> {
    (0..count)
        .map(|id| (id, Some(format!("n{id}")), Some(0.5), None, Some(3), Some(id)))
        .collect()
}

#[tokio::test]
async fn files_and_streams_give_the_rows_that_were_written() {
    let all = batch(&rows(40_000));
    let parts = [
        all.slice(0, 30_000),
        all.slice(30_000, 0),
        all.slice(30_000, 10_000),
    ];
    for content in [file(&parts), stream(&parts)] {
        let (read, rejected) = read(&content).await.unwrap();
        assert_eq!((&read, rejected), (&all, Vec::new()));
    }
    let none = [batch(&[])];
    for content in [file(&none), stream(&none)] {
        assert_eq!(read(&content).await.unwrap().0.num_rows(), 0);
    }
}

#[tokio::test]
async fn other_types_are_taken_where_nothing_is_lost() {
    let texts: DictionaryArray<Int32Type> = [Some("a"), None, Some("a")].into_iter().collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("text", Arc::new(texts)),
        ("day", Arc::new(NullArray::new(3))),
        ("extra", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("id", Arc::new(UInt64Array::from(vec![1, u64::MAX, 3]))),
    ];
    let (read, rejected) = read(&file(&[RecordBatch::try_from_iter(columns).unwrap()]))
        .await
        .unwrap();
    assert_eq!(read.num_rows(), 2);
    assert_eq!(rejected.len(), 1);
    assert_eq!(
        (rejected[0].line, rejected[0].faults[0].field.as_deref()),
        (2, Some("id"))
    );
}

#[tokio::test]
async fn columns_that_do_not_fit_are_named_before_any_row() {
    let columns: [(&str, ArrayRef); 2] = [
        ("id", Arc::new(StringArray::from(vec!["1"]))),
        ("text", Arc::new(Int64Array::from(vec![1]))),
    ];
    let reason = read(&stream(&[RecordBatch::try_from_iter(columns).unwrap()]))
        .await
        .unwrap_err();
    assert!(
        reason.contains("\"id\"") && reason.contains("\"text\""),
        "{reason}"
    );
}

#[tokio::test]
async fn what_is_cut_short_or_damaged_is_refused_and_nothing_panics() {
    let parts = [batch(&rows(200))];
    let whole = file(&parts);
    for length in (0..whole.len()).step_by(97) {
        assert!(
            read(&whole[..length]).await.is_err(),
            "{length} of {} bytes",
            whole.len()
        );
    }
    let reason = read(&whole[..whole.len() - 1]).await.unwrap_err();
    assert!(reason.contains("cut short"), "{reason}");
    let streamed = stream(&parts);
    let reason = read(&streamed[..streamed.len() / 2]).await.unwrap_err();
    assert!(reason.contains("cut short"), "{reason}");
    for at in (0..streamed.len()).step_by(13) {
        let mut damaged = streamed.clone();
        damaged[at] ^= 0x55;
        let _ = read(&damaged).await;
    }
    let followed = [&streamed[..], b"more"].concat();
    assert!(read(&followed).await.unwrap_err().contains("follows the end"));
}
