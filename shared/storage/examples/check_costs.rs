//! What reading and checking costs, per value: a column of a million values is read with a check and without.
//!
//! `cargo run --release -p datacovey-storage --example check_costs`

#![allow(clippy::unwrap_used, reason = "a measurement")]

use std::time::{Duration, Instant};

use datacovey_storage::read::{ByteSource, Piece, ReadLimits, read_import};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::{Format, ObjectPath, Store};
use serde_json::{Value, json};

const ROWS: u64 = 1_000_000;

async fn read(store: &Store, property: &Value, path: &ObjectPath) -> Duration {
    let document = json!({ "type": "object", "properties": { "a": property } });
    let schema = TableSchema::parse(&document).unwrap();
    let size_bytes = store.size_bytes(path).await.unwrap();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let piece = Piece {
            path: path.clone(),
            size_bytes,
        };
        let source = ByteSource::new(store.clone(), [piece]);
        let begin = Instant::now();
        let mut batches = read_import(source, Format::Csv, ReadLimits::default(), schema.clone());
        let mut rows = 0;
        while let Some(batch) = batches.next().await {
            rows += batch.unwrap().batch.num_rows() as u64;
        }
        assert_eq!(rows, ROWS, "{property}");
        best = best.min(begin.elapsed());
    }
    best
}

fn string(keyword: &str, value: Value) -> Value {
    json!({ "type": "string", keyword: value })
}

#[tokio::main]
async fn main() {
    type Cell = fn(u64) -> String;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let words: Vec<String> = (0..1_000).map(|n| format!("w{n:04}")).collect();
    let email: Cell = |n| format!("user{n}@example.com");
    let number: Cell = |n| format!("{}.{}", n % 1_000, n % 10);
    let decimal = json!({ "type": "string", "format": "decimal", "x-precision": 12, "x-scale": 2 });
    let list =
        |unique: bool| json!({ "type": "array", "items": { "type": "integer" }, "uniqueItems": unique });
    let text = json!({ "type": "string" });
    let integer = json!({ "type": "integer" });
    let range = json!({ "type": "integer", "minimum": 0, "maximum": 9_999_999 });
    let even = json!({ "type": "integer", "multipleOf": 2 });
    let tenths = json!({ "type": "number", "multipleOf": 0.1 });
    let cases: [(&str, &Value, Value, Cell); 15] = [
        ("date", &text, string("format", json!("date")), |n| {
            format!("20{:02}-{:02}-{:02}", n % 100, n % 12 + 1, n % 28 + 1)
        }),
        ("date-time", &text, string("format", json!("date-time")), |n| {
            format!("2013-01-{:02}T10:{:02}:00.{:03}Z", n % 28 + 1, n % 60, n % 1_000)
        }),
        ("time", &text, string("format", json!("time")), |n| {
            format!("10:{:02}:{:02}", n % 60, n % 59)
        }),
        ("uuid", &text, string("format", json!("uuid")), |n| {
            format!("0190c6a2-7b1e-7000-8000-{n:012}")
        }),
        ("decimal", &text, decimal, number),
        ("email", &text, string("format", json!("email")), email),
        ("uri", &text, string("format", json!("uri")), |n| {
            format!("https://example.com/{n}")
        }),
        ("ipv4", &text, string("format", json!("ipv4")), |n| {
            format!("192.0.2.{}", n % 256)
        }),
        ("maxLength", &text, string("maxLength", json!(40)), email),
        (
            "pattern",
            &text,
            string("pattern", json!("^[a-z0-9]+@[a-z.]+$")),
            email,
        ),
        ("enum of 1000", &text, string("enum", json!(words)), |n| {
            format!("w{:04}", n % 1_000)
        }),
        ("integer range", &integer, range, |n| n.to_string()),
        ("integer multipleOf 2", &integer, even, |n| (n * 2).to_string()),
        (
            "number multipleOf 0.1",
            &json!({ "type": "number" }),
            tenths,
            number,
        ),
        ("uniqueItems", &list(false), list(true), |n| {
            format!("\"[{n},1000001]\"")
        }),
    ];
    for (name, plain, checked, cell) in cases {
        let content: String = (0..ROWS).map(|n| cell(n) + "\n").collect();
        let path = ObjectPath::from("values");
        store.put(&path, format!("a\n{content}").into()).await.unwrap();
        let (without, with) = (
            read(&store, plain, &path).await,
            read(&store, &checked, &path).await,
        );
        let nanos = |time: Duration| time.as_nanos() as f64 / ROWS as f64;
        println!(
            "{name:24}{:8.1} ns a value, without {:8.1} ns",
            nanos(with),
            nanos(without)
        );
    }
}
