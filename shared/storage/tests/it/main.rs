#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bad_parquet;
mod kit;
mod merge;
mod pseudonyms;
mod round_trip;
mod table_files;
mod types;
