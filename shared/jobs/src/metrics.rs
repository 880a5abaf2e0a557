//! What operators see of the workers.

use std::time::Duration;

use datacovey_persistence::{JobKind, JobQueue};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Says what the metrics of this crate mean.
pub(crate) fn describe() {
    describe_gauge!(
        "datacovey_jobs_ready",
        Unit::Count,
        "Jobs that any worker may take now, of all tenants, by kind: each worker tells of the whole queue"
    );
    describe_gauge!(
        "datacovey_jobs_oldest_ready_seconds",
        Unit::Seconds,
        "How long the job has waited that any worker may take first, by kind; zero where none waits"
    );
    describe_gauge!(
        "datacovey_jobs_leased",
        Unit::Count,
        "Jobs that workers hold, of all workers, by kind: each worker tells of the whole queue"
    );
    describe_gauge!(
        "datacovey_jobs_running",
        Unit::Count,
        "Jobs that this process works on, by kind"
    );
    describe_counter!(
        "datacovey_job_runs_total",
        Unit::Count,
        "Runs of jobs, by kind and how they ended: completed, failed, retried, handed_back, or lost \
         (cancelled, or the lease ran out)"
    );
    describe_histogram!(
        "datacovey_job_run_seconds",
        Unit::Seconds,
        "How long runs of jobs took, by kind"
    );
    describe_counter!(
        "datacovey_job_claim_errors_total",
        Unit::Count,
        "Attempts to ask for a job that the database did not answer, by kind"
    );
    describe_counter!(
        "datacovey_job_leases_total",
        Unit::Count,
        "What happened to leases, by kind and event: claimed, taken_over (claimed when that of another \
         worker had run out), renewed, not_renewed (the database did not answer), lost, handed_back"
    );
}

/// What happens to a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LeaseEvent {
    Claimed,
    TakenOver,
    Renewed,
    NotRenewed,
    Lost,
    HandedBack,
}

impl LeaseEvent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::TakenOver => "taken_over",
            Self::Renewed => "renewed",
            Self::NotRenewed => "not_renewed",
            Self::Lost => "lost",
            Self::HandedBack => "handed_back",
        }
    }
}

pub(crate) fn lease(kind: JobKind, event: LeaseEvent) {
    counter!("datacovey_job_leases_total", "kind" => kind.as_str(), "event" => event.as_str()).increment(1);
}

pub(crate) fn queue(kind: JobKind, queue: JobQueue) {
    let kind = kind.as_str();
    gauge!("datacovey_jobs_ready", "kind" => kind).set(queue.ready as f64);
    gauge!("datacovey_jobs_oldest_ready_seconds", "kind" => kind).set(queue.oldest_ready.as_secs_f64());
    gauge!("datacovey_jobs_leased", "kind" => kind).set(queue.leased as f64);
}

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
