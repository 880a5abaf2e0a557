//! Ids, roles, permissions, statuses, principals and contexts: plain data without I/O.
//!
//! Every crate may depend on this one; it depends on none of them.

mod ctx;
mod id;
mod principal;
mod role;
mod status;

pub use ctx::Ctx;
pub use id::new_id;
pub use principal::{Principal, Scope, Scopes};
pub use role::{Permission, Role, UnknownRole};
pub use status::{ParticipantStatus, QueryJobStatus, TransferJobStatus, UnknownStatus};
