//! The gRPC face: parse and convert. Handlers are context, authorize, parse, do, reply.

mod export;
mod field;
mod history;
mod import;
mod message;
mod mutation;
mod version;

pub(crate) use export::Exports;
pub(crate) use import::Imports;
pub(crate) use version::{VersionResolver, Versions};
