use std::time::Duration;

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_types::{Ctx, Principal};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamp, Uuid as SqlUuid};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::principal::principal;
use super::{JobKind, Lease, door};
use crate::Database;
use crate::failure::Failure;
use crate::pipeline::answer;

/// How a worker asks for work.
#[derive(Clone, Debug)]
pub struct Claim {
    pub kind: JobKind,
    /// Names the worker, unique among all that run.
    pub worker: String,
    /// How long the lease holds without being renewed.
    pub lease: Duration,
    /// A tenant that has so many jobs running gets no further one.
    pub max_running_per_tenant: u32,
}

/// A job that the caller holds now.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedJob {
    pub lease: Lease,
    /// `query_job.query_id`, or the table of an import or export.
    pub parent_id: Uuid,
    /// Whom the job acts for, as of now: its creator.
    pub creator: Principal,
    pub max_attempts: i32,
    pub options: Value,
    pub progress: Option<Value>,
    pub traceparent: Option<String>,
    pub lease_expires_at: NaiveDateTime,
    /// Whether another worker held the job and its lease ran out.
    pub taken_over: bool,
}

impl ClaimedJob {
    /// The context that the work on the job runs in.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        Ctx::for_job(self.creator.clone(), self.lease.job_id)
    }
}

/// A file that an import has written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewFile {
    pub path: String,
    pub format: String,
    pub rows: i64,
    pub bytes: i64,
    pub checksum: String,
    pub statistics: Value,
}

/// What an import wants to make visible.
#[derive(Clone, Debug)]
pub struct ImportCommit {
    /// The schema that the import read and checked by; the table's must still be the same.
    pub used_schema: Value,
    /// The version against which uniqueness was proven, 0 for none yet; none where nothing was.
    pub base_version: Option<i64>,
    /// `append`, `replace` or `empty_only`.
    pub mode: String,
    /// Columns proven unique over all files of the new version.
    pub unique_columns: Vec<String>,
    pub files: Vec<NewFile>,
    /// The last state of the progress; none leaves it.
    pub progress: Option<Value>,
}

/// What the worker has deleted since it was last told.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub kind: JobKind,
    pub swept_jobs: Vec<Uuid>,
    pub swept_paths: Vec<String>,
    /// How long after a job's end a straggling attempt may still write.
    pub grace: Duration,
    /// How long what a completed job made is kept.
    pub completed_grace: Duration,
    /// An upload that is not finished by then fails its job.
    pub upload_lifetime: Duration,
}

/// What to delete from the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    /// A path, or all below it where it ends with a slash.
    Object(String),
    /// What a job that has ended left behind: all it staged, and what its attempts wrote but, where
    /// it was completed, the last one.
    Job {
        tenant_id: Uuid,
        job_id: Uuid,
        last_attempt: i32,
        completed: bool,
    },
}

door! {
    ClaimJob {
        kind: String => Text, worker: String => Text, lease_ms: i64 => BigInt, max_running_per_tenant: i64 => BigInt,
    }
    "SELECT job_id, tenant_id, parent_id, created_by, creator_role, attempt, max_attempts, options, progress, \
     traceparent, lease_expires_at, taken_over FROM claim_job(" .. ")"
    -> (
        SqlUuid, SqlUuid, SqlUuid, SqlUuid, Text, Integer, Integer, Jsonb, Nullable<Jsonb>, Nullable<Text>, Timestamp,
        Bool,
    )
}

door! {
    CommitImport {
        job_id: Uuid => SqlUuid, worker: String => Text, attempt: i32 => Integer, used_schema: Value => Jsonb,
        base_version: Option<i64> => Nullable<BigInt>, mode: String => Text, unique_columns: Vec<String> => Array<Text>,
        files: Value => Jsonb, progress: Option<Value> => Nullable<Jsonb>,
    }
    "SELECT version FROM commit_import(" .. ") AS version" -> BigInt
}

door! {
    SweepJobs {
        kind: String => Text, swept_jobs: Vec<Uuid> => Array<SqlUuid>, swept_paths: Vec<String> => Array<Text>,
        grace_ms: i64 => BigInt, upload_lifetime_ms: i64 => BigInt, completed_grace_ms: i64 => BigInt,
    }
    "SELECT path, tenant_id, job_id, attempt, completed FROM sweep(" .. ")"
    -> (Nullable<Text>, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Integer>, Nullable<Bool>)
}

