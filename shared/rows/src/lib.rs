//! Rows by relation as a gRPC service: `datacovey.internal.rows.v1.RowService`, the same in every service
//! that owns relations of the contract.
//!
//! Owns who is answered and how a failure travels. What a request means in SQL is
//! `datacovey_persistence::Database::rows_select` and the like; what a row must be is said by the
//! [`RowRules`](datacovey_persistence::RowRules) of the service. The one rule: a service answers for its own
//! relations, whatever else the database would show it.

mod service;
mod status;
mod values;

pub use service::{Rows, row_service};
pub use values::{TextRule, changed, check_texts, id_of};
