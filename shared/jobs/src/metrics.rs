//! What operators see of the workers.

use std::time::Duration;

use datacovey_persistence::JobKind;
use metrics::{counter, gauge, histogram};

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    Completed,
    Failed,
    Retried,
    HandedBack,
    Lost,
}

impl Ended {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::HandedBack => "handed_back",
            Self::Lost => "lost",
        }
    }
}

pub(crate) fn started(kind: JobKind) {
    gauge!("datacovey_jobs_running", "kind" => kind.as_str()).increment(1.0);
}

pub(crate) fn ended(kind: JobKind, how: Ended, after: Duration) {
    gauge!("datacovey_jobs_running", "kind" => kind.as_str()).decrement(1.0);
    counter!("datacovey_job_runs_total", "kind" => kind.as_str(), "ended" => how.as_str()).increment(1);
    histogram!("datacovey_job_run_seconds", "kind" => kind.as_str()).record(after.as_secs_f64());
}

pub(crate) fn claim_failed(kind: JobKind) {
    counter!("datacovey_job_claim_errors_total", "kind" => kind.as_str()).increment(1);
}