type Claimed = (
    Uuid,
    Uuid,
    Uuid,
    Uuid,
    String,
    i32,
    i32,
    Value,
    Option<Value>,
    Option<String>,
    NaiveDateTime,
    bool,
);

impl Database {
    /// Leases the next ready job of a kind, or none. Jobs that can no longer run (archived creator,
    /// tenant, project, dataset, table or query; attempts used up) are failed on the way.
    pub async fn job_claim(&self, claim: &Claim) -> Result<Option<ClaimedJob>> {
        let door = ClaimJob {
            kind: claim.kind.to_string(),
            worker: claim.worker.clone(),
            lease_ms: millis(claim.lease),
            max_running_per_tenant: claim.max_running_per_tenant.into(),
        };
        let rows: Vec<Claimed> = answer(self.fetch_without_tenant(door).await)?;
        let Some((
            job_id,
            tenant_id,
            parent_id,
            created_by,
            role,
            attempt,
            max_attempts,
            options,
            progress,
            traceparent,
            until,
            taken_over,
        )) = rows.into_iter().next()
        else {
            return Ok(None);
        };
        Ok(Some(ClaimedJob {
            lease: Lease {
                kind: claim.kind,
                job_id,
                holder: claim.worker.clone(),
                attempt,
            },
            parent_id,
            creator: principal(tenant_id, created_by, &role)?,
            max_attempts,
            options,
            progress,
            traceparent,
            lease_expires_at: until,
            taken_over,
        }))
    }

    /// Makes an import visible and ends its job; answers the new version of the table.
    ///
    /// FAILED_PRECONDITION where the job has ended (a cancel won) or is held by another, where the
    /// schema has changed, something above is archived, or the table must be empty and is not.
    /// ABORTED where another import came between: prove uniqueness again and retry.
    pub async fn import_commit(&self, ctx: &Ctx, lease: &Lease, commit: ImportCommit) -> Result<i64> {
        let files = serde_json::to_value(&commit.files).map_err(datacovey_error::Error::internal)?;
        let door = CommitImport {
            job_id: lease.job_id,
            worker: lease.holder.clone(),
            attempt: lease.attempt,
            used_schema: commit.used_schema,
            base_version: commit.base_version,
            mode: commit.mode,
            unique_columns: commit.unique_columns,
            files,
            progress: commit.progress,
        };
        answer(self.fetch_one(ctx, door).await)
    }

    /// Cleans up after jobs of a kind and answers what to delete next; see [`Sweep`].
    pub async fn job_sweep(&self, sweep: Sweep) -> Result<Vec<Swept>> {
        let door = SweepJobs {
            kind: sweep.kind.to_string(),
            swept_jobs: sweep.swept_jobs,
            swept_paths: sweep.swept_paths,
            grace_ms: millis(sweep.grace),
            upload_lifetime_ms: millis(sweep.upload_lifetime),
            completed_grace_ms: millis(sweep.completed_grace),
        };
        type Row = (
            Option<String>,
            Option<Uuid>,
            Option<Uuid>,
            Option<i32>,
            Option<bool>,
        );
        let rows: Vec<Row> = answer(self.fetch_without_tenant(door).await)?;
        rows.into_iter()
            .map(|row| match row {
                (Some(path), ..) => Ok(Swept::Object(path)),
                (None, Some(tenant_id), Some(job_id), Some(last_attempt), Some(completed)) => {
                    Ok(Swept::Job {
                        tenant_id,
                        job_id,
                        last_attempt,
                        completed,
                    })
                }
                _ => Err(Failure::Database(diesel::result::Error::DeserializationError(
                    "a sweep of nothing".into(),
                ))),
            })
            .collect::<Result<_, Failure>>()
            .map_err(Failure::into_error)
    }
}

/// A century is for ever, and an interval that PostgreSQL can still count with.
pub(super) fn millis(duration: Duration) -> i64 {
    const CENTURY_MS: i64 = 100 * 366 * 24 * 3600 * 1000;
    i64::try_from(duration.as_millis())
        .unwrap_or(CENTURY_MS)
        .min(CENTURY_MS)
}
