//! Waiting for a run, and watching it.

use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_jobs::Lookout;
use datacovey_persistence::{JobKind, QueryJobView};
use datacovey_types::{Ctx, QueryJobStatus};
use futures::{Stream, stream};
use uuid::Uuid;

use crate::app::Handles;

/// How often to look behind the notices of the database.
const POLL: Duration = Duration::from_secs(5);
/// An answer leaves this long before the caller stops waiting for it.
const MARGIN: Duration = Duration::from_millis(200);

impl Handles {
    /// The run when it has ended, or as it stands when the time is over.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub(crate) async fn wait_query_job(
        &self,
        ctx: &Ctx,
        id: Uuid,
        timeout: Duration,
    ) -> Result<QueryJobView> {
        let mut lookout = Lookout::new(Some(&self.listener));
        let until = Instant::now() + timeout;
        let until = ctx
            .deadline
            .and_then(|it| it.checked_sub(MARGIN))
            .map_or(until, |it| it.min(until));
        loop {
            let view = self.database.query_job_get(ctx, id).await?;
            let left = until.saturating_duration_since(Instant::now());
            if has_ended(&view) || left.is_zero() {
                return Ok(view);
            }
            lookout.change(JobKind::Query, id, left.min(POLL)).await;
        }
    }

    /// The run as it stands, and again after each change, until it has ended.
    ///
    /// # Errors
    /// NOT_FOUND, before anything is sent.
    pub(crate) async fn watch_query_job(
        &self,
        ctx: Ctx,
        id: Uuid,
    ) -> Result<impl Stream<Item = Result<QueryJobView>> + Send + use<>> {
        let lookout = Lookout::new(Some(&self.listener));
        let first = self.database.query_job_get(&ctx, id).await?;
        let state = Watch {
            handles: self.clone(),
            ctx,
            lookout,
            sent: None,
            next: Some(first),
        };
        Ok(stream::try_unfold(state, |mut watch| async move {
            let Some(view) = watch.next().await? else {
                return Ok(None);
            };
            Ok(Some((view, watch)))
        }))
    }
}

struct Watch {
    handles: Handles,
    ctx: Ctx,
    lookout: Lookout,
    /// What was sent last.
    sent: Option<QueryJobView>,
    /// What is known already and not sent.
    next: Option<QueryJobView>,
}

impl Watch {
    async fn next(&mut self) -> Result<Option<QueryJobView>> {
        if let Some(first) = self.next.take() {
            self.sent = Some(first.clone());
            return Ok(Some(first));
        }
        let Some(sent) = self.sent.clone().filter(|sent| !has_ended(sent)) else {
            return Ok(None);
        };
        let id = sent.job.id;
        loop {
            self.lookout.change(JobKind::Query, id, POLL).await;
            let view = self.handles.database.query_job_get(&self.ctx, id).await?;
            if state(&view) != state(&sent) {
                self.sent = Some(view.clone());
                return Ok(Some(view));
            }
        }
    }
}

fn state(view: &QueryJobView) -> (&str, Option<NaiveDateTime>) {
    (&view.job.status, view.job.updated_at)
}

fn has_ended(view: &QueryJobView) -> bool {
    view.job.status.parse().is_ok_and(QueryJobStatus::is_final)
}
