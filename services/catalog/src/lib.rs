//! The catalog: projects and who takes part in them, datasets, tables, their schemas and policies.
//!
//! It owns the relations project, project_participant, dataset, table and table_policy. The one rule:
//! what a policy says of a table is checked against the schema in the transaction that writes either,
//! so that the two never contradict each other.

mod app;
mod config;
mod domain;
mod rpc;

pub use app::{app, open};
pub use config::{Args, Config, SERVICE};
