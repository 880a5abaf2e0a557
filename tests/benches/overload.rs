//! Three times what the suite can carry: who is accepted is served about as fast as ever, the rest is told at
//! once, and memory stays where it was.

use std::time::Duration;

use crate::house::House;
use crate::{load, round, say};

/// Callers at which the suite is busy all the time.
const FULL: usize = 64;

pub(crate) async fn run(house: &House) {
    let capacity = load::closed(house, &house.gateway, FULL, round()).await.rate();
    let calm = load::open(house, &house.gateway, capacity / 4.0, round()).await;
    let before = house.resident_bytes();
    let flood = load::open(house, &house.gateway, capacity * 3.0, round()).await;
    let after = house.resident_bytes();

    let milliseconds = |it: Duration| format!("{:.1} ms", it.as_secs_f64() * 1000.0);
    let (calm_p99, flood_p99) = (calm.quantile(0.99), flood.quantile(0.99));
    say("most that is answered", format!("{capacity:.0}/s"), Some(1.0));
    say("p99 at a quarter of it", milliseconds(calm_p99), Some(1.0));
    say(
        "answered at three times it",
        format!("{:.0}/s", flood.rate()),
        Some(flood.rate() / capacity),
    );
    let ratio = flood_p99.as_secs_f64() / calm_p99.as_secs_f64();
    say("p99 of those", milliseconds(flood_p99), Some(ratio));
    for (code, count) in &flood.refused {
        say(&format!("refused with {code}"), count, None);
    }
    let grown = after as f64 / before as f64;
    say("memory afterwards", format!("{} MiB", after >> 20), Some(grown));
}
