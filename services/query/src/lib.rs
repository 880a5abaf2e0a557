//! Queries: whether they may run, their runs, and what these release.
//!
//! It owns the relations query, query_job, query_run, query_result, query_approval, budget_ledger and
//! release_audit. The one rule: rows of others leave only through a release, in the transaction that
//! checks once more that its world is as it was when the query was compiled; before it there is nothing
//! to see, and a run that fails after its first read fails in one way.

mod app;
mod config;
mod domain;
mod engine;
mod flow;
mod observed;
mod peers;
mod rpc;

pub use app::open;
pub use config::{Args, Config, RunLimits, SERVICE};
pub use engine::EngineConfig;
