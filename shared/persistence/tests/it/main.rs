//! Walls and doors of the database, in raw SQL as every role, and the ways of this crate to it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod approvals;
mod backfill;
mod budgets;
mod compactions;
mod contract;
mod doors;
mod errors;
mod history;
mod idempotency;
mod imports;
mod jobs;
mod leases;
mod local_server;
mod participants;
mod plans;
mod purges;
mod refusal;
mod releases;
mod restores;
mod rows;
mod rules;
mod schema;
mod secrets;
mod store;
mod swept_versions;
mod tls;
mod transactions;
mod turns;
mod upgrade;
mod visibility;
mod walls;
mod world;
mod writes;
