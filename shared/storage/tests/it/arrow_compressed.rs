//! Arrow IPC with compressed buffers, as pyarrow and others write it where nobody says otherwise.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray,
};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use datacovey_storage::Format;
use datacovey_storage::read::{ReadError, ReadLimits, Rejected, read_import};
use datacovey_storage::schema::TableSchema;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::kit::{Row, batch, read_all, schema, source, store};

const CODECS: [CompressionType; 2] = [CompressionType::LZ4_FRAME, CompressionType::ZSTD];

fn options(codec: CompressionType) -> IpcWriteOptions {
    IpcWriteOptions::default()
        .try_with_compression(Some(codec))
        .unwrap()
}

fn file(batches: &[RecordBatch], codec: CompressionType) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options(codec)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn stream(batches: &[RecordBatch], codec: CompressionType) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options(codec)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

async fn read_as(
    content: &[u8],
    schema: &TableSchema,
    limits: ReadLimits,
) -> Result<(RecordBatch, Vec<Rejected>), String> {
    let (_folder, store) = store();
    let source = source(&store, content).await;
    let stream = read_import(source, Format::Arrow, limits, schema.clone(), None);
    read_all(stream, schema).await.map_err(|error| match error {
        ReadError::Content { reason, .. } => reason,
        other => panic!("{other}"),
    })
}

async fn read(content: &[u8]) -> Result<(RecordBatch, Vec<Rejected>), String> {
    read_as(content, &schema(), ReadLimits::default()).await
}

fn rows(count: i64) -> Vec<Row> {
    (0..count)
        .map(|id| {
            (
                id,
                Some(format!("n{}", id % 50)),
                Some(0.5),
                None,
                Some(3),
                Some(id),
            )
        })
        .collect()
}

fn ids(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids)]).unwrap()
}

#[tokio::test]
async fn compressed_files_and_streams_give_the_rows_that_were_written() {
    let all = batch(&rows(40_000));
    let parts = [
        all.slice(0, 30_000),
        all.slice(30_000, 0),
        all.slice(30_000, 10_000),
    ];
    for codec in CODECS {
        for content in [file(&parts, codec), stream(&parts, codec)] {
            let (read, rejected) = read(&content).await.unwrap();
            assert_eq!((&read, rejected), (&all, Vec::new()), "{codec:?}");
        }
        let none = [batch(&[])];
        assert_eq!(read(&stream(&none, codec)).await.unwrap().0.num_rows(), 0);
    }
}

/// What does not become smaller is stored as it was, within a compressed batch.
#[tokio::test]
async fn buffers_that_do_not_compress_stand_beside_others() {
    let digest = |n: u32| Sha256::digest(n.to_le_bytes());
    let number = |n: u32| digest(n).first_chunk().copied().map(i64::from_le_bytes);
    let noise: Vec<i64> = (0..5_000).filter_map(number).collect();
    for codec in CODECS {
        let (found, _) = read(&stream(&[ids(noise.clone())], codec)).await.unwrap();
        assert_eq!(
            found.column_by_name("id").unwrap().as_ref(),
            &Int64Array::from(noise.clone())
        );
    }
}

