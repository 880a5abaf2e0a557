//! Memory of the suite in one process when nothing happens, beside PostgreSQL.

use crate::house::House;
use crate::say;

const GOAL_BYTES: u64 = 150 << 20;

pub(crate) fn run(house: &House) {
    let resident = house.resident_bytes();
    say("goal", format!("{} MiB", GOAL_BYTES >> 20), None);
    let ratio = resident as f64 / GOAL_BYTES as f64;
    say(
        "five services in one process, resident",
        format!("{} MiB", resident >> 20),
        Some(ratio),
    );
}
