//! Columns of every type: exported and imported again, and taken from files of other types.

use std::io::{Cursor, Read as _};
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BinaryArray, Decimal128Array, FixedSizeBinaryArray, Int32Array, LargeListArray,
    ListArray, RecordBatch, StringArray, StructArray, Time32MillisecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::ipc::reader::FileReader;
use arrow::util::display::array_value_to_string;
use datacovey_storage::read::{ReadError, ReadLimits, Rejected, read_import};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::write::ExportWriter;
use datacovey_storage::{Compression, FileForm, Format, ObjectPath};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::kit::{read_all, source, store};

fn schema() -> TableSchema {
    TableSchema::parse(&json!({ "type": "object", "properties": {
        "id": { "type": "string", "format": "uuid" },
        "price": { "type": "string", "format": "decimal", "x-precision": 6, "x-scale": 2 },
        "of_day": { "type": "string", "format": "time" },
        "raw": { "type": "string", "format": "byte" },
        "tags": { "type": "array", "items": { "type": ["string", "null"], "maxLength": 3 } },
        "stops": { "type": "array", "items": { "type": "object", "required": ["n"], "properties": {
            "n": { "type": "integer" },
            "city": { "type": "string" },
        } } },
    } }))
    .unwrap()
}

async fn import(
    content: &[u8],
    form: impl Into<FileForm>,
) -> Result<(RecordBatch, Vec<Rejected>), ReadError> {
    let (_folder, store) = store();
    read_all(
        read_import(
            source(&store, content).await,
            form,
            ReadLimits::default(),
            schema(),
        ),
        &schema(),
    )
    .await
}

async fn export(batch: RecordBatch, form: impl Into<FileForm>) -> Vec<u8> {
    let (_folder, store) = store();
    let path = ObjectPath::from("exported");
    let mut writer = ExportWriter::start(&store, path.clone(), form, schema()).unwrap();
    writer.write(batch).await.unwrap();
    let size_bytes = writer.finish().await.unwrap().size_bytes;
    store.get_range(&path, 0..size_bytes).await.unwrap().to_vec()
}

const CSV: &str = "\
id,price,of_day,raw,tags,stops\r\n\
0190c6a2-7b1e-7000-8000-0123456789ab,-12.50,23:59:59.000001,AP8=,\"[\"\"a\"\",null,\"\"\"\"]\",\"[{\"\"n\"\":1,\"\"city\"\":\"\"Ely\"\"},{\"\"n\"\":2}]\"\r\n\
,,,,,\r\n\
,0.00,00:00:00,\"\",[],[]\r\n";

const NDJSON: &str = concat!(
    r#"{"id":"0190c6a2-7b1e-7000-8000-0123456789ab","price":"-12.50","of_day":"23:59:59.000001","raw":"AP8=","tags":["a",null,""],"stops":[{"n":1,"city":"Ely"},{"n":2}]}"#,
    "\n",
    r#"{"id":null,"price":null,"of_day":null,"raw":null,"tags":null,"stops":null}"#,
    "\n",
    r#"{"id":null,"price":"0.00","of_day":"00:00:00","raw":"","tags":[],"stops":[]}"#,
    "\n",
);

/// The content by the tools of others.
fn unpacked(content: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => content.to_vec(),
        Compression::Gzip => {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(content);
            decoder.read_to_end(&mut plain).unwrap();
            plain
        }
        Compression::Zstd => zstd::decode_all(content).unwrap(),
    }
}

#[tokio::test]
async fn every_type_is_written_and_reads_back_in_every_format_and_compression() {
    let (rows, rejected) = import(CSV.as_bytes(), Format::Csv).await.unwrap();
    assert_eq!((rows.num_rows(), rejected), (3, vec![]));
    for (format, text) in [
        (Format::Csv, Some(CSV)),
        (Format::Ndjson, Some(NDJSON)),
        (Format::Parquet, None),
        (Format::Arrow, None),
    ] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            if compression != Compression::None && !format.is_text() {
                continue;
            }
            let form = FileForm::from(format).compressed(compression);
            let written = export(rows.clone(), form.clone()).await;
            if let Some(text) = text {
                let plain = String::from_utf8(unpacked(&written, compression)).unwrap();
                assert_eq!(plain, text, "{form:?}");
            }
            let (again, rejected) = import(&written, form.clone()).await.unwrap();
            assert_eq!((again, rejected), (rows.clone(), vec![]), "{form:?}");
        }
    }
    let written = export(rows.clone(), Format::Arrow).await;
    let read: Vec<_> = FileReader::try_new(Cursor::new(written), None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(read, [rows]);
}

