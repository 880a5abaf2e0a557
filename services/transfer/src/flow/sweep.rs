use chrono::Utc;
use datacovey_error::Result;
use datacovey_persistence::{JobKind, Sweep, Swept};
use datacovey_storage::{ObjectPath, layout};
use datacovey_types::{Ctx, Principal, Role, Scopes};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::export;
use crate::Transfer;
use crate::observed::{self, Of};

/// Lets go of versions that nobody needs any more, and deletes objects that nothing points to: what dead
/// attempts and compactions wrote, what was orphaned, and what was staged for jobs whose end nobody saw.
///
/// Several may sweep at once: what to delete is told to each, an object that is gone already is deleted again
/// without harm, and that it is gone is noted afterwards, so that whatever a dying sweep did not do is done by
/// the next.
#[derive(Debug)]
pub(crate) struct Sweeper(Transfer);

impl Sweeper {
    pub(crate) fn new(transfer: &Transfer) -> Self {
        Self(transfer.clone())
    }

    /// Sweeps from time to time until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        // What the last process left is not left for longer than need be.
        let mut every = tokio::time::interval(self.0.limits.sweep_every);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.sweep_versions()).await {
                observed::not_swept(Of::Database);
                tracing::warn!(%error, "cannot sweep versions now");
            }
            for kind in [JobKind::Import, JobKind::Export] {
                if let Some(Err(error)) = stop.run_until_cancelled(self.sweep(kind)).await {
                    observed::not_swept(Of::Database);
                    tracing::warn!(kind = kind.as_str(), %error, "cannot sweep now");
                }
            }
        }
    }

    /// Versions first: their objects go with the sweep that follows.
    async fn sweep_versions(&self) -> Result<()> {
        let lifetime = self.0.limits.version_lifetime;
        loop {
            let swept = self.0.worker_database.versions_sweep(lifetime).await?;
            if swept.versions == 0 {
                return Ok(());
            }
            observed::swept(Of::Version, swept.versions);
            tracing::debug!(?swept, "versions are swept");
        }
    }

    /// Sweeps until there is nothing left that can be done now.
    async fn sweep(&self, kind: JobKind) -> Result<()> {
        let limits = &self.0.limits;
        // The file of a completed export goes with all else of it when it has expired.
        let completed_grace = match kind {
            JobKind::Export => limits.export_lifetime.saturating_add(limits.sweep_grace),
            _ => limits.sweep_grace,
        };
        let (mut swept_jobs, mut swept_paths) = (Vec::new(), Vec::new());
        loop {
            let sweep = Sweep {
                kind,
                swept_jobs: std::mem::take(&mut swept_jobs),
                swept_paths: std::mem::take(&mut swept_paths),
                grace: limits.sweep_grace,
                completed_grace,
                upload_lifetime: limits.upload_lifetime,
            };
            for swept in self.0.worker_database.job_sweep(sweep).await? {
                let deleted = match &swept {
                    Swept::Object(path) => self.delete(path).await,
                    Swept::Job {
                        tenant_id,
                        job_id,
                        last_attempt,
                        completed,
                    } => match kind {
                        JobKind::Import => {
                            let kept = completed.then_some(*last_attempt);
                            self.import(*tenant_id, *job_id, *last_attempt, kept).await
                        }
                        _ => self.export(*tenant_id, *job_id, *completed).await,
                    },
                };
                // What cannot be deleted now is named again next time, and holds up nothing else.
                match (deleted, swept) {
                    (Ok(()), Swept::Object(path)) => {
                        observed::swept(Of::Object, 1);
                        swept_paths.push(path);
                    }
                    (Ok(()), Swept::Job { job_id, .. }) => {
                        observed::swept(Of::Job, 1);
                        swept_jobs.push(job_id);
                    }
                    (Err(error), left) => {
                        observed::not_swept(match left {
                            Swept::Object(_) => Of::Object,
                            Swept::Job { .. } => Of::Job,
                        });
                        tracing::warn!(kind = kind.as_str(), ?left, cause = ?error, "cannot delete this now");
                    }
                }
            }
            if swept_jobs.is_empty() && swept_paths.is_empty() {
                return Ok(());
            }
        }
    }

    /// A path, or all below it where it ends with a slash.
    async fn delete(&self, path: &str) -> Result<()> {
        let object = ObjectPath::from(path);
        if path.ends_with('/') {
            self.0.store.delete_below(&object).await?;
        } else {
            self.0.store.delete(&object).await?;
        }
        Ok(())
    }

    async fn import(&self, tenant_id: Uuid, job_id: Uuid, last: i32, kept: Option<i32>) -> Result<()> {
        let store = &self.0.store;
        store.delete_below(&layout::staging(job_id)).await?;
        let job = self
            .0
            .worker_database
            .import_job_get(&nobody(tenant_id, job_id), job_id)
            .await?;
        for attempt in (1..=last).filter(|attempt| kept != Some(*attempt)) {
            let folder = layout::table_attempt(tenant_id, job.job.table_id, job_id, attempt);
            store.delete_below(&folder).await?;
        }
        Ok(())
    }

    async fn export(&self, tenant_id: Uuid, job_id: Uuid, completed: bool) -> Result<()> {
        let folder = layout::result(tenant_id, job_id);
        self.0.store.delete_below(&folder).await?;
        if completed {
            return Ok(());
        }
        let nobody = nobody(tenant_id, job_id);
        let job = self.0.worker_database.export_job_get(&nobody, job_id).await?;
        let taken_back = export::take_back(&self.0, &nobody, &job).await;
        let ended = job.run.and_then(|run| run.ended_at);
        match (
            taken_back,
            ended.and_then(|it| (Utc::now().naive_utc() - it).to_std().ok()),
        ) {
            // A store of others that does not answer any more shall not hold up what comes after.
            (Err(error), Some(since)) if since > self.0.limits.export_lifetime => {
                tracing::warn!(%job_id, cause = ?error, "the file of a failed export is left at its URI");
                Ok(())
            }
            (taken_back, _) => taken_back,
        }
    }
}

/// The sweeper acts within the tenant of the job, as nobody in particular.
fn nobody(tenant_id: Uuid, job_id: Uuid) -> Ctx {
    let nobody = Principal {
        tenant_id,
        user_id: Uuid::nil(),
        role: Role::DatasetUser,
        scopes: Scopes::NONE,
    };
    Ctx::for_job(nobody, job_id)
}
