//! The ends of a query that has read: its release, and what owners are told where there is none.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_types::Ctx;
use diesel::sql_types::{Bool, Integer, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Lease, door};
use crate::failure::Failure;
use crate::pipeline::answer;
use crate::{Conn, Database};

/// A table that a query reads, as it was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedTable {
    pub table_id: Uuid,
    /// The version of its policy; none for the analyst's own.
    pub policy_version: Option<i64>,
    /// How many releases of the query read it.
    pub uses: i64,
}

/// What a query wants to release.
#[derive(Clone, Debug)]
pub struct Release {
    /// Every table the query reads.
    pub tables: Vec<CheckedTable>,
    pub path: String,
    pub rows: i64,
    pub bytes: i64,
    /// The columns of the result, in order.
    pub schema: Value,
    pub cache_key: Option<String>,
    /// The run whose answer this is; none where it was computed.
    pub cached_from: Option<Uuid>,
    /// What an approval must be for.
    pub question: String,
    pub expires_at: NaiveDateTime,
    /// Columns of `query_job` by name: total_rows, total_bytes_processed, total_slot_ms, query_plan,
    /// timeline, destination_table; started and ended where they are to be coarser than the clock.
    pub statistics: Value,
    /// For the owners of the tables.
    pub normalized_query: String,
    /// What left, release by release; empty for an answer of an earlier run, whose record counts.
    pub releases: Vec<ReleasedGroups>,
}

/// What one release of a query gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleasedGroups {
    /// The tables whose rows it reads.
    pub tables: Vec<Uuid>,
    pub released: i64,
    /// Told only to an owner whose tables are all that it reads.
    pub suppressed: i64,
}

/// What owners may know of a run that ended without a release.
#[derive(Clone, Debug)]
pub struct Unreleased {
    pub tables: Vec<CheckedTable>,
    pub normalized_query: String,
    /// Whether it had begun to read.
    pub read: bool,
}

door! {
    ReleaseResult {
        job_id: Uuid => SqlUuid, worker: String => Text, attempt: i32 => Integer, tables: Value => Jsonb,
        result: Value => Jsonb, statistics: Value => Jsonb, audit: Value => Jsonb,
    }
    "SELECT true FROM release(" .. ")" -> Bool
}

door! {
    RecordEnd {
        job_id: Uuid => SqlUuid, worker: String => Text, attempt: i32 => Integer, tables: Value => Jsonb,
        normalized_query: String => Text, outcome: &'static str => Text,
    }
    "SELECT true FROM record_end(" .. ")" -> Bool
}

door! {
    NoteReads {
        job_id: Uuid => SqlUuid, worker: String => Text, attempt: i32 => Integer, tables: Value => Jsonb,
        normalized_query: String => Text,
    }
    "SELECT true FROM note_reads(" .. ")" -> Bool
}

impl Database {
    /// Notes what a run is about to read, for the owners of it should the run be cancelled.
    ///
    /// FAILED_PRECONDITION where the job has ended or is held by another.
    pub async fn query_note_reads(
        &self,
        ctx: &Ctx,
        lease: &Lease,
        tables: &[CheckedTable],
        normalized_query: &str,
    ) -> Result<()> {
        let door = NoteReads {
            job_id: lease.job_id,
            worker: lease.holder.clone(),
            attempt: lease.attempt,
            tables: json!(tables),
            normalized_query: normalized_query.to_owned(),
        };
        answer(self.fetch_one::<_, bool>(ctx, door).await).map(|_| ())
    }

    /// Stores where the result is, writes the audit of its tables' owners and ends the job.
    ///
    /// FAILED_PRECONDITION where the job has ended (a cancel won) or is held by another, and with the
    /// reason WORLD_CHANGED where participants, policies, approvals or tables are not as they were
    /// checked. ABORTED where the answer of an earlier run is not there any more.
    pub async fn query_release(&self, ctx: &Ctx, lease: &Lease, release: Release) -> Result<()> {
        let door = ReleaseResult {
            job_id: lease.job_id,
            worker: lease.holder.clone(),
            attempt: lease.attempt,
            tables: json!(release.tables),
            result: json!({
                "path": release.path, "rows": release.rows, "bytes": release.bytes, "schema": release.schema,
                "cache_key": release.cache_key, "expires_at": release.expires_at, "question": release.question,
                "cached_from": release.cached_from,
            }),
            statistics: release.statistics,
            audit: json!({ "normalized_query": release.normalized_query, "releases": release.releases }),
        };
        answer(self.fetch_one::<_, bool>(ctx, door).await).map(|_| ())
    }
}

/// Notes for owners that a run was refused or failed; in the transaction that ends it.
pub(super) async fn record_end(
    lease: &Lease,
    unreleased: &Unreleased,
    conn: &mut Conn<'_>,
) -> Result<(), Failure> {
    let door = RecordEnd {
        job_id: lease.job_id,
        worker: lease.holder.clone(),
        attempt: lease.attempt,
        tables: json!(unreleased.tables),
        normalized_query: unreleased.normalized_query.clone(),
        outcome: if unreleased.read { "failed" } else { "refused" },
    };
    door.get_result::<bool>(conn).await?;
    Ok(())
}
