//! Rows by relation, as the REST API asks for them: a typed request becomes one SQL statement.
//!
//! Owns the way from `datacovey.internal.rows.v1` to SQL and back. Names of relations and columns are those
//! of [`datacovey_rest::Relations`] and nothing else; everything that a caller wrote is a parameter, which
//! PostgreSQL reads by the type of what it is compared with. The one exception are the names that the
//! caller gives to what is returned: they are quoted. Statements run as the caller's tenant, under row-level
//! security, and what they write is shown to the [`RowRules`] of its service before it is committed.

mod cast;
mod cursor;
mod embed;
mod error;
mod filter;
mod insert;
mod jobs;
mod link;
mod read;
mod rules;
mod select;
mod sql;
mod statements;
mod write;

pub use error::RowsError;
pub use jobs::{JobRules, NewRun};
pub(crate) use link::RowLink;
pub use read::{RowBatches, RowHeader};
pub use rules::{Change, RowRules, Unruled};
pub use write::Written;
