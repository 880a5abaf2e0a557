//! What takes more than one store, or a peer.

pub(crate) mod ask;
pub(crate) mod follow;
pub(crate) mod plan_query;
pub(crate) mod read_results;
pub(crate) mod run_query;
pub(crate) mod sweep;
