//! The one port of the suite: authentication and transparent streaming proxy.
//!
//! Owns no data. The one rule: a call goes on only as the principal that its credentials name, and
//! no message of it is decoded.

mod app;
mod body;
mod config;
mod headers;
mod health;
mod proxy;
mod routes;

pub use app::{SERVICE, app};
pub use config::configure;
