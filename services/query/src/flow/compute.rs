//! What a run reads and computes: each release, and what is above them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datacovey_jobs::Job;
use datacovey_persistence::ReleasedGroups;
use datacovey_privacy::{ScanKey, deep, scans};
use datafusion::logical_expr::LogicalPlan;

use super::planned::{PlannedQuery, tables_of};
use super::run_query::{Ended, QueryWork};
use crate::domain::failure::JobFailure;
use crate::domain::figures::{self, TableSize, whole};
use crate::domain::order::with_total_order;
use crate::engine::{EngineJob, EngineLimits, Relation};

/// Rows that a result may have; memory is bounded by bytes, this bounds work per row.
const MAX_ROWS: u64 = 50_000_000;

/// What a plan of a run gives.
#[derive(Clone, Copy, Debug)]
enum Output {
    /// What a release is made from.
    Groups,
    Result,
}

/// What the statement gave, and what it took.
#[derive(Debug, Default)]
pub(super) struct Computed {
    pub batches: Vec<RecordBatch>,
    pub slot_time: Duration,
    pub releases: Vec<ReleasedGroups>,
}

impl QueryWork {
    /// Runs the plan of each release and what is above them.
    pub(super) async fn compute(
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
        let mut computed = Computed::default();
        let mut released = HashMap::new();
        for release in &query.compiled.releases {
            let groups = run(release.engine_plan().clone(), &HashMap::new(), Output::Groups).await?;
            computed.slot_time += groups.statistics.slot_time;
            let read = tables_of(release);
            let (release, batches) = (release.clone(), groups.batches);
            let (key, schema) = (ScanKey::Released(release.number()), release.schema());
            let rows = compute_apart(move || release.apply(&batches)).await?;
            let left = rows.num_rows() as u64;
            computed.releases.push(ReleasedGroups {
                tables: read,
                released: whole(left),
                suppressed: whole(groups.statistics.rows.saturating_sub(left)),
            });
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
}

/// Work on rows, on a thread where nobody waits behind it. Whatever goes wrong is the one failure.
pub(super) async fn compute_apart<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Ended>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.ok()
        .and_then(Result::ok)
        .ok_or(Ended::For(JobFailure::Failed))
}
