//! Imports into tables and exports out of them.
//!
//! It owns the relations import_job, export_job and all that belongs to them: runs, uploaded chunks,
//! rejected rows, versions and files of tables. The one rule: an object counts only once a row points
//! to it, and a row only once the transaction that ends its job has written it.

mod app;
mod config;
mod domain;
mod flow;
mod observed;
mod rpc;

pub use app::{Transfer, app, open};
pub use config::{Args, Config, Limits, SERVICE};
pub use domain::secret_key::{SecretKey, SecretKeyError};
