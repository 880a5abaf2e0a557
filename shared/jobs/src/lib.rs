//! Workers: they lease jobs from the queue in the database, keep the lease while they work, and give
//! it back or let it run out when they cannot.
//!
//! The one rule: work takes effect only by the transaction that ends its job, and that one checks
//! holder and attempt. So a worker may be stopped, cut off or killed at any moment.

mod backoff;
mod failure;
mod job;
mod lookout;
mod metrics;
mod running;
mod worker;

pub use failure::JobFailure;
pub use job::{Job, Reporter, Work};
pub use lookout::Lookout;
pub use worker::{Worker, WorkerOptions};
