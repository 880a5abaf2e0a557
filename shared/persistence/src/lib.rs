//! The one way to the database: schema, tenant transactions, rules and statements per relation.
//!
//! A [`Database`] is opened for one role; every statement runs for a [`datacovey_types::Ctx`], whose
//! tenant decides which rows there are. SQL is written in the modules under `relation` and `door`
//! and in the migrations, and nowhere else in the suite.

mod database;
mod door;
mod failure;
mod listen;
mod listing;
mod local_server;
mod metrics;
mod migrate;
mod pipeline;
mod pool;
mod queue;
mod relation;
mod role;
mod rows;
mod schema;
mod tls;

pub use database::{Body, Conn, Database};
pub use door::*;
pub use failure::{Failure, OnConstraint, OrNotFound};
pub use listen::{Listener, Notice};
pub use local_server::{
    DATABASE_URL_VARIABLE, LocalServer, LocalServerError, LocalServerOptions, ServiceLogin,
};
pub use migrate::{BOOTSTRAP, StartError, known_versions, migrate, migrate_to};
pub use pool::{PoolOptions, PoolUsage};
pub use relation::*;
pub use role::DbRole;
pub use rows::{Change, JobRules, NewRun, RowBatches, RowHeader, RowRules, RowsError, Unruled, Written};
pub use tls::check_url;

/// The time as the database's columns hold it: UTC without a zone.
#[must_use]
pub fn utc_now() -> chrono::NaiveDateTime {
    chrono::Utc::now().naive_utc()
}
