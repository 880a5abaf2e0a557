//! Tests of the suite as a whole.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod arrows;
