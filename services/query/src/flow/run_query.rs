//! The work of a run: compile anew, compute, release.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datacovey_auth::authorize;
use datacovey_error::{Error, ErrorReason, Kind};
use datacovey_jobs::{Job, Work};
use datacovey_persistence::{Database, JobKind, Release, utc_now};
use datacovey_privacy::{ScanKey, deep, scans};
use datacovey_storage::{Store, layout};
use datacovey_types::Permission;
use datafusion::logical_expr::LogicalPlan;
use futures::FutureExt as _;
use serde_json::json;

use super::plan_query::{PlannedQuery, Planner};
use crate::RunLimits;
use crate::domain::failure::JobFailure;
use crate::domain::figures::{self, TableSize};
use crate::domain::order::with_total_order;
use crate::domain::output::{columns, result_schema, shape};
use crate::domain::{grid, result_file};
use crate::engine::{Engine, EngineJob, EngineLimits, Relation};

/// Rows that a result may have; memory is bounded by bytes, this bounds work per row.
const MAX_ROWS: u64 = 50_000_000;

/// What a worker of this service works with.
#[derive(Debug)]
pub(crate) struct QueryWork {
    /// Of the worker's role.
    pub database: Database,
    pub planner: Planner,
    pub engine: Arc<dyn Engine>,
    pub store: Store,
    pub runs: RunLimits,
    /// Memory of one run.
    pub memory_bytes: u64,
}

/// How an attempt ends without a release.
#[derive(Debug)]
enum Ended {
    For(JobFailure),
    /// Something was away; another attempt may succeed.
    Away(JobFailure),
    /// The job has ended already or is another worker's: a cancel won.
    Lost,
}

/// What a plan of a run gives.
#[derive(Clone, Copy, Debug)]
enum Output {
    /// What a release is made from.
    Groups,
    Result,
}

/// What the statement gave, and what it took.
struct Computed {
    batches: Vec<RecordBatch>,
    slot_time: Duration,
    released_groups: u64,
    suppressed_groups: u64,
}

impl Work for QueryWork {
    const KIND: JobKind = JobKind::Query;

