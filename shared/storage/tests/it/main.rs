#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bad_parquet;
mod copy;
mod kit;
mod round_trip;
mod table_files;
mod types;
