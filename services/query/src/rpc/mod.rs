//! The gRPC services: context, authorize, parse, do, reply, in this order and nothing else.

mod approval;
mod audit;
mod budgets;
mod convert;
mod parameters;
mod parse;
mod queries;
mod query_jobs;
mod results;

pub(crate) use audit::Audit;
pub(crate) use budgets::Budgets;
pub(crate) use queries::Queries;
pub(crate) use query_jobs::QueryJobs;
