//! Tests of the suite as a whole: what only shows when all services work together.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod arrows;
mod clean_room;
mod edges;
mod room;
mod suite;
