//! Workers over a real queue: what they do, and what they cannot do any more.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod ending;
mod kit;
mod lease;
mod observed;
