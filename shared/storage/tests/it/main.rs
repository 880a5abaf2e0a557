#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod arrow_compressed;
mod arrow_files;
mod bad_parquet;
mod bad_text;
mod copy;
mod kit;
mod merge;
mod packed;
mod pseudonyms;
mod round_trip;
mod table_files;
mod types;
