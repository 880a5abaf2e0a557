//! The identity service with all its layers over a database of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod lifecycle;
mod methods;
mod principal;
mod rows;
mod suite;
mod tenant;
mod user;
