//! The gRPC services: context, authorize, parse, do, reply, in this order and nothing else.

mod dataset;
mod field;
mod history;
mod mutation;
mod participant;
mod policy;
mod project;
mod resolver;
mod table;
mod table_message;
mod table_policy;

pub(crate) use dataset::Datasets;
pub(crate) use project::Projects;
pub(crate) use resolver::Resolver;
pub(crate) use table::Tables;
