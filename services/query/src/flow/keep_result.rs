//! Where the result of a run is kept: written anew, or taken over from an earlier answer.

use std::time::Instant;

use arrow::array::RecordBatch;
use bytes::Bytes;
use datacovey_jobs::Job;
use datacovey_persistence::{QueryResultRow, Release, utc_now};
use datacovey_storage::{ObjectPath, StoreError, layout};
use serde_json::json;

use super::compute::{Computed, compute_apart};
use super::planned::PlannedQuery;
use super::run_query::{Ended, QueryWork};
use crate::domain::failure::JobFailure;
use crate::domain::figures::{self, TableSize, whole};
use crate::domain::output::{columns, result_schema, shape};
use crate::domain::result_file;

impl QueryWork {
    /// Writes the result under a path of the attempt; nothing points to it before the release.
    pub(super) async fn store(
        &self,
        job: &Job,
        query: &PlannedQuery,
        sizes: &[TableSize],
        computed: Computed,
        started: Instant,
    ) -> Result<Release, Ended> {
        let schema = result_schema(&query.compiled.output_schema);
        let result_columns = json!(columns(&schema));
        let rows: usize = computed.batches.iter().map(RecordBatch::num_rows).sum();
        let batches = computed.batches;
        let bytes = compute_apart(move || result_file::encode(&schema, &shape(&schema, &batches)?)).await?;
        let size = bytes.len();
        let path = self.write(job, bytes.into()).await?;
        let others = figures::touches_others(sizes);
        let lifetime = chrono::Duration::from_std(self.runs.result_lifetime).unwrap_or(chrono::Duration::MAX);
        Ok(Release {
            tables: query.checked_tables(),
            path: path.to_string(),
            rows: whole(rows as u64),
            bytes: whole(size as u64),
            schema: result_columns,
            cache_key: query.cache_key(&job.ctx),
            cached_from: None,
            question: query.question(),
            expires_at: utc_now() + lifetime,
            statistics: json!({
                "total_rows": rows,
                "total_bytes_processed": whole(figures::bytes_processed(sizes)),
                "total_slot_ms": (!others).then_some(computed.slot_time.as_millis() as u64),
                "query_plan": figures::stages(sizes, !query.compiled.releases.is_empty()),
                "timeline": figures::timeline(started.elapsed(), computed.slot_time, others),
                "destination_table": destination(job),
            }),
            normalized_query: query.compiled.normalized.clone(),
            releases: computed.releases,
        })
    }

    /// Gives an earlier answer again: a copy of its own, which lasts as long as that. None where it has just gone.
    pub(super) async fn give_again(
        &self,
        job: &Job,
        query: &PlannedQuery,
        sizes: &[TableSize],
        earlier: QueryResultRow,
        started: Instant,
    ) -> Result<Option<Release>, Ended> {
        let bytes = match self.read_all(&ObjectPath::from(earlier.path)).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(away(&error)),
        };
        let path = self.write(job, bytes).await?;
        let others = figures::touches_others(sizes);
        Ok(Some(Release {
            tables: query.checked_tables(),
            path: path.to_string(),
            rows: earlier.rows,
            bytes: earlier.bytes,
            schema: earlier.schema,
            cache_key: earlier.cache_key,
            cached_from: Some(earlier.job_id),
            question: query.question(),
            expires_at: earlier.expires_at,
            statistics: json!({
                "total_rows": earlier.rows,
                "total_bytes_processed": 0,
                "total_slot_ms": (!others).then_some(0),
                "query_plan": figures::stages(sizes, !query.compiled.releases.is_empty()),
                "timeline": figures::timeline(started.elapsed(), std::time::Duration::ZERO, others),
                "destination_table": destination(job),
            }),
            normalized_query: query.compiled.normalized.clone(),
            releases: Vec::new(),
        }))
    }

    async fn read_all(&self, path: &ObjectPath) -> Result<Bytes, StoreError> {
        let size = self.store.size_bytes(path).await?;
        self.store.get_range(path, 0..size).await
    }

    async fn write(&self, job: &Job, bytes: Bytes) -> Result<ObjectPath, Ended> {
        let path = layout::result_file(
            job.ctx.tenant_id(),
            job.lease.job_id,
            job.lease.attempt,
            result_file::EXTENSION,
        );
        self.store.put(&path, bytes).await.map_err(|error| away(&error))?;
        Ok(path)
    }
}

fn away(error: &StoreError) -> Ended {
    tracing::warn!(cause = ?error, "a result could not be read or written");
    Ended::Away(JobFailure::Failed)
}

fn destination(job: &Job) -> serde_json::Value {
    json!({ "datasetId": "result", "tableId": job.lease.job_id })
}