#[tokio::test]
async fn what_is_read_in_parts_is_not_compressed_as_a_whole() {
    let (_folder, store) = store();
    for format in [Format::Parquet, Format::Arrow] {
        let form = FileForm::from(format).compressed(Compression::Zstd);
        assert!(ExportWriter::start(&store, ObjectPath::from("exported"), form, schema()).is_err());
    }
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, it)| (name, it, true)));
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn files_of_other_types_are_taken_where_nothing_is_lost() {
    let price = Decimal128Array::from(vec![1_500_000_000_i128, 1_234_567_890, 99_999_000_000_000])
        .with_precision_and_scale(38, 9)
        .unwrap();
    let ids = FixedSizeBinaryArray::try_from_iter([[1_u8; 16], [2; 16], [3; 16]].into_iter()).unwrap();
    let words = StringArray::from(vec!["a", "long", "b", "c"]);
    let tags = LargeListArray::new(
        Arc::new(Field::new("element", DataType::Utf8, false)),
        OffsetBuffer::from_lengths([1, 2, 1]),
        Arc::new(words),
        None,
    );
    let fields = Fields::from(vec![
        Field::new("more", DataType::Int32, true),
        Field::new("n", DataType::Int32, true),
    ]);
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let stops = StructArray::new(fields.clone(), vec![Arc::clone(&numbers), numbers], None);
    let stops = ListArray::new(
        Arc::new(Field::new_list_field(DataType::Struct(fields), true)),
        OffsetBuffer::from_lengths([1, 0, 2]),
        Arc::new(stops),
        None,
    );
    let content = parquet(vec![
        ("price", Arc::new(price)),
        ("id", Arc::new(ids)),
        (
            "of_day",
            Arc::new(Time32MillisecondArray::from(vec![1_000, 2_000, 3_000])),
        ),
        (
            "raw",
            Arc::new(BinaryArray::from(vec![b"a".as_slice(), b"", b"\xff"])),
        ),
        ("tags", Arc::new(tags)),
        ("stops", Arc::new(stops)),
    ]);
    let (read, rejected) = import(&content, Format::Parquet).await.unwrap();
    let told: Vec<_> = rejected
        .iter()
        .flat_map(|it| {
            it.faults
                .iter()
                .map(|fault| (it.line, fault.field.as_deref().unwrap()))
        })
        .collect();
    assert_eq!(
        told,
        [(2, "price"), (2, "tags[0]"), (3, "price"), (3, "stops[0].n")]
    );
    let first = |name: &str| array_value_to_string(read.column_by_name(name).unwrap(), 0).unwrap();
    assert_eq!(read.num_rows(), 1);
    assert_eq!(first("id"), "01010101-0101-0101-0101-010101010101");
    assert_eq!(first("price"), "1.50");
    assert_eq!(first("of_day"), "00:00:01");
    assert_eq!(first("stops"), "[{n: 1, city: }]");
}

#[tokio::test]
async fn types_within_that_do_not_match_are_named() {
    let tags = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>(vec![Some(vec![Some(1)])]);
    let content = parquet(vec![
        ("tags", Arc::new(tags)),
        ("price", Arc::new(arrow::array::Float64Array::from(vec![0.1]))),
    ]);
    let reason = import(&content, Format::Parquet).await.unwrap_err().to_string();
    assert!(reason.contains("\"tags[]\" is of the type Int32"), "{reason}");
    assert!(reason.contains("\"price\" is of the type Float64"), "{reason}");
}

#[tokio::test]
async fn long_texts_that_rows_share_within_lists_are_read_a_part_at_a_time() {
    const ROWS: usize = 2_000;
    let texts = StringArray::from_iter_values((0..ROWS).map(|_| "x".repeat(100_000)));
    let lists = ListArray::new(
        Arc::new(Field::new_list_field(DataType::Utf8, true)),
        OffsetBuffer::from_lengths(vec![1; ROWS]),
        Arc::new(texts),
        None,
    );
    let content = parquet(vec![("words", Arc::new(lists))]);
    let (_folder, store) = store();
    let words = TableSchema::parse(&json!({ "type": "object", "properties": {
        "words": { "type": "array", "items": { "type": "string" } },
    } }))
    .unwrap();
    let mut stream = read_import(
        source(&store, &content).await,
        Format::Parquet,
        ReadLimits::default(),
        words,
    );
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.unwrap().batch;
        assert!(batch.get_array_memory_size() < 64 << 20);
        assert_eq!(batch.column(0).null_count(), 0);
        rows += batch.num_rows();
    }
    assert_eq!(rows, ROWS);
}