    async fn run(&self, job: Job) -> Result<(), datacovey_jobs::JobFailure> {
        let started = Instant::now();
        let mut planned = None;
        let outcome = AssertUnwindSafe(self.attempt(&job, started, &mut planned))
            .catch_unwind()
            .await;
        let failure = match outcome.unwrap_or(Err(Ended::For(JobFailure::Failed))) {
            Ok(()) | Err(Ended::Lost) => return Ok(()),
            Err(Ended::Away(failure)) => return Err(retry(&failure)),
            Err(Ended::For(failure)) => failure,
        };
        if planned.is_some_and(|sizes: Vec<TableSize>| figures::touches_others(&sizes)) {
            until_next_step(started).await;
        }
        let details = failure.error_details(request_id(&job));
        match self
            .database
            .job_fail(&job.ctx, &job.lease, failure.error_result(), Some(details))
            .await
        {
            Err(error) if error.is_transient() => Err(retry(&failure)),
            // It has ended already or is another worker's.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl QueryWork {
    /// `planned` is filled before anything is read, with what decides how an end is timed.
    async fn attempt(
        &self,
        job: &Job,
        started: Instant,
        planned: &mut Option<Vec<TableSize>>,
    ) -> Result<(), Ended> {
        authorize(&job.ctx, Permission::Query).map_err(|_| Ended::For(JobFailure::CreatorGone))?;
        let query = self.plan(job).await?;
        let sizes = query.sizes();
        *planned = Some(sizes.clone());
        let engine_job_id = format!("datafusion-{}", job.lease.job_id.simple());
        self.database
            .query_job_start(&job.ctx, job.lease.job_id, &engine_job_id)
            .await
            .map_err(before_reading)?;

        let computed = self.compute(job, &engine_job_id, &query, &sizes, started).await?;
        let release = self.store(job, &query, &sizes, computed, started).await?;
        if figures::touches_others(&sizes) {
            until_next_step(started).await;
        }
        self.database
            .query_release(&job.ctx, &job.lease, release)
            .await
            .map_err(at_the_release)
    }

    /// The text as it was when the job was created, compiled by the tables and policies of now.
    async fn plan(&self, job: &Job) -> Result<PlannedQuery, Ended> {
        let query = self
            .database
            .query_get(&job.ctx, job.parent_id)
            .await
            .map_err(before_reading)?;
        let text = job
            .options
            .get("query_text")
            .and_then(|text| text.as_str())
            .unwrap_or(&query.query_text);
        let parameters = job.options.get("parameters").and_then(|it| it.as_object());
        let parameters = parameters.cloned().unwrap_or_default();
        let planned = self
            .planner
            .plan_query(&job.ctx, query.project_id, text, &parameters)
            .await
            .map_err(before_reading)?;
        planned.map_err(|violations| Ended::For(JobFailure::Refused(violations)))
    }

    /// Runs the plan of each release and what is above them.
    async fn compute(
        &self,
        job: &Job,
        engine_job_id: &str,
        query: &PlannedQuery,
        sizes: &[TableSize],
        started: Instant,
    ) -> Result<Computed, Ended> {
        let run = async |plan: LogicalPlan, released: &HashMap<ScanKey, Relation>, output: Output| {
            let limits = self.limits(sizes, output, started.elapsed());
            let read = scans(&plan).into_iter();
            let relations = read
                .filter_map(|key| Some((key, released.get(&key).cloned().or_else(|| query.relation(key))?)));
            let relations = relations.collect();
            let engine_job = EngineJob {
                id: engine_job_id.to_owned(),
                plan,
                relations,
                limits,
            };
            self.engine
                .run(engine_job, &job.stopped)
                .await
                .map_err(|_| Ended::For(JobFailure::Failed))
        };
        let mut computed = Computed {
            batches: Vec::new(),
            slot_time: Duration::ZERO,
            released_groups: 0,
            suppressed_groups: 0,
        };
        let mut released = HashMap::new();
        for release in &query.compiled.releases {
            let groups = run(release.engine_plan().clone(), &HashMap::new(), Output::Groups).await?;
            computed.slot_time += groups.statistics.slot_time;
            let (release, batches) = (release.clone(), groups.batches);
            let (key, schema) = (ScanKey::Released(release.number()), release.schema());
            let rows = compute_apart(move || release.apply(&batches)).await?;
            let left = rows.num_rows() as u64;
            computed.released_groups += left;
            computed.suppressed_groups += groups.statistics.rows.saturating_sub(left);
            released.insert(
                key,
                Relation::Rows {
                    schema,
                    batches: vec![rows],
                },
            );
        }
        let top = deep(|| with_total_order(query.compiled.top.clone()));
        let top = top.and_then(Result::ok).ok_or(Ended::For(JobFailure::Failed))?;
        let output = run(top, &released, Output::Result).await?;
        computed.slot_time += output.statistics.slot_time;
        computed.batches = output.batches;
        Ok(computed)
    }

    /// What is left of the run's time, and what its output may be.
    fn limits(&self, sizes: &[TableSize], output: Output, elapsed: Duration) -> EngineLimits {
        // Groups that will be absent must not decide whether the run succeeds: they may take what the run may.
        let (output_rows, output_bytes) = match output {
            Output::Groups => (u64::MAX, self.memory_bytes),
            Output::Result => (MAX_ROWS, self.runs.result_bytes),
        };
        EngineLimits {
            time: self.runs.time.saturating_sub(elapsed),
            output_rows,
            output_bytes,
            hash_joins: figures::hash_joins_fit(sizes, self.memory_bytes),
        }
    }

    /// Writes the result under a path of the attempt; nothing points to it before the release.
    async fn store(
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
        let path = layout::result_file(
            job.ctx.tenant_id(),
            job.lease.job_id,
            job.lease.attempt,
            result_file::EXTENSION,
        );
        self.store.put(&path, bytes.into()).await.map_err(|error| {
            tracing::warn!(cause = ?error, "a result could not be written");
            Ended::Away(JobFailure::Failed)
        })?;
        let others = figures::touches_others(sizes);
        let lifetime = chrono::Duration::from_std(self.runs.result_lifetime).unwrap_or(chrono::Duration::MAX);
        let releases = !query.compiled.releases.is_empty();
        Ok(Release {
            tables: query
                .compiled
                .tables
                .iter()
                .map(|used| (used.table_id, used.policy_version))
                .collect(),
            path: path.to_string(),
            rows: whole(rows as u64),
            bytes: whole(size as u64),
            schema: result_columns,
            cache_key: None,
            expires_at: utc_now() + lifetime,
            statistics: json!({
                "total_rows": rows,
                "total_bytes_processed": whole(figures::bytes_processed(sizes)),
                "total_slot_ms": (!others).then_some(computed.slot_time.as_millis() as u64),
                "cache_hit": false,
                "query_plan": figures::stages(sizes, releases),
                "timeline": figures::timeline(started.elapsed(), computed.slot_time, others),
                "destination_table": { "datasetId": "result", "tableId": job.lease.job_id },
            }),
            normalized_query: query.compiled.normalized.clone(),
            released_groups: whole(computed.released_groups),
            suppressed_groups: Some(whole(computed.suppressed_groups)),
        })
    }
}

/// Work on rows, on a thread where nobody waits behind it. Whatever goes wrong is the one failure.
async fn compute_apart<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Ended>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.ok()
        .and_then(Result::ok)
        .ok_or(Ended::For(JobFailure::Failed))
}

async fn until_next_step(started: Instant) {
    tokio::time::sleep_until((started + grid::next_step(started.elapsed())).into()).await;
}

/// Before the first read an error tells of the world only.
fn before_reading(error: Error) -> Ended {
    match error.kind() {
        Kind::NotFound | Kind::PermissionDenied | Kind::FailedPrecondition => {
            Ended::For(JobFailure::WorldChanged)
        }
        Kind::Unavailable | Kind::Aborted | Kind::ResourceExhausted | Kind::DeadlineExceeded => {
            tracing::warn!(cause = ?error, "a run could not begin");
            Ended::Away(JobFailure::Failed)
        }
        _ => {
            tracing::error!(cause = ?error, "a run could not begin");
            Ended::For(JobFailure::Failed)
        }
    }
}

fn at_the_release(error: Error) -> Ended {
    match (error.kind(), error.reason()) {
        (_, ErrorReason::WorldChanged) => Ended::For(JobFailure::WorldChanged),
        (Kind::FailedPrecondition, _) => Ended::Lost,
        _ if error.is_transient() => Ended::Away(JobFailure::Failed),
        _ => {
            tracing::error!(cause = ?error, "a result could not be released");
            Ended::For(JobFailure::Failed)
        }
    }
}

/// What is left of the last attempt, too, is the one failure.
fn retry(failure: &JobFailure) -> datacovey_jobs::JobFailure {
    datacovey_jobs::JobFailure::new(failure.reason(), failure.message()).transient()
}

fn request_id(job: &Job) -> &str {
    job.options
        .get("request_id")
        .and_then(|id| id.as_str())
        .unwrap_or(&job.ctx.request_id)
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
