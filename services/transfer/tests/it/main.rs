//! The transfer service as its callers meet it: a real server with all its layers and workers, a
//! database and a folder of its own, a typed client for each kind of caller.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod coverage;
mod create;
mod export;
mod identity;
mod import;
mod job;
mod pseudonym;
mod suite;
mod upload;
mod version;
