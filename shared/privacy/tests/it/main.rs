//! The compiler against an engine: what is refused, what is suppressed, what is answered with which rows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod compiled;
mod engine;
mod suite;
mod world;
