//! What was uploaded goes when its import ends: it may hold what the table does not, such as the values that
//! pseudonyms stand for.

use std::time::Duration;

use datacovey_error::Result;
use datacovey_persistence::{ImportJob, Replay};
use datacovey_storage::{Store, layout};
use datacovey_types::Ctx;
use tokio::time::timeout;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::Transfer;
use crate::observed::{self, Of};

/// How long a store is given to delete what was uploaded; what it does not delete by then is swept.
const DISCARD_WITHIN: Duration = Duration::from_secs(30);
/// How long who cancels an import waits for that.
const TELL_WITHIN: Duration = Duration::from_secs(1);

/// Deletes what was uploaded for an import that has ended, if the store lets us; else the sweep does.
pub(super) async fn discard_upload(store: &Store, job_id: Uuid) {
    let deleted = timeout(DISCARD_WITHIN, store.delete_below(&layout::staging(job_id))).await;
    let cause = match deleted {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    observed::not_swept(Of::Job);
    tracing::warn!(%job_id, cause, "what was uploaded cannot be deleted now; it will be swept");
}

/// Cancels an import, and deletes what was uploaded for it. A worker that reads it fails, and has lost the job
/// in any case; a chunk that is just being uploaded is deleted by whoever cannot commit it.
pub(crate) async fn cancel_import(
    transfer: &Transfer,
    ctx: &Ctx,
    id: Uuid,
    replay: Option<Replay>,
) -> Result<ImportJob> {
    let job = transfer.database.import_job_cancel(ctx, id, replay).await?;
    let store = transfer.store.clone();
    // A task of its own, since who cancels is often about to leave.
    let discarded = tokio::spawn(async move { discard_upload(&store, id).await }.in_current_span());
    let _ = timeout(TELL_WITHIN, discarded).await;
    Ok(job)
}
