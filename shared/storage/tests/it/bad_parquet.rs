use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use datacovey_storage::Format;
use datacovey_storage::read::{ReadError, ReadLimits, Rejected, read_import};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::kit::{batch, read_all, schema, source, store};

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

async fn read(content: &[u8]) -> Result<(RecordBatch, Vec<Rejected>), ReadError> {
    let (_folder, store) = store();
    let stream = read_import(
        source(&store, content).await,
        Format::Parquet,
        ReadLimits::default(),
        schema(),
    );
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

/// The bytes as the metadata of a file without rows.
fn file(metadata: &[u8]) -> Vec<u8> {
    let length = u32::try_from(metadata.len()).unwrap().to_le_bytes();
    [b"PAR1", metadata, length.as_slice(), b"PAR1"].concat()
}

#[tokio::test]
async fn metadata_that_declare_what_is_not_there_are_refused() {
    // In Thrift's compact protocol: the version, then a list of row groups, or of schema elements
    // (a name, a number of children) that would be too many or too deep for the decoder.
    let version = [0x15, 2].as_slice();
    let groups = [0x39, 0xfc, 0xff, 0xff, 0xff, 0xff, 7].as_slice();
    let child_of = |children: &[u8]| [&[0x48, 1, b'a', 0x15][..], children, &[0]].concat();
    let wide = [&[0x19, 0x1c][..], &child_of(&[0xfe, 0xff, 0xff, 0xff, 0xf])].concat();
    let deep = [&[0x19, 0xfc, 0xa0, 0x9c, 1][..], &child_of(&[2]).repeat(20_000)].concat();
    let longer = [&[0x19, 0x1c][..], &child_of(&[0]), &[0x16, 0], &groups[1..]].concat();
    for metadata in [groups, &wide, &deep, &longer] {
        let reason = content_error(&file(&[version, metadata, &[0]].concat())).await;
        assert!(reason.contains("not readable as Parquet: its"), "{reason}");
    }
    let long = [&[0; 100][..], &(17_u32 << 20).to_le_bytes(), b"PAR1"].concat();
    assert!(content_error(&long).await.contains("Parquet"));
}

#[tokio::test]
async fn texts_that_rows_share_in_the_file_are_read_a_part_at_a_time() {
    const ROWS: usize = 7_500;
    let texts = StringArray::from(vec!["x".repeat(300_000), "y".repeat(300_000)]);
    let keys = Int32Array::from_iter_values((0..ROWS).map(|row| (row % 2) as i32));
    let text = DictionaryArray::<Int32Type>::new(keys, Arc::new(texts));
    let ids = Int64Array::from_iter_values(0..ROWS as i64);
    let content = parquet(&RecordBatch::try_from_iter([column("id", ids), column("text", text)]).unwrap());
    assert!(content.len() < 1 << 20, "{} bytes", content.len());

    let (_folder, store) = store();
    let mut stream = read_import(
        source(&store, &content).await,
        Format::Parquet,
        ReadLimits::default(),
        schema(),
    );
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.unwrap().batch;
        assert!(batch.get_array_memory_size() < 64 << 20);
        let first: &Int64Array = batch.column(0).as_any().downcast_ref().unwrap();
        assert_eq!(first.value(0), rows as i64);
        rows += batch.num_rows();
    }
    assert_eq!(rows, ROWS);
}

#[tokio::test]
async fn texts_written_as_differences_are_refused_by_name() {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_dictionary_enabled(false)
        .build();
    let rows = batch(&[(1, Some("a".to_owned()), None, None, None, None)]);
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    let reason = content_error(&writer.into_inner().unwrap()).await;
    assert!(reason.contains("DELTA_BYTE_ARRAY"), "{reason}");
}

#[tokio::test]
async fn names_of_columns_are_told_in_part() {
    let file = RecordBatch::try_from_iter([
        column(&"ghost\u{0}".repeat(150), Int64Array::from(vec![1])),
        column("text", StringArray::from(vec!["without an id"])),
    ])
    .unwrap();
    let reason = content_error(&parquet(&file)).await;
    assert!(reason.len() < 200 && !reason.contains('\0'), "{reason}");
}
