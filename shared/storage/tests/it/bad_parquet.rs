use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use datacovey_storage::read::{ImportFormat, ReadError, Rejected, read_import};
use parquet::arrow::ArrowWriter;

use crate::kit::{batch, read_all, schema, source, store};

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

async fn read(content: &[u8]) -> Result<(RecordBatch, Vec<Rejected>), ReadError> {
    let (_folder, store) = store();
    let stream = read_import(source(&store, content).await, ImportFormat::Parquet, schema());
    read_all(stream, &schema()).await
}

async fn content_error(content: &[u8]) -> String {
    match read(content).await {
        Err(ReadError::Content { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn column(name: &str, values: impl arrow::array::Array + 'static) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(values))
}

#[tokio::test]
async fn columns_of_other_widths_are_taken_where_nothing_is_lost() {
    let file = RecordBatch::try_from_iter([
        column(
            "at",
            TimestampNanosecondArray::from(vec![1_000, 1_001, 2_000, 3_000]),
        ),
        column("number", Float64Array::from(vec![0.5, 1.0, f64::NAN, 2.0])),
        column("id", UInt64Array::from(vec![1, 2, 3, u64::MAX])),
    ])
    .unwrap();
    let (read, rejected) = read(&parquet(&file)).await.unwrap();
    assert_eq!(read, batch(&[(1, None, Some(0.5), None, None, Some(1))]));
    let told: Vec<(u64, Option<&str>)> = rejected
        .iter()
        .map(|it| (it.line, it.faults[0].field.as_deref()))
        .collect();
    assert_eq!(told, [(2, Some("at")), (3, Some("number")), (4, Some("id"))]);
}

#[tokio::test]
async fn integers_that_are_no_exact_double_are_rejected() {
    let exact = 1_i64 << 53;
    let file = RecordBatch::try_from_iter([
        column("id", Int64Array::from(vec![1, 2])),
        column("number", Int64Array::from(vec![exact, exact + 1])),
    ])
    .unwrap();
    let (read, rejected) = read(&parquet(&file)).await.unwrap();
    assert_eq!((read.num_rows(), rejected.len(), rejected[0].line), (1, 1, 2));
    assert_eq!(rejected[0].faults[0].value, "9007199254740993");
}

#[tokio::test]
async fn all_columns_that_do_not_match_are_told_at_once() {
    let file = RecordBatch::try_from_iter([
        column("number", StringArray::from(vec!["1"])),
        column("ghost", Int64Array::from(vec![1])),
    ])
    .unwrap();
    let reason = content_error(&parquet(&file)).await;
    assert!(
        reason.contains("\"ghost\"") && reason.contains("\"id\" is missing"),
        "{reason}"
    );

    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)])]);
    let file = RecordBatch::try_from_iter([
        column("id", StringArray::from(vec!["1"])),
        column("text", lists),
        column("day", Int32Array::from(vec![1])),
    ])
    .unwrap();
    let reason = content_error(&parquet(&file)).await;
    for name in ["\"id\"", "\"text\"", "\"day\""] {
        assert!(reason.contains(name), "{reason}");
    }
}

#[tokio::test]
async fn required_values_must_be_there() {
    let file = RecordBatch::try_from_iter([column("id", Int64Array::from(vec![None, Some(2)]))]).unwrap();
    let (read, rejected) = read(&parquet(&file)).await.unwrap();
    assert_eq!((read.num_rows(), rejected.len(), rejected[0].line), (1, 1, 1));
}

#[tokio::test]
async fn a_file_cut_short_or_damaged_anywhere_is_told_to_be() {
    let rows: Vec<_> = (0..300)
        .map(|id| (id, Some(format!("text {id}")), Some(0.5), Some(true), None, None))
        .collect();
    let whole = parquet(&batch(&rows));
    assert_eq!(read(&whole).await.unwrap().0.num_rows(), 300);
    for length in [0, 3, 8, whole.len() / 2, whole.len() - 1] {
        assert!(
            content_error(&whole[..length]).await.contains("Parquet"),
            "cut to {length}"
        );
    }
    // Any single damage is an error or, where it hits a value, another value: never a panic.
    for at in (0..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        match read(&damaged).await {
            Ok((read, _)) => assert!(read.num_columns() == 6),
            Err(ReadError::Content { .. }) => {}
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
}
