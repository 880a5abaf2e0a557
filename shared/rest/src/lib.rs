//! The REST API of the contract as PostgREST 13 answers it: what needs no database.
//!
//! Pure: bytes of a request become a typed request of `datacovey.internal.rows.v1` or an error, and what
//! became of it becomes an answer. The one rule: text that a caller sent is data; names of relations and
//! columns come from [`Relations`] alone.

mod openapi;
mod relations;

pub use openapi::{Address, openapi};
pub use relations::{Column, ColumnType, ForeignKey, Relation, Relations, Service};