#[tokio::test]
async fn dictionaries_lists_and_views_are_unpacked_too() {
    let schema = TableSchema::parse(&json!({ "type": "object", "properties": {
        "word": { "type": "string" },
        "seen": { "type": "string" },
        "lists": { "type": "array", "items": { "type": "integer" } },
    } }))
    .unwrap();
    let words: DictionaryArray<Int32Type> = (0..2_000)
        .map(|n| ["one", "two", "three"].get(n % 4).copied())
        .collect();
    let long = |n: usize| format!("a text that no view holds by itself {}", n % 5);
    let seen = StringViewArray::from_iter((0..2_000).map(|n| Some(long(n))));
    let lists = (0..2_000).map(|n| Some((0..n % 3).map(|it| Some(i64::from(it)))));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    let columns: [(&str, ArrayRef); 3] = [
        ("word", Arc::new(words)),
        ("seen", Arc::new(seen)),
        ("lists", Arc::new(lists)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    for codec in CODECS {
        for content in [
            file(std::slice::from_ref(&batch), codec),
            stream(std::slice::from_ref(&batch), codec),
        ] {
            let limits = ReadLimits::default();
            let (found, rejected) = read_as(&content, &schema, limits).await.unwrap();
            assert_eq!((found.num_rows(), rejected), (2_000, Vec::new()));
            let text = |name: &str| {
                let column = found.column_by_name(name).unwrap();
                arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap()
            };
            let expected: StringArray = (0..2_000)
                .map(|n| ["one", "two", "three"].get(n % 4).copied())
                .collect();
            assert_eq!(text("word").as_ref(), &expected);
            assert_eq!(
                text("seen").as_ref(),
                &StringArray::from_iter_values((0..2_000).map(long))
            );
            assert_eq!(found.column_by_name("lists").unwrap().len(), 2_000);
        }
    }
}

/// Where the length stands that a buffer of so many bytes says it has.
fn length_at(content: &[u8], length: u64) -> usize {
    let said = length.to_le_bytes();
    // Right before the mark of a frame.
    let marks: [&[u8]; 2] = [&[0x04, 0x22, 0x4d, 0x18], &[0x28, 0xb5, 0x2f, 0xfd]];
    (0..content.len())
        .find(|at| {
            content[*at..].starts_with(&said) && marks.iter().any(|mark| content[at + 8..].starts_with(mark))
        })
        .unwrap()
}

#[tokio::test]
async fn a_buffer_has_the_length_that_it_says() {
    for codec in CODECS {
        let content = stream(&[ids(0..1_000)], codec);
        let at = length_at(&content, 8_000);
        for (said, expected) in [
            (7_999, "says that it has 7999 bytes, and has more"),
            (1, "says that it has 1 bytes, and has more"),
            (8_001, "says that it has 8001 bytes, and has 8000"),
            (400 << 20, "more than 1000 times its size"),
            (1 << 40, "more than 536870912 bytes; write smaller batches"),
            (i64::MAX, "write smaller batches"),
            (-2, "not readable as Arrow"),
        ] {
            let mut lying = content.clone();
            lying[at..at + 8].copy_from_slice(&i64::to_le_bytes(said));
            let reason = read(&lying).await.unwrap_err();
            assert!(reason.contains(expected), "{codec:?} {said}: {reason}");
        }
    }
}

#[tokio::test]
async fn batches_that_unpack_to_too_much_are_refused() {
    // 96 MiB of one number, in a few kilobytes.
    let bomb = stream(&[ids(std::iter::repeat_n(7, 12 << 20))], CompressionType::ZSTD);
    assert!(bomb.len() < 50_000, "{}", bomb.len());
    let reason = read(&bomb).await.unwrap_err();
    assert!(reason.contains("more than 1000 times its size"), "{reason}");

    let limits = ReadLimits {
        unpacked_bytes: 100_000,
        ..ReadLimits::default()
    };
    for codec in CODECS {
        let content = stream(&[ids(0..8_000), ids(0..8_000)], codec);
        let reason = read_as(&content, &schema(), limits).await.unwrap_err();
        assert_eq!(
            reason,
            "the content unpacks to more than 100000 bytes; import it in parts"
        );
    }
}

#[tokio::test]
async fn what_is_cut_short_or_damaged_is_refused_and_nothing_panics() {
    for codec in CODECS {
        let whole = file(&[batch(&rows(200))], codec);
        for length in (0..whole.len()).step_by(61) {
            let reason = read(&whole[..length]).await.unwrap_err();
            assert!(!reason.is_empty());
        }
        let reason = read(&whole[..whole.len() / 2]).await.unwrap_err();
        assert!(reason.contains("cut short"), "{reason}");
        let streamed = stream(&[batch(&rows(200))], codec);
        for at in (0..streamed.len()).step_by(7) {
            let mut damaged = streamed.clone();
            damaged[at] ^= 0x55;
            // Some of the bytes are padding.
            let _ = read(&damaged).await;
        }
        let followed = [&streamed[..], b"more"].concat();
        assert!(read(&followed).await.unwrap_err().contains("follows the end"));
    }
}
