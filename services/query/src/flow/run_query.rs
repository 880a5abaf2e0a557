//! The work of a run: compile anew, look for an earlier answer, pay, compute, release.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, NaiveDateTime};
use datacovey_auth::authorize;
use datacovey_error::{Error, ErrorReason, Kind};
use datacovey_jobs::{Job, Work};
use datacovey_persistence::{Database, JobKind, Release, Unreleased, utc_now};
use datacovey_storage::Store;
use datacovey_types::Permission;
use futures::FutureExt as _;

use super::approvals::missing_approvals;
use super::budgets::not_charged;
use super::cached::earlier_answer;
use super::plan_query::Planner;
use super::planned::PlannedQuery;
use crate::RunLimits;
use crate::domain::failure::JobFailure;
use crate::domain::figures::{self, TableSize};
use crate::domain::grid;
use crate::engine::Engine;
use crate::observed;

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
pub(super) enum Ended {
    For(JobFailure),
    /// Something was away; another attempt may succeed.
    Away(JobFailure),
    /// The job has ended already or is another worker's: a cancel won.
    Lost,
}

impl Work for QueryWork {
    const KIND: JobKind = JobKind::Query;

    async fn run(&self, job: Job) -> Result<(), datacovey_jobs::JobFailure> {
        let started = Instant::now();
        let mut seen = Seen::default();
        let outcome = AssertUnwindSafe(self.attempt(&job, started, &mut seen))
            .catch_unwind()
            .await;
        let failure = match outcome.unwrap_or(Err(Ended::For(JobFailure::Failed))) {
            Ok(()) | Err(Ended::Lost) => return Ok(()),
            Err(Ended::Away(failure)) => return Err(retry(&failure)),
            Err(Ended::For(failure)) => failure,
        };
        if seen.sizes.is_some_and(|sizes| figures::touches_others(&sizes)) {
            until_next_step(started).await;
        }
        let details = failure.error_details(request_id(&job));
        let told = seen.unreleased.filter(|it| it.read || failure.is_refusal());
        match self
            .database
            .query_fail(&job.ctx, &job.lease, failure.error_result(), details, told)
            .await
        {
            Err(error) if error.is_transient() => Err(retry(&failure)),
            // It has ended already or is another worker's.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// What an attempt has come to know, if it fails later.
#[derive(Debug, Default)]
struct Seen {
    /// Decides how an end is timed; filled before anything is read.
    sizes: Option<Vec<TableSize>>,
    /// What owners may be told; filled before anything is refused for a budget or an approval.
    unreleased: Option<Unreleased>,
}

impl QueryWork {
    async fn attempt(&self, job: &Job, started: Instant, seen: &mut Seen) -> Result<(), Ended> {
        authorize(&job.ctx, Permission::Query).map_err(|_| Ended::For(JobFailure::CreatorGone))?;
        let query = self.plan(job).await?;
        let sizes = query.sizes();
        seen.sizes = Some(sizes.clone());
        seen.unreleased = Some(Unreleased {
            tables: query.checked_tables(),
            normalized_query: query.compiled.normalized.clone(),
            read: false,
        });
        self.approved(job, &query).await?;
        let engine_job_id = format!("datafusion-{}", job.lease.job_id.simple());
        self.database
            .query_job_start(&job.ctx, job.lease.job_id, &engine_job_id)
            .await
            .map_err(before_reading)?;

        let release = match self.earlier(job, &query, &sizes, started).await? {
            Some(release) => release,
            None => {
                self.charge(job, &query).await?;
                self.note_reads(job, &query, seen).await?;
                let computed = self.compute(job, &engine_job_id, &query, &sizes, started).await?;
                self.store(job, &query, &sizes, computed, started).await?
            }
        };
        if figures::touches_others(&sizes) {
            until_next_step(started).await;
        }
        self.database
            .query_release(&job.ctx, &job.lease, release)
            .await
            .map_err(at_the_release)
    }

    /// The answer of an earlier run, if there is one. Visibility, policies and approvals are checked before.
    async fn earlier(
        &self,
        job: &Job,
        query: &PlannedQuery,
        sizes: &[TableSize],
        started: Instant,
    ) -> Result<Option<Release>, Ended> {
        let earlier = earlier_answer(&self.database, &job.ctx, query).await;
        let release = match earlier.map_err(before_reading)? {
            Some(answer) => self.give_again(job, query, sizes, answer, started).await?,
            None => None,
        };
        observed::looked_for_an_answer(release.is_some());
        Ok(release)
    }

    /// Pays for what is about to be read, in a transaction of its own; it is never given back.
    async fn charge(&self, job: &Job, query: &PlannedQuery) -> Result<(), Ended> {
        if query
            .restricted()
            .all(|(_, policy)| policy.access_budget.is_none())
        {
            return Ok(());
        }
        let tables = query.checked_tables();
        let short = self.database.access_charge(&job.ctx, &job.lease, &tables).await;
        let short = short.map_err(at_the_release)?;
        if short.is_empty() {
            return Ok(());
        }
        observed::budget_refused();
        Err(Ended::For(JobFailure::BudgetSpent(
            short.iter().map(not_charged).collect(),
        )))
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
            .plan_query(&job.ctx, query.project_id, text, &parameters, asked_at(job))
            .await
            .map_err(before_reading)?;
        planned.map_err(|violations| Ended::For(JobFailure::Refused(violations)))
    }

    /// Whether all approvals are there.
    async fn approved(&self, job: &Job, query: &PlannedQuery) -> Result<(), Ended> {
        let missing = missing_approvals(&self.database, &job.ctx, query).await;
        let missing = missing.map_err(before_reading)?;
        if missing.is_empty() {
            return Ok(());
        }
        Err(Ended::For(JobFailure::Refused(missing)))
    }

    /// From here on rows are read: owners may be told so, should the run fail or be cancelled.
    async fn note_reads(&self, job: &Job, query: &PlannedQuery, seen: &mut Seen) -> Result<(), Ended> {
        let Some(unreleased) = seen.unreleased.as_mut() else {
            return Ok(());
        };
        unreleased.read = true;
        if query.restricted().next().is_none() {
            return Ok(());
        }
        let (tables, normalized) = (&unreleased.tables, &unreleased.normalized_query);
        let noted = self
            .database
            .query_note_reads(&job.ctx, &job.lease, tables, normalized)
            .await;
        noted.map_err(at_the_release)
    }
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

/// Where the database looks once more whether the world is as it was.
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

/// The instant that the job was asked at.
fn asked_at(job: &Job) -> NaiveDateTime {
    let told = job.options.get("now").and_then(|at| at.as_str());
    let at = told.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    at.map_or_else(utc_now, |at| at.naive_utc())
}

fn request_id(job: &Job) -> &str {
    job.options
        .get("request_id")
        .and_then(|id| id.as_str())
        .unwrap_or(&job.ctx.request_id)
}
