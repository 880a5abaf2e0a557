use datacovey_error::Result;
use datacovey_persistence::{JobKind, Sweep, Swept};
use datacovey_storage::{ObjectPath, layout};
use datacovey_types::{Ctx, Principal, Role, Scopes};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Transfer;

/// Deletes objects that nothing points to: what jobs staged, what dead attempts wrote, what was
/// orphaned.
#[derive(Debug)]
pub(crate) struct Sweeper(Transfer);

impl Sweeper {
    pub(crate) fn new(transfer: &Transfer) -> Self {
        Self(transfer.clone())
    }

    /// Sweeps from time to time until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(self.0.limits.sweep_every))
            .await
            .is_some()
        {
            for kind in [JobKind::Import, JobKind::Export] {
                if let Some(Err(error)) = stop.run_until_cancelled(self.sweep(kind)).await {
                    tracing::warn!(kind = kind.as_str(), %error, "cannot sweep now");
                }
            }
        }
    }

    /// Sweeps until there is nothing left to do.
    async fn sweep(&self, kind: JobKind) -> Result<()> {
        let (mut swept_jobs, mut swept_paths) = (Vec::new(), Vec::new());
        loop {
            let limits = &self.0.limits;
            let sweep = Sweep {
                kind,
                swept_jobs: std::mem::take(&mut swept_jobs),
                swept_paths: std::mem::take(&mut swept_paths),
                grace: limits.sweep_grace,
                upload_lifetime: limits.upload_lifetime,
            };
            let found = self.0.worker_database.job_sweep(sweep).await?;
            if found.is_empty() {
                return Ok(());
            }
            for swept in found {
                match swept {
                    Swept::Object(path) => {
                        self.delete(&path).await?;
                        swept_paths.push(path);
                    }
                    Swept::Job {
                        tenant_id,
                        job_id,
                        last_attempt,
                        completed,
                    } => {
                        let kept = completed.then_some(last_attempt);
                        match kind {
                            JobKind::Import => self.import(tenant_id, job_id, last_attempt, kept).await?,
                            _ => self.export(tenant_id, job_id, kept).await?,
                        }
                        swept_jobs.push(job_id);
                    }
                }
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
        // The sweeper acts within the tenant of the job, as nobody in particular.
        let nobody = Principal {
            tenant_id,
            user_id: Uuid::nil(),
            role: Role::DatasetUser,
            scopes: Scopes::NONE,
        };
        let job = self
            .0
            .worker_database
            .import_job_get(&Ctx::for_job(nobody, job_id), job_id)
            .await?;
        for attempt in (1..=last).filter(|attempt| kept != Some(*attempt)) {
            let folder = layout::table_attempt(tenant_id, job.job.table_id, job_id, attempt);
            store.delete_below(&folder).await?;
        }
        Ok(())
    }

    async fn export(&self, tenant_id: Uuid, job_id: Uuid, kept: Option<i32>) -> Result<()> {
        let kept = kept.map(|attempt| format!("{attempt}."));
        let files: Vec<ObjectPath> = self
            .0
            .store
            .list(&layout::result(tenant_id, job_id))
            .boxed()
            .try_collect()
            .await?;
        for file in files {
            let name = file.filename().unwrap_or_default();
            if kept.as_ref().is_none_or(|kept| !name.starts_with(kept)) {
                self.0.store.delete(&file).await?;
            }
        }
        Ok(())
    }
}
