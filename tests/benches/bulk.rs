//! Memory of imports of growing size: by URI, so that the suite alone holds what is held.
//!
//! ```sh
//! DATACOVEY_BENCH_GIGABYTES="1 10" cargo bench --bench suite -- bulk
//! ```

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use datacovey_proto::transfer::v1::FileFormat;

use crate::files::schema;
use crate::house::House;
use crate::place::Place;
use crate::say;

pub(crate) async fn run(house: &House) {
    let sizes = std::env::var("DATACOVEY_BENCH_GIGABYTES").unwrap_or_else(|_| "1".to_owned());
    let place = Place::make(house, "Carrier", "bulk").await;
    let table = place.table("people", schema()).await;
    for size in sizes.split_whitespace() {
        let gigabytes: u64 = size.parse().unwrap();
        let file = house.files().join("bulk.csv");
        let rows = write(&file, gigabytes * 1_000_000_000);
        let idle = house.resident_bytes();
        house.forget_peak();
        let since = Instant::now();
        let job = place
            .import(&table, &house.file_uri("bulk.csv"), FileFormat::Csv)
            .await;
        let took = since.elapsed().as_secs_f64();
        assert_eq!(job.rows_imported, rows);
        let peak = house.peak_bytes();
        say(
            &format!("{gigabytes} GB of CSV, {rows} rows"),
            format!("{:.0} MB/s", gigabytes as f64 * 1000.0 / took),
            None,
        );
        say("  the suite before", format!("{} MiB", idle >> 20), None);
        say("  its peak", format!("{} MiB", peak >> 20), None);
        std::fs::remove_file(&file).unwrap();
    }
}

/// Rows until there are so many bytes.
fn write(file: &Path, bytes: u64) -> i64 {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(file).unwrap());
    out.write_all(b"email,city,age,spend,day\n").unwrap();
    let (mut line, mut written, mut rows) = (Vec::new(), 0, 0_i64);
    while written < bytes {
        line.clear();
        // Spread, so that dictionaries and compression find as little as in true data.
        let person = (rows as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (city, age, cents) = (person % 450, 18 + person % 71, person % 100_000);
        let (month, day) = (1 + person % 12, 1 + person % 28);
        writeln!(
            line,
            "person-{person}@example.com,city-{city:03},{age},{}.{:02},2024-{month:02}-{day:02}",
            cents / 100,
            cents % 100
        )
        .unwrap();
        out.write_all(&line).unwrap();
        written += line.len() as u64;
        rows += 1;
    }
    out.flush().unwrap();
    rows
}
