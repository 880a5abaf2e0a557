//! Columns of every type that a table's schema can have, as its owner queries them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, ListArray, RecordBatch, StringArray, StructArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datacovey_storage::schema::{TableSchema, UTC};
use prost_types::value::Kind;
use serde_json::json;

use crate::clients::text;
use crate::fixture::{Bench, write};
use crate::peers::Table;

/// Two rows of all types, the second one of nothing but its id.
async fn add_readings(bench: &Bench) {
    let schema = json!({ "type": "object", "properties": {
        "id": { "type": "string", "format": "uuid" },
        "price": { "type": "number", "format": "decimal", "x-precision": 9, "x-scale": 2 },
        "day": { "type": "string", "format": "date" },
        "at": { "type": "string", "format": "date-time" },
        "of_day": { "type": "string", "format": "time" },
        "raw": { "type": "string", "format": "byte" },
        "tags": { "type": "array", "items": { "type": "string" } },
        "place": { "type": "object", "properties": { "city": { "type": "string" } } },
    } });
    let ids = StringArray::from(vec![
        "0190c6a2-7b1e-7000-8000-0123456789ab",
        "0190c6a2-7b1e-7000-8000-0123456789ac",
    ]);
    let tags = ListArray::new(
        Arc::new(Field::new_list_field(DataType::Utf8, true)),
        OffsetBuffer::from_lengths([2, 0]),
        Arc::new(StringArray::from(vec![Some("a"), None])),
        Some(vec![true, false].into()),
    );
    let place = StructArray::new(
        vec![Field::new("city", DataType::Utf8, true)].into(),
        vec![Arc::new(StringArray::from(vec![Some("Ely"), None]))],
        Some(vec![true, false].into()),
    );
    let price = Decimal128Array::from(vec![Some(12_345), None])
        .with_precision_and_scale(9, 2)
        .unwrap();
    let at = TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone(UTC);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids),
        Arc::new(price),
        Arc::new(Date32Array::from(vec![Some(1), None])),
        Arc::new(at),
        Arc::new(Time64MicrosecondArray::from(vec![Some(60_000_000), None])),
        Arc::new(BinaryArray::from(vec![Some(b"\x00\xff".as_slice()), None])),
        Arc::new(tags),
        Arc::new(place),
    ];
    let rows = RecordBatch::try_new(TableSchema::parse(&schema).unwrap().arrow(), columns).unwrap();
    let owner = bench.registry;
    let dataset = bench
        .sql
        .dataset(owner.id, bench.world.project_id, "stations")
        .await;
    let table = Table {
        id: bench.sql.table(owner.id, dataset, "readings", &schema).await,
        dataset: "stations",
        name: "readings",
        owner: owner.id,
        schema,
        policy: None,
        policy_version: 0,
        content_version: 1,
        files: vec![write(&bench.store(), "readings.parquet", &rows).await],
        unique: vec![],
        identity_columns: vec![],
    };
    bench.world.tables.lock().unwrap().push(table);
}

#[tokio::test]
async fn columns_of_every_type_are_read_aggregated_and_returned() {
    let bench = Bench::new().await;
    add_readings(&bench).await;
    let caller = bench.as_registry();
    let rows = caller.rows("SELECT * FROM stations.readings ORDER BY id").await;
    for (column, expected) in [
        ("id", "0190c6a2-7b1e-7000-8000-0123456789ab"),
        ("price", "123.45"),
        ("day", "1970-01-02"),
        ("at", "1970-01-01T00:00:00.000001Z"),
        ("of_day", "00:01:00"),
        ("raw", "AP8="),
    ] {
        assert_eq!(text(&rows[0], column), expected, "{column}");
    }
    let Some(Kind::ListValue(tags)) = &rows[0].fields["tags"].kind else {
        panic!("{rows:?}")
    };
    assert_eq!(tags.values.len(), 2);
    let Some(Kind::StructValue(place)) = &rows[0].fields["place"].kind else {
        panic!("{rows:?}")
    };
    assert_eq!(text(place, "city"), "Ely");
    for (column, value) in &rows[1].fields {
        let null = matches!(value.kind, Some(Kind::NullValue(_)));
        assert_eq!(null, column != "id", "{column}");
    }

    // Without an order of its own a result has one by all columns.
    assert_eq!(
        caller
            .rows("SELECT place, tags FROM stations.readings")
            .await
            .len(),
        2
    );
    let rows = caller
        .rows("SELECT MAX(day) AS day, MIN(at) AS at, MAX(of_day) AS of_day, SUM(price) AS price, COUNT(tags) AS n FROM stations.readings")
        .await;
    assert_eq!(text(&rows[0], "day"), "1970-01-02");
    assert_eq!(text(&rows[0], "of_day"), "00:01:00");
    assert_eq!(text(&rows[0], "price"), "123.45");
}
