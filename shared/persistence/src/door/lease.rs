//! What a worker does with a job it holds. No doors: the worker's own grants, under its tenant.

use datacovey_error::{Error, ErrorReason, Result};
use datacovey_types::Ctx;
use diesel::sql_types::{BigInt, Bool, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

use super::JobKind;
use super::release::{Unreleased, record_end};
use crate::failure::Failure;
use crate::{Conn, Database};

/// A job that a worker holds: what guards everything the worker does to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub kind: JobKind,
    pub job_id: Uuid,
    /// As the worker named itself when it claimed the job.
    pub holder: String,
    /// From 1; objects of an attempt are written under a path of its own.
    pub attempt: i32,
}

/// What renewing a lease tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    Held,
    /// The job has ended (a cancel, for one) or another worker has it: stop.
    Lost,
}

#[derive(QueryableByName)]
struct Cancelled {
    #[diesel(sql_type = Bool)]
    cancel_requested: bool,
}

impl Database {
    /// Renews a lease for `lease_for` from now on and notes the progress, if there is one.
    pub async fn lease_renew(
        &self,
        ctx: &Ctx,
        lease: &Lease,
        lease_for: Duration,
        progress: Option<Value>,
    ) -> Result<LeaseState> {
        let sql = format!(
            "UPDATE {}_run SET lease_expires_at = utc_now() + $4 * interval '1 millisecond', \
             progress = coalesce($5, progress) \
             WHERE job_id = $1 AND holder = $2 AND attempt = $3 AND ended_at IS NULL RETURNING cancel_requested",
            lease.kind
        );
        let lease_ms = i64::try_from(lease_for.as_millis()).unwrap_or(i64::MAX);
        self.transaction(ctx, async |conn| {
            let rows: Vec<Cancelled> = sql_query(sql.as_str())
                .bind::<SqlUuid, _>(lease.job_id)
                .bind::<Text, _>(lease.holder.as_str())
                .bind::<Integer, _>(lease.attempt)
                .bind::<BigInt, _>(lease_ms)
                .bind::<Nullable<Jsonb>, _>(progress.clone())
                .load(conn)
                .await?;
            Ok(match rows.as_slice() {
                [row] if !row.cancel_requested => LeaseState::Held,
                _ => LeaseState::Lost,
            })
        })
        .await
    }

    /// Gives a job back: another worker may take it at once, and the attempt does not count.
    pub async fn lease_hand_back(&self, ctx: &Ctx, lease: &Lease) -> Result<LeaseState> {
        let sql = format!(
            "UPDATE {}_run SET holder = NULL, lease_expires_at = NULL, max_attempts = least(max_attempts + 1, 100) \
             WHERE job_id = $1 AND holder = $2 AND attempt = $3 AND ended_at IS NULL",
            lease.kind
        );
        self.transaction(ctx, async |conn| {
            let rows = sql_query(sql.as_str())
                .bind::<SqlUuid, _>(lease.job_id)
                .bind::<Text, _>(lease.holder.as_str())
                .bind::<Integer, _>(lease.attempt)
                .execute(conn)
                .await?;
            Ok(if rows == 1 {
                LeaseState::Held
            } else {
                LeaseState::Lost
            })
        })
        .await
    }

    /// Gives a job back after an attempt that counts: it may be taken again after `pause`.
    pub async fn lease_retry(&self, ctx: &Ctx, lease: &Lease, pause: Duration) -> Result<LeaseState> {
        let sql = format!(
            "UPDATE {}_run SET holder = NULL, lease_expires_at = utc_now() + $4 * interval '1 millisecond' \
             WHERE job_id = $1 AND holder = $2 AND attempt = $3 AND ended_at IS NULL",
            lease.kind
        );
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        self.transaction(ctx, async |conn| {
            let rows = sql_query(sql.as_str())
                .bind::<SqlUuid, _>(lease.job_id)
                .bind::<Text, _>(lease.holder.as_str())
                .bind::<Integer, _>(lease.attempt)
                .bind::<BigInt, _>(pause_ms)
                .execute(conn)
                .await?;
            Ok(if rows == 1 {
                LeaseState::Held
            } else {
                LeaseState::Lost
            })
        })
        .await
    }

