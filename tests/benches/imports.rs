//! Many small imports into one table, and what queries of it cost beside those of the same rows imported at once.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datacovey::client::{Client, ImportOptions};
use datacovey_proto::transfer::v1::ListTableVersionsRequest;
use serde_json::json;

use crate::house::House;
use crate::load::connections;
use crate::paging::median;
use crate::place::Place;
use crate::say;

const IMPORTS: usize = 1_000;
const ROWS: usize = 100;
const CONNECTIONS: usize = 16;
const ROUNDS: usize = 15;
/// Longer than compactions need to come to rest.
const REST: Duration = Duration::from_secs(120);

pub(crate) async fn run(house: &House) {
    let place = Place::make(house, "Importer", "d").await;
    let dataset = Dataset {
        place: &place,
        folder: house.folder(),
    };
    let (bit_by_bit, at_once) = (dataset.table("bit_by_bit").await, dataset.table("at_once").await);

    let whole = dataset.file("whole", 0..IMPORTS * ROWS);
    let since = Instant::now();
    import(&place.owner, &at_once, &whole).await;
    say(
        &format!("{} rows at once", IMPORTS * ROWS),
        milliseconds(since.elapsed()),
        None,
    );

    let clients = connections(&house.gateway, &house.token_of("Importer").await, CONNECTIONS).await;
    let parts: Vec<PathBuf> = (0..IMPORTS)
        .map(|part| dataset.file(&format!("part{part}"), part * ROWS..(part + 1) * ROWS))
        .collect();
    let (parts, next) = (Arc::new(parts), Arc::new(AtomicUsize::new(0)));
    let since = Instant::now();
    let work = clients.into_iter().map(|client| {
        let (parts, next, table) = (Arc::clone(&parts), Arc::clone(&next), bit_by_bit.clone());
        tokio::spawn(async move {
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                import(&client, &table, part).await;
            }
        })
    });
    for worker in work.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let rate = IMPORTS as f64 / since.elapsed().as_secs_f64();
    let what = format!("{IMPORTS} imports of {ROWS} rows, {CONNECTIONS} connections");
    say(&what, format!("{rate:.1} a second"), None);

    let before = dataset.time("bit_by_bit").await;
    let settled = dataset.settle(&bit_by_bit).await;
    say("compacted after", format!("{:.1} s", settled.as_secs_f64()), None);
    let one = dataset.time("at_once").await;
    say(
        "query of the rows imported at once, median",
        milliseconds(one),
        Some(1.0),
    );
    for (what, took) in [
        ("of those imported bit by bit, just after", before),
        ("and once compacted", dataset.time("bit_by_bit").await),
    ] {
        say(
            what,
            milliseconds(took),
            Some(took.as_secs_f64() / one.as_secs_f64()),
        );
    }
}

struct Dataset<'a> {
    place: &'a Place,
    folder: PathBuf,
}

impl Dataset<'_> {
    async fn table(&self, name: &str) -> String {
        let schema = json!({"type": "object", "properties": {
            "email": {"type": "string", "x-identity": "email"},
            "city": {"type": "string"},
            "spend": {"type": "number"},
        }});
        self.place.table(name, schema).await
    }

    fn file(&self, name: &str, people: std::ops::Range<usize>) -> PathBuf {
        let mut content = "email,city,spend\n".to_owned();
        for person in people {
            let spend = (person * 7) % 1_000;
            writeln!(content, "person{person}@example.org,city{},{spend}", person % 97).unwrap();
        }
        let path = self.folder.join(format!("{name}.csv"));
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The median of the runs of a query that reads all rows; each is another question, for no cache to answer.
    async fn time(&self, table: &str) -> Duration {
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            let round = uuid::Uuid::now_v7().as_u128() as u32;
            let sql = format!(
                "SELECT city, COUNT(DISTINCT email) AS people, SUM(spend) AS spend, {round} AS round
                 FROM d.{table} GROUP BY city"
            );
            let since = Instant::now();
            let answer = self
                .place
                .owner
                .run(&self.place.project_id, sql.as_str())
                .await
                .unwrap();
            all.push(since.elapsed());
            assert_eq!(answer.cells.len(), 97);
        }
        median(all)
    }

    /// Until the newest version has been the same for two looks of the compactor.
    async fn settle(&self, table_id: &str) -> Duration {
        let since = Instant::now();
        let (mut newest, mut seen) = (0, Instant::now());
        while seen.elapsed() < Duration::from_secs(12) && since.elapsed() < REST {
            let request = ListTableVersionsRequest {
                table_id: table_id.to_owned(),
                page_size: 1,
                ..Default::default()
            };
            let versions = self
                .place
                .owner
                .versions()
                .list_table_versions(request)
                .await
                .unwrap();
            let version = versions.into_inner().table_versions[0].version;
            if version != newest {
                (newest, seen) = (version, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        seen.duration_since(since)
    }
}

async fn import(client: &Client, table_id: &str, file: &std::path::Path) {
    client
        .import_file(table_id, file, &ImportOptions::default(), &|_, _| (), &|_, _| ())
        .await
        .unwrap();
}

fn milliseconds(it: Duration) -> String {
    format!("{:.1} ms", it.as_secs_f64() * 1000.0)
}
