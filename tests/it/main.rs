//! Tests of the suite as a whole: what only shows when all services work together.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod arrows;
mod clean_room;
mod configuration;
mod conformance;
mod coverage;
mod dynamic;
mod edges;
mod flight;
mod manifests;
mod programs;
mod rest;
mod rolling;
mod room;
mod suite;
