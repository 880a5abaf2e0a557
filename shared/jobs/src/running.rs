//! One leased job: the work, and beside it the lease.

use std::sync::Arc;
use std::time::Duration;

use datacovey_error::{Error, ErrorReason};
use datacovey_persistence::{ClaimedJob, Database, Lease, LeaseState};
use datacovey_types::Ctx;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde_json::Value;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::failure::passes;
use crate::job::Reporter;
use crate::metrics::{self, Ended, LeaseEvent};
use crate::{Job, JobFailure, Lookout, Work, WorkerOptions, backoff};

/// How long work that has ended a job is given to return.
const RETURNING: Duration = Duration::from_millis(100);

/// What a running job needs beside its work.
pub(crate) struct Outlook {
    pub(crate) database: Database,
    pub(crate) lookout: Lookout,
    pub(crate) options: WorkerOptions,
    /// Cancelled when the worker cannot wait any longer.
    pub(crate) hand_back: CancellationToken,
}

/// Does a job to its end, whichever that is.
pub(crate) async fn run<W: Work>(work: Arc<W>, claimed: ClaimedJob, outlook: Outlook) {
    let lease = claimed.lease.clone();
    let span = tracing::info_span!(
        "job",
        otel.name = format!("{} job", lease.kind.as_str()),
        kind = lease.kind.as_str(),
        job_id = %lease.job_id,
        attempt = lease.attempt,
        ended = tracing::field::Empty,
    );
    if let Some(traceparent) = &claimed.traceparent {
        let carrier = std::collections::HashMap::from([("traceparent".to_owned(), traceparent.clone())]);
        // Fails where no tracer is installed: then there is no trace to go on with.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
    let (kind, started) = (lease.kind, Instant::now());
    metrics::started(kind);
    let ended = attempt(work, claimed, outlook).instrument(span.clone()).await;
    span.record("ended", ended.as_str());
    metrics::ended(kind, ended, started.elapsed());
}

async fn attempt<W: Work>(work: Arc<W>, claimed: ClaimedJob, mut outlook: Outlook) -> Ended {
    let ctx = claimed.ctx();
    let is_last = claimed.lease.attempt >= claimed.max_attempts;
    let lease = claimed.lease.clone();
    let progress = Reporter::default();
    let stopped = CancellationToken::new();
    let job = Job {
        ctx: ctx.clone(),
        lease: claimed.lease,
        parent_id: claimed.parent_id,
        options: claimed.options,
        progress: progress.clone(),
        stopped: stopped.clone(),
    };
    // Whatever way this function is left, the work is stopped.
    let _stop = stopped.clone().drop_guard();
    let running = Arc::clone(&work);
    let mut task = Stopping(tokio::spawn(
        async move { running.run(job).await }.in_current_span(),
    ));
    let hand_back = outlook.hand_back.clone();
    let outcome = tokio::select! {
        outcome = &mut task.0 => outcome,
        () = lose(&mut outlook, &ctx, &lease, &progress) => {
            metrics::lease(lease.kind, LeaseEvent::Lost);
            tracing::info!("the job was cancelled, or its lease is lost");
            task.stop().await;
            return Ended::Lost;
        }
        () = hand_back.cancelled() => {
            task.stop().await;
            End::HandBack.write(&outlook, &ctx, &lease).await;
            metrics::lease(lease.kind, LeaseEvent::HandedBack);
            return Ended::HandedBack;
        }
    };
    let failure = match flatten(outcome) {
        Ok(()) => {
            work.ended(lease.job_id).await;
            return Ended::Completed;
        }
        Err(failure) => failure,
    };
    if failure.transient && !is_last {
        tracing::warn!(
            reason = failure.reason,
            message = failure.message,
            "the job will be tried again"
        );
        let pause = backoff::after(lease.attempt, lease.job_id.as_u64_pair().1);
        End::Retry(pause).write(&outlook, &ctx, &lease).await;
        return Ended::Retried;
    }
    tracing::info!(
        reason = failure.reason,
        message = failure.message,
        "the job failed"
    );
    if !End::Fail(failure.to_json()).write(&outlook, &ctx, &lease).await {
        return Ended::Lost;
    }
    work.ended(lease.job_id).await;
    Ended::Failed
}

fn flatten(outcome: Result<Result<(), JobFailure>, JoinError>) -> Result<(), JobFailure> {
    outcome.unwrap_or_else(|panicked| {
        tracing::error!(%panicked, "the work of a job panicked");
        Err(JobFailure::new(ErrorReason::Internal, "internal error"))
    })
}

/// Keeps the lease; returns when it is lost: the job has ended, another worker has it, or the database
/// was away for as long as the lease lasts.
async fn lose(outlook: &mut Outlook, ctx: &Ctx, lease: &Lease, progress: &Reporter) {
    let WorkerOptions {
        lease: lasts,
        heartbeat,
        ..
    } = outlook.options;
    let mut renewed = Instant::now();
    loop {
        // A cancel makes us look at once; but most often it is our own work that has ended the job.
        if outlook.lookout.end(lease.kind, lease.job_id, heartbeat).await {
            sleep(RETURNING).await;
        }
        let now = Instant::now();
        match renew(outlook, ctx, lease, lasts, progress.take()).await {
            Ok(LeaseState::Held) => {
                metrics::lease(lease.kind, LeaseEvent::Renewed);
                renewed = now;
            }
            Ok(LeaseState::Lost) => return,
            Err(error) => {
                metrics::lease(lease.kind, LeaseEvent::NotRenewed);
                tracing::warn!(cause = ?error, "the lease cannot be renewed now");
                if renewed.elapsed() >= lasts {
                    return;
                }
            }
        }
    }
}

/// On a task of its own: when the work returns meanwhile, a connection is not lost in the middle of a transaction.
async fn renew(
    outlook: &Outlook,
    ctx: &Ctx,
    lease: &Lease,
    lasts: Duration,
    progress: Option<Value>,
) -> Result<LeaseState, Error> {
    let (database, ctx, lease) = (outlook.database.clone(), ctx.clone(), lease.clone());
    let renewing = async move { database.lease_renew(&ctx, &lease, lasts, progress).await };
    tokio::spawn(renewing.in_current_span())
        .await
        .map_err(Error::internal)?
}

/// How a lease ends other than by the work itself.
enum End {
    HandBack,
    Retry(Duration),
    Fail(Value),
}

impl End {
    /// Ends the lease; tried as long as it lasts, for otherwise the job would wait for it to run out. False
    /// if it was not ours to end any more, or not to be written.
    async fn write(self, outlook: &Outlook, ctx: &Ctx, lease: &Lease) -> bool {
        let began = Instant::now();
        while let Err(error) = self.try_write(&outlook.database, ctx, lease).await {
            // A job that had ended, or was another worker's already, is not ours to end.
            tracing::warn!(cause = ?error, "the job's end is not written");
            if !passes(&error) || began.elapsed() >= outlook.options.lease {
                return false;
            }
            sleep(outlook.options.heartbeat).await;
        }
        true
    }

    async fn try_write(&self, database: &Database, ctx: &Ctx, lease: &Lease) -> Result<(), Error> {
        match self {
            Self::HandBack => database.lease_hand_back(ctx, lease).await.map(|_| ()),
            Self::Retry(pause) => database.lease_retry(ctx, lease, *pause).await.map(|_| ()),
            Self::Fail(error) => database.job_fail(ctx, lease, error.clone(), None).await,
        }
    }
}

/// Work on a task of its own, which does not outlive the one who waits for it.
struct Stopping(JoinHandle<Result<(), JobFailure>>);

impl Stopping {
    /// Stops the work and waits until it has.
    async fn stop(&mut self) {
        self.0.abort();
        // How it ended is of no interest any more.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.abort();
    }
}
