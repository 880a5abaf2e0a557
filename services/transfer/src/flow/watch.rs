//! Waiting for jobs and watching them.

use std::time::Duration;

use datacovey_error::{Error, Result};
use datacovey_jobs::Lookout;
use datacovey_persistence::{ExportJob, ImportJob, JobKind};
use datacovey_types::{Ctx, TransferJobStatus};
use futures::{Stream, stream};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Transfer;

/// A job that can be read again and again until it has ended.
pub(crate) trait Watched: Clone + Send + Sync + 'static {
    const KIND: JobKind;
    fn read(transfer: &Transfer, ctx: &Ctx, id: Uuid) -> impl Future<Output = Result<Self>> + Send;
    fn status(&self) -> &str;
    /// Whether a reader would see the same; the renewal of a lease, for one, shows nothing.
    fn looks_like(&self, other: &Self) -> bool;

    fn has_ended(&self) -> bool {
        self.status().parse().is_ok_and(TransferJobStatus::is_final)
    }
}

impl Watched for ImportJob {
    const KIND: JobKind = JobKind::Import;

    async fn read(transfer: &Transfer, ctx: &Ctx, id: Uuid) -> Result<Self> {
        transfer.database.import_job_get(ctx, id).await
    }

    fn status(&self) -> &str {
        &self.job.status
    }

    fn looks_like(&self, other: &Self) -> bool {
        let shown = |job: &Self| {
            job.run
                .as_ref()
                .map(|run| (run.progress.clone(), run.error.clone(), run.ready_at))
        };
        self.job == other.job && self.version == other.version && shown(self) == shown(other)
    }
}

impl Watched for ExportJob {
    const KIND: JobKind = JobKind::Export;

    async fn read(transfer: &Transfer, ctx: &Ctx, id: Uuid) -> Result<Self> {
        transfer.database.export_job_get(ctx, id).await
    }

    fn status(&self) -> &str {
        &self.job.status
    }

    fn looks_like(&self, other: &Self) -> bool {
        let shown = |job: &Self| {
            job.run
                .as_ref()
                .map(|run| (run.progress.clone(), run.error.clone()))
        };
        self.job == other.job && shown(self) == shown(other)
    }
}

/// The job when it has ended, or as it stands when the time, or the call's own, is over.
pub(crate) async fn wait<J: Watched>(
    transfer: &Transfer,
    ctx: &Ctx,
    id: Uuid,
    at_most: Duration,
) -> Result<J> {
    // Heard from before the first look, so that nothing falls between.
    let mut lookout = Lookout::new(Some(&transfer.listener));
    let mut until = Instant::now() + at_most;
    if let Some(deadline) = ctx.deadline {
        // A little earlier, so that the answer still arrives.
        let left = Instant::from_std(deadline).checked_sub(Duration::from_millis(100));
        until = until.min(left.unwrap_or_else(Instant::now));
    }
    loop {
        let job = J::read(transfer, ctx, id).await?;
        let left = until.saturating_duration_since(Instant::now());
        if job.has_ended() || left.is_zero() {
            return Ok(job);
        }
        lookout
            .change(J::KIND, id, left.min(transfer.limits.watch_every))
            .await;
    }
}

/// The job as it stands, again after each change, and last when it has ended.
///
/// # Errors
///
/// NOT_FOUND before the stream begins.
pub(crate) async fn watch<J: Watched>(
    transfer: Transfer,
    ctx: Ctx,
    id: Uuid,
) -> Result<impl Stream<Item = Result<J>> + Send + 'static> {
    let lookout = Lookout::new(Some(&transfer.listener));
    let first = J::read(&transfer, &ctx, id).await?;
    // A stream may last longer than the patience of a single statement.
    let ctx = Ctx {
        deadline: None,
        ..ctx
    };
    let state = Watching {
        transfer,
        ctx,
        id,
        lookout,
        sent: None,
        next: Some(first),
    };
    Ok(stream::try_unfold(state, Watching::next))
}

struct Watching<J> {
    transfer: Transfer,
    ctx: Ctx,
    id: Uuid,
    lookout: Lookout,
    sent: Option<J>,
    next: Option<J>,
}

impl<J: Watched> Watching<J> {
    async fn next(mut self) -> Result<Option<(J, Self)>, Error> {
        if self.sent.as_ref().is_some_and(J::has_ended) {
            return Ok(None);
        }
        let job = match self.next.take() {
            Some(job) => job,
            None => self.change().await?,
        };
        self.sent = Some(job.clone());
        Ok(Some((job, self)))
    }

    /// Waits until the job is other than what was sent last.
    async fn change(&mut self) -> Result<J, Error> {
        loop {
            self.lookout
                .change(J::KIND, self.id, self.transfer.limits.watch_every)
                .await;
            let job = J::read(&self.transfer, &self.ctx, self.id).await?;
            if self.sent.as_ref().is_none_or(|sent| !sent.looks_like(&job)) {
                return Ok(job);
            }
        }
    }
}
