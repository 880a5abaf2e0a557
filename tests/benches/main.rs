//! Benchmarks of the suite, each as a ratio against a peer on the same machine in the same run.
//!
//! ```sh
//! cargo bench --bench suite                      # all of them
//! cargo bench --bench suite -- get_table paging  # these
//! DATACOVEY_BENCH_SECONDS=30 cargo bench …       # longer rounds; 5 seconds by default
//! ```
//!
//! The suite runs in a process of its own over a private PostgreSQL server. Peers are `pgbench`, which comes
//! with PostgreSQL, `nginx` with HTTP/2, and DuckDB for Python; `wrk` and `curl` call the REST API. A benchmark
//! without its peer says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run ends"
)]

mod bulk;
mod files;
mod gateway;
mod get_table;
mod house;
mod imports;
mod load;
mod memory;
mod overload;
mod paging;
mod peer;
mod place;
mod queries;
mod rest;

use std::time::Duration;

use house::House;

const ALL: [&str; 10] = [
    "memory",
    "get_table",
    "paging",
    "gateway",
    "overload",
    "imports",
    "files",
    "bulk",
    "queries",
    "rest",
];

#[tokio::main]
async fn main() {
    // cargo tells a benchmark that it is one.
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .collect();
    if chosen.first().is_some_and(|it| it == house::SERVE) {
        return house::serve(&chosen[1]).await;
    }
    if let Some(unknown) = chosen.iter().find(|it| !ALL.contains(&it.as_str())) {
        eprintln!(
            "there is no benchmark \"{unknown}\"; there are {}",
            ALL.join(", ")
        );
        std::process::exit(2);
    }
    let house = House::open().await;
    for name in ALL {
        if !chosen.is_empty() && !chosen.iter().any(|it| it == name) {
            continue;
        }
        println!("\n{name}");
        match name {
            "memory" => memory::run(&house),
            "get_table" => get_table::run(&house).await,
            "paging" => paging::run(&house).await,
            "gateway" => gateway::run(&house).await,
            "overload" => overload::run(&house).await,
            "files" => files::run(&house).await,
            "bulk" => bulk::run(&house).await,
            "imports" => imports::run(&house).await,
            "rest" => rest::run(&house).await,
            _ => queries::run(&house).await,
        }
    }
    house.close().await;
}

/// How long a round of a benchmark is.
pub(crate) fn round() -> Duration {
    let seconds = std::env::var("DATACOVEY_BENCH_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|it| it.parse().ok()).unwrap_or(5))
}

/// A line of the result: what, how much, and what it is to the peer.
pub(crate) fn say(what: &str, value: impl std::fmt::Display, ratio: Option<f64>) {
    let ratio = ratio.map(|it| format!("{it:.2}")).unwrap_or_default();
    println!("  {what:<58} {value:>16}  {ratio:>6}");
}