    /// Ends a job as failed. `error` is what the creator may know: `{"reason", "message", …}`; it is
    /// kept with the run, and in `query_job.error_result`. `details` are `query_job.error_details`.
    ///
    /// FAILED_PRECONDITION where the job has ended or is held by another.
    pub async fn job_fail(
        &self,
        ctx: &Ctx,
        lease: &Lease,
        error: Value,
        details: Option<Value>,
    ) -> Result<()> {
        self.transaction(ctx, async |conn| {
            fail(lease, &error, details.as_ref(), conn).await
        })
        .await
    }

    /// The same for a query that may have read: its tables' owners are told what they may know of that.
    pub async fn query_fail(
        &self,
        ctx: &Ctx,
        lease: &Lease,
        error: Value,
        details: Value,
        unreleased: Option<Unreleased>,
    ) -> Result<()> {
        self.transaction(ctx, async |conn| {
            if let Some(unreleased) = &unreleased {
                record_end(lease, unreleased, conn).await?;
            }
            fail(lease, &error, Some(&details), conn).await
        })
        .await
    }

    /// Notes what an export is about to make appear where others see it, so that it can be taken away again
    /// whatever comes of the worker.
    ///
    /// FAILED_PRECONDITION where the job has ended (a cancel won) or is held by another.
    pub async fn export_announce(&self, ctx: &Ctx, lease: &Lease, progress: Value) -> Result<()> {
        self.transaction(ctx, async |conn| note(lease, &progress, conn).await)
            .await
    }

    /// Ends an export as completed, with the last state of its progress.
    ///
    /// FAILED_PRECONDITION where the job has ended (a cancel won) or is held by another.
    pub async fn export_complete(&self, ctx: &Ctx, lease: &Lease, progress: Value) -> Result<()> {
        self.transaction(ctx, async |conn| {
            note(lease, &progress, conn).await?;
            sql_query("UPDATE export_job SET status = 'completed' WHERE id = $1")
                .bind::<SqlUuid, _>(lease.job_id)
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }
}

/// Keeps the progress of an export that is held.
async fn note(lease: &Lease, progress: &Value, conn: &mut Conn<'_>) -> Result<(), Failure> {
    lock_held(lease, conn).await?;
    sql_query("UPDATE export_run SET progress = $2 WHERE job_id = $1")
        .bind::<SqlUuid, _>(lease.job_id)
        .bind::<Jsonb, _>(progress.clone())
        .execute(conn)
        .await?;
    Ok(())
}

async fn fail(
    lease: &Lease,
    error: &Value,
    details: Option<&Value>,
    conn: &mut Conn<'_>,
) -> Result<(), Failure> {
    let kind = lease.kind;
    lock_held(lease, conn).await?;
    sql_query(format!("UPDATE {kind}_run SET error = $2 WHERE job_id = $1"))
        .bind::<SqlUuid, _>(lease.job_id)
        .bind::<Jsonb, _>(error.clone())
        .execute(conn)
        .await?;
    match kind {
        JobKind::Query => {
            sql_query(
                "UPDATE query_job SET status = 'ERROR', error_result = $2, error_details = $3 WHERE id = $1",
            )
            .bind::<SqlUuid, _>(lease.job_id)
            .bind::<Jsonb, _>(error.clone())
            .bind::<Nullable<Jsonb>, _>(details.cloned())
            .execute(conn)
            .await?
        }
        JobKind::Import | JobKind::Export => {
            sql_query(format!("UPDATE {kind}_job SET status = 'failed' WHERE id = $1"))
                .bind::<SqlUuid, _>(lease.job_id)
                .execute(conn)
                .await?
        }
    };
    Ok(())
}

/// Locks the job's row, which is what every end of a job waits for, and then looks whether the lease
/// is still held: a statement of its own, so that it sees what the lock waited for.
async fn lock_held(lease: &Lease, conn: &mut Conn<'_>) -> Result<(), Failure> {
    let kind = lease.kind;
    sql_query(format!("SELECT FROM {kind}_job WHERE id = $1 FOR UPDATE"))
        .bind::<SqlUuid, _>(lease.job_id)
        .execute(conn)
        .await?;
    let held = sql_query(format!(
        "SELECT FROM {kind}_run WHERE job_id = $1 AND holder = $2 AND attempt = $3 AND ended_at IS NULL"
    ))
    .bind::<SqlUuid, _>(lease.job_id)
    .bind::<Text, _>(lease.holder.as_str())
    .bind::<Integer, _>(lease.attempt)
    .execute(conn)
    .await?;
    if held == 1 {
        return Ok(());
    }
    let message = "the job has ended or is held by another worker";
    Err(Error::precondition(ErrorReason::WrongState, message).into())
}
