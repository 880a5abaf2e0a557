//! The binary as its users run it: real processes, real kills, a collector that listens.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod away;
mod backup;
mod commands;
mod demo;
mod files;
mod kill;
mod load;
mod process;
mod trace;
mod world;
