use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datacovey_persistence::{JobKind, Lease};
use datacovey_types::Ctx;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::JobFailure;

/// A leased job, as its work sees it.
#[derive(Debug)]
pub struct Job {
    /// Acts as the job's creator, in the role that it has now.
    pub ctx: Ctx,
    /// Names job, worker and attempt: what the transaction that ends the job checks.
    pub lease: Lease,
    /// The row that the job belongs to: its table or its query.
    pub parent_id: Uuid,
    /// What the job was asked to do.
    pub options: Value,
    /// Tells how far the work is.
    pub progress: Reporter,
    /// Cancelled when the work has lost its job and nothing of it will count any more. The work is
    /// dropped at its next await by itself; this is for threads that it started.
    pub stopped: CancellationToken,
}

/// Takes the newest progress of a job; it reaches the database with the next renewal of the lease.
#[derive(Clone, Default)]
pub struct Reporter(Arc<Mutex<Option<Value>>>);

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

impl Reporter {
    /// Replaces what was reported before.
    pub fn report(&self, progress: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    pub(crate) fn take(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a worker does with jobs of one kind.
pub trait Work: Send + Sync + 'static {
    /// The kind of jobs.
    const KIND: JobKind;

    /// Does the job up to and with the transaction that ends it. Every await is a place where the
    /// work may be dropped.
    ///
    /// # Errors
    ///
    /// Why the job failed; a transient failure is tried again while attempts are left.
    fn run(&self, job: Job) -> impl Future<Output = Result<(), JobFailure>> + Send;

    /// Lets go of what was kept for a job that this worker has brought to its end, completed or failed: no
    /// attempt will need it again. Not called where the worker lost the job or died first, so whatever must
    /// go in any case needs a sweep, too.
    fn ended(&self, job_id: Uuid) -> impl Future<Output = ()> + Send {
        let _ = job_id;
        std::future::ready(())
    }
}
