use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use bytes::Bytes;
use datacovey_storage::read::{BatchStream, ByteSource, Piece, ReadError, Rejected};
use datacovey_storage::schema::{TableSchema, UTC};
use datacovey_storage::{ObjectPath, Store};
use serde_json::json;
use tempfile::TempDir;

pub(crate) fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    (folder, store)
}

/// A table with a column of each type; only `id` is required.
pub(crate) fn schema() -> TableSchema {
    TableSchema::parse(&json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": { "type": "integer", "x-identity": "number" },
            "text": { "type": "string", "x-identity": "word" },
            "number": { "type": "number" },
            "flag": { "type": "boolean" },
            "day": { "type": "string", "format": "date" },
            "at": { "type": "string", "format": "date-time" },
        },
    }))
    .unwrap()
}

pub(crate) type Row = (
    i64,
    Option<String>,
    Option<f64>,
    Option<bool>,
    Option<i32>,
    Option<i64>,
);

pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.4).collect::<Date32Array>()),
        Arc::new(
            rows.iter()
                .map(|row| row.5)
                .collect::<TimestampMicrosecondArray>()
                .with_timezone(UTC),
        ),
    ];
    RecordBatch::try_new(schema().arrow(), columns).unwrap()
}

/// The bytes as a file of two pieces.
pub(crate) async fn source(store: &Store, content: &[u8]) -> ByteSource {
    let (first, second) = content.split_at(content.len() / 2);
    let mut pieces = Vec::new();
    for (name, part) in [("first", first), ("second", second)] {
        let path = ObjectPath::from(format!("source/{name}"));
        store.put(&path, Bytes::copy_from_slice(part)).await.unwrap();
        pieces.push(Piece {
            path,
            size_bytes: part.len() as u64,
        });
    }
    ByteSource::new(store.clone(), pieces)
}

/// All that a stream gives, in one batch.
pub(crate) async fn read_all(
    mut stream: BatchStream,
    schema: &TableSchema,
) -> Result<(RecordBatch, Vec<Rejected>), ReadError> {
    let (mut batches, mut rejected) = (Vec::new(), Vec::new());
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        batches.push(batch.batch);
        rejected.extend(batch.rejected);
    }
    Ok((concat_batches(&schema.arrow(), &batches).unwrap(), rejected))
}
