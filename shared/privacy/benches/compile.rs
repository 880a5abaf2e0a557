//! What it takes to check a statement and rewrite it: no row is read, nothing is asked of anybody.
//!
//! ```sh
//! cargo bench -p datacovey-privacy --bench compile
//! ```
//!
//! Prints, for each of a few typical questions, the median and the slowest of a thousand in microseconds; and ends
//! with an error where a median is above the limit.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run ends")]
#![allow(dead_code, unused_imports, reason = "the world serves tests as well")]

#[path = "../tests/it/aviation.rs"]
mod aviation;
#[path = "../tests/it/engine.rs"]
mod engine;
#[path = "../tests/it/extremes.rs"]
mod extremes;
#[path = "../tests/it/loyalty.rs"]
mod loyalty;
#[path = "../tests/it/people.rs"]
mod people;
#[path = "../tests/it/trade.rs"]
mod trade;
#[path = "../tests/it/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use datacovey_privacy::{Limits, Parameters, compile};

/// Rounds of each question, after some that warm up.
const ROUNDS: usize = 1000;
const WARM_UP: usize = 50;
/// What one may take.
const LIMIT: Duration = Duration::from_millis(2);

const QUESTIONS: [(&str, &str); 7] = [
    ("a count", "SELECT COUNT(*) AS n FROM web.visits"),
    (
        "one table, by two dimensions",
        "SELECT campaign, device, COUNT(*) AS n, SUM(price) AS p, AVG(pages) AS a FROM web.visits GROUP BY campaign, device",
    ),
    (
        "an own list joined, by its segments",
        "SELECT c.arm, COUNT(*) AS n, SUM(m.points) AS p FROM air.members m JOIN lists.crm c ON m.email = c.email GROUP BY c.arm",
    ),
    (
        "two owners joined, within a window",
        "SELECT v.campaign, COUNT(DISTINCT s.email) AS buyers, SUM(s.price) AS value FROM web.visits v
         JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '14 days' GROUP BY v.campaign",
    ),
    (
        "reach and frequency",
        "SELECT LEAST(n, 5) AS n, COUNT(*) AS people FROM (SELECT email, COUNT(*) AS n FROM web.visits GROUP BY email) t
         GROUP BY LEAST(n, 5) ORDER BY 1",
    ),
    (
        "a Venn diagram of three",
        "SELECT air, hotel, cars, COUNT(*) AS n FROM (
           SELECT email, MAX(air) AS air, MAX(hotel) AS hotel, MAX(cars) AS cars FROM (
             SELECT email, 1 AS air, 0 AS hotel, 0 AS cars FROM air.members
             UNION ALL SELECT email, 0, 1, 0 FROM hotel.guests
             UNION ALL SELECT email, 0, 0, 1 FROM cars.renters) a GROUP BY email) p GROUP BY air, hotel, cars",
    ),
    (
        "a refusal, with what would pass",
        "SELECT email, MAX(points) FROM air.members WHERE email = 'p1@x' GROUP BY email",
    ),
];

fn main() -> ExitCode {
    let catalog = world::world().catalog(world::C);
    let (parameters, limits) = (Parameters::new(), Limits::default());
    let mut good = true;
    println!("{:<38} {:>9} {:>9}", "microseconds", "median", "slowest");
    for (what, sql) in QUESTIONS {
        let mut took: Vec<Duration> = (0..WARM_UP + ROUNDS)
            .map(|_| {
                let began = Instant::now();
                std::hint::black_box(compile(sql, &parameters, &catalog, &limits).is_ok());
                began.elapsed()
            })
            .skip(WARM_UP)
            .collect();
        took.sort();
        let (median, slowest) = (took[ROUNDS / 2], took[ROUNDS - 1]);
        println!("{what:<38} {:>9} {:>9}", median.as_micros(), slowest.as_micros());
        good &= median <= LIMIT;
    }
    if good {
        return ExitCode::SUCCESS;
    }
    println!("more than {} µs", LIMIT.as_micros());
    ExitCode::FAILURE
}
