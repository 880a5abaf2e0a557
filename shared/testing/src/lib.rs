//! A real PostgreSQL for tests: one server a process, a database a test, rows made by SQL.
//!
//! Nothing outlives the tests: the server is told by a closed pipe that its process is gone, and
//! removes its files. With `DATACOVEY_DATABASE_URL` set, databases are made on that server.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot have its database fails"
)]

pub mod caller;
mod database;
mod seed;
mod server;

pub use database::{Sql, TestDatabase};
pub use seed::{Tenant, schema_of};
