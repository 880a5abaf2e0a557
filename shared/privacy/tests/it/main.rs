//! The compiler against an engine: what is refused, what is suppressed, what is answered with which rows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod aviation;
mod compiled;
mod engine;
mod extremes;
mod fuzzed;
mod ids;
mod loyalty;
mod neighbours;
mod parameters;
mod people;
mod pseudonyms;
mod random;
mod sets;
mod suite;
mod trade;
mod world;
