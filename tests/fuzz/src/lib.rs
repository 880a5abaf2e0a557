//! What parsers of bytes that callers send must hold to, whatever the bytes are: one function a parser,
//! which panics where it does not.
//!
//! The fuzz targets call these with what libFuzzer makes up; the crates' own tests include the modules
//! by their path and call them with seeds and with what proptest makes up. So they lean on what the
//! crates make public, and on nothing of this crate.

pub mod auth;
#[cfg(feature = "flight")]
pub mod flight;
pub mod list;
#[cfg(feature = "planner")]
pub mod query;
pub mod rest;
pub mod seeds;
pub mod server;
