//! The query service over a real server, a database of its own and peers of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::future_not_send,
    reason = "tests"
)]

mod approvals;
mod audit;
mod budgets;
mod cache;
mod clients;
mod downloads;
mod fixture;
mod jobs;
mod lifecycle;
mod peers;
mod pseudonyms;
mod queries;
mod results;
mod types;
