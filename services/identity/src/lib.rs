//! Identity: organizations, their users, and whom a token names.
//!
//! It owns the relations tenant and user. The one rule: nobody becomes known by signing in; a
//! principal is a user that somebody made, of a tenant that is not archived.

mod app;
mod config;
mod domain;
mod principals;
mod rpc;

pub use app::{app, open};
pub use config::{Args, Config, SERVICE};
pub use principals::Principals;
