//! The catalog as its callers meet it: a real server with all its layers, a database of its own, a
//! typed client for each kind of caller.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod coverage;
mod dataset;
mod lifecycle;
mod list;
mod participant;
mod policy;
mod project;
mod refusal;
mod repeat;
mod resolver;
mod suite;
mod table;
