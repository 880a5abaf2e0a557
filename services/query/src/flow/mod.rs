//! What takes more than one store, or a peer.

pub(crate) mod approvals;
pub(crate) mod ask;
pub(crate) mod budgets;
mod cached;
mod compute;
pub(crate) mod download_results;
pub(crate) mod follow;
mod keep_result;
pub(crate) mod plan_query;
mod planned;
mod project_policy;
pub(crate) mod read_results;
pub(crate) mod rows;
pub(crate) mod run_query;
pub(crate) mod sweep;
