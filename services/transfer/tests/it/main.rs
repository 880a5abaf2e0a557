//! The transfer service as its callers meet it: a real server with all its layers and workers, a
//! database and a folder of its own, a typed client for each kind of caller.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bad_inputs;
mod buckets;
mod compact;
mod coverage;
mod create;
mod export;
mod formats;
mod identity;
mod import;
mod job;
mod pseudonym;
mod restore;
mod s3;
mod suite;
mod together;
mod upload;
mod uri;
mod version;
