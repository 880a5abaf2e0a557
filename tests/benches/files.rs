//! Files in and out through the service, against DuckDB's COPY between the same formats on the same machine.
//!
//! ```sh
//! pip install duckdb
//! DATACOVEY_BENCH_ROWS=5000000 DATACOVEY_BENCH_PYTHON=python3 cargo bench --bench suite -- files
//! ```

use std::time::{Duration, Instant};

use datacovey::client::ImportOptions;
use datacovey_proto::transfer::v1::{FileFormat, ImportMode};
use serde_json::{Value, json};

use crate::house::House;
use crate::paging::median;
use crate::peer::DuckDb;
use crate::place::Place;
use crate::say;

const ROUNDS: usize = 3;

pub(crate) async fn run(house: &House) {
    let Some(duckdb) = DuckDb::find(house.files()).await else {
        return;
    };
    let rows = std::env::var("DATACOVEY_BENCH_ROWS").ok();
    let rows: usize = rows.and_then(|it| it.parse().ok()).unwrap_or(5_000_000);
    duckdb.make("people", &[rows.to_string()]).await;
    let rows = rows as i64;
    let place = Place::make(house, "Mover", "files").await;
    let people = place.table("people", schema()).await;
    let hidden = place.table("hidden", pseudonymized(false)).await;
    let identities = place.table("identities", pseudonymized(true)).await;

    for (what, file, format, copy) in [
        ("NDJSON in", "people.ndjson", FileFormat::Ndjson, COPY_NDJSON),
        ("Parquet in", "people.parquet", FileFormat::Parquet, COPY_PARQUET),
        ("CSV in", "people.csv", FileFormat::Csv, COPY_CSV),
    ] {
        let theirs = duckdb.time(copy, ROUNDS).await;
        say(&format!("{what}: DuckDB"), seconds(theirs.took), Some(1.0));
        house.forget_peak();
        let ours = times(async || {
            let job = place.import(&people, &house.file_uri(file), format).await;
            assert_eq!(job.rows_imported, rows);
        });
        told("  by URI", ours.await, theirs.took);
        let peak = house.peak_bytes() >> 20;
        say("  the suite's peak memory", format!("{peak} MiB"), None);

        if format == FileFormat::Csv {
            let options = ImportOptions {
                mode: ImportMode::Replace,
                ..ImportOptions::default()
            };
            let file = house.files().join(file);
            let ours = times(async || {
                let job = place
                    .owner
                    .import_file(&people, &file, &options, &|_, _| (), &|_, _| ());
                assert_eq!(job.await.unwrap().rows_imported, rows);
            });
            told("  uploaded through the gateway", ours.await, theirs.took);
            let uri = house.file_uri("people.csv");
            for (what, table) in [
                ("  by URI, e-mails normalized and pseudonymized", &hidden),
                ("  and identities: with ids, and proven unique", &identities),
            ] {
                let ours = times(async || {
                    place.import(table, &uri, format).await;
                });
                told(what, ours.await, theirs.took);
            }
        }
    }

    for (what, file, format, copy) in [
        ("CSV out", "out.csv", FileFormat::Csv, COPY_TO_CSV),
        (
            "Parquet out, unchanged",
            "out.parquet",
            FileFormat::Parquet,
            COPY_PARQUET,
        ),
    ] {
        let theirs = duckdb.time(copy, ROUNDS).await;
        say(&format!("{what}: DuckDB"), seconds(theirs.took), Some(1.0));
        let ours = times(async || {
            let job = place.export(&people, &house.file_uri(file), format).await;
            assert_eq!(job.rows_exported, rows);
        });
        told("  to a URI", ours.await, theirs.took);
    }
}

const COPY_CSV: &str =
    "COPY (SELECT * FROM read_csv('people.csv')) TO 'theirs.parquet' (FORMAT parquet, COMPRESSION zstd)";
const COPY_NDJSON: &str =
    "COPY (SELECT * FROM read_json('people.ndjson')) TO 'theirs.parquet' (FORMAT parquet, COMPRESSION zstd)";
const COPY_PARQUET: &str =
    "COPY (SELECT * FROM 'people.parquet') TO 'theirs.parquet' (FORMAT parquet, COMPRESSION zstd)";
const COPY_TO_CSV: &str = "COPY (SELECT * FROM 'people.parquet') TO 'theirs.csv' (FORMAT csv, HEADER)";

/// The median of the rounds.
async fn times(round: impl AsyncFn()) -> Duration {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let since = Instant::now();
        round().await;
        all.push(since.elapsed());
    }
    median(all)
}

fn told(what: &str, ours: Duration, theirs: Duration) {
    say(
        what,
        seconds(ours),
        Some(ours.as_secs_f64() / theirs.as_secs_f64()),
    );
}

fn seconds(it: Duration) -> String {
    format!("{:.2} s", it.as_secs_f64())
}

/// Each column with something to check.
pub(crate) fn schema() -> Value {
    json!({"type": "object", "required": ["email", "city", "age"], "properties": {
        "email": {"type": "string", "minLength": 3, "maxLength": 254},
        "city": {"type": "string", "pattern": "^city-[0-9]+$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "spend": {"type": "number", "minimum": 0},
        "day": {"type": "string", "format": "date"},
    }})
}

fn pseudonymized(identity: bool) -> Value {
    let mut schema = schema();
    let mut email = json!({"type": "string", "x-normalize": ["email"], "x-pseudonymize": true});
    if identity {
        email["x-identity"] = json!("email");
    }
    schema["properties"]["email"] = email;
    schema
}
