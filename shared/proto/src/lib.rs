//! Generated code and descriptors of the gRPC API; nothing in this crate is written by hand.
//!
//! Modules follow the packages: `datacovey.catalog.v1` is [`catalog::v1`].

#![allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    clippy::future_not_send,
    clippy::large_futures,
    reason = "generated code"
)]

mod generated {
    include!(concat!(env!("OUT_DIR"), "/datacovey.rs"));
}

pub use generated::datacovey::*;

/// Encoded `FileDescriptorSet` of every package, the internal ones too.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Encoded `FileDescriptorSet` of the public packages: what the gateway serves and reflects.
pub const PUBLIC_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public_descriptors.bin"));
