//! What a request asks: the text, and the project that it asks of.

use datacovey_error::{Error, ErrorReason, Result};
use datacovey_persistence::{NewQuery, NewQueryJob, NewRun, QueryJobView, QueryOfJob, Replay, utc_now};
use datacovey_server::current_traceparent;
use datacovey_types::Ctx;
use serde_json::json;
use uuid::Uuid;

use super::approvals::missing_approvals;
use super::budgets::{Cost, costs, require_budgets};
use super::cached::earlier_answer;
use super::planned::PlannedQuery;
use crate::app::Handles;
use crate::domain::effective::{EffectivePolicy, effective};
use crate::domain::figures::size_class_bytes;
use crate::domain::output::{OutputColumn, columns, result_schema};
use crate::domain::request::{Question, Source};
use crate::domain::violation::Violation;

/// What CheckQuery finds.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Empty if the query may run.
    pub violations: Vec<Violation>,
    /// Of a query that may run.
    pub columns: Vec<OutputColumn>,
    /// Of a query that may run.
    pub size_class_bytes: u64,
    /// Of a statement that may run, whether or not approvals or budgets are missing; so is what follows.
    pub tables: Vec<NamedTable>,
    /// None where no restricted table is touched.
    pub policy: Option<EffectivePolicy>,
    /// None where an earlier answer would be given again.
    pub costs: Vec<Cost>,
}

/// A table that a query touches.
#[derive(Debug)]
pub(crate) struct NamedTable {
    pub id: Uuid,
    /// `dataset.table`.
    pub name: String,
    pub owner: Uuid,
}

/// A text, and the project that it asks of.
pub(crate) struct Asked {
    query_id: Option<Uuid>,
    pub project_id: Uuid,
    pub text: String,
}

impl Handles {
    /// Compiles a query and keeps nothing.
    ///
    /// # Errors
    /// NOT_FOUND, PERMISSION_DENIED or FAILED_PRECONDITION where query or project cannot be queried.
    pub(crate) async fn check_query(&self, ctx: &Ctx, question: &Question) -> Result<Checked> {
        let (asked, now) = (self.asked(ctx, question).await?, utc_now());
        let planned = self
            .planner
            .plan_query(ctx, asked.project_id, &asked.text, &question.parameters, now)
            .await?;
        let planned = match planned {
            Ok(planned) => planned,
            Err(violations) => {
                return Ok(Checked {
                    violations,
                    ..Checked::default()
                });
            }
        };
        let mut violations = missing_approvals(&self.database, ctx, &planned).await?;
        let costs = self.costs(ctx, &planned).await?;
        violations.extend(costs.iter().filter_map(Cost::violation));
        Ok(checked(&planned, violations, costs))
    }

    /// What a run would charge: nothing where an earlier answer would be given again.
    async fn costs(&self, ctx: &Ctx, planned: &PlannedQuery) -> Result<Vec<Cost>> {
        let costs = costs(&self.database, ctx, planned).await?;
        if costs.is_empty() || earlier_answer(&self.database, ctx, planned).await?.is_none() {
            return Ok(costs);
        }
        Ok(Vec::new())
    }

    /// Queues a run of a query that may run.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with every violation where it may not, FAILED_PRECONDITION where a budget does not
    /// suffice; then there is no job.
    pub(crate) async fn create_query_job(
        &self,
        ctx: &Ctx,
        question: &Question,
        replay: Option<Replay>,
    ) -> Result<QueryJobView> {
        // A repeat is answered whatever has become of the world, and of the budgets that the first run used.
        if let Some(first) = self.database.replayed(ctx, replay.as_ref()).await? {
            return self.database.query_job_get(ctx, first).await;
        }
        let (asked, run) = self.run_of(ctx, question).await?;
        let query = match asked.query_id {
            Some(id) => QueryOfJob::Stored(id),
            None => QueryOfJob::New(NewQuery {
                project_id: asked.project_id,
                query_text: asked.text,
            }),
        };
        let new = NewQueryJob {
            query,
            options: run.options,
            traceparent: run.traceparent,
        };
        self.database
            .query_job_create(ctx, new, self.runs.open_per_tenant.into(), replay)
            .await
    }

    /// What a run of a query does, if it may run; the errors are those of [`Self::create_query_job`].
    pub(crate) async fn run_of(&self, ctx: &Ctx, question: &Question) -> Result<(Asked, NewRun)> {
        let (asked, now) = (self.asked(ctx, question).await?, utc_now());
        let planned = self
            .planner
            .plan_query(ctx, asked.project_id, &asked.text, &question.parameters, now)
            .await?
            .map_err(refused)?;
        let missing = missing_approvals(&self.database, ctx, &planned).await?;
        if !missing.is_empty() {
            return Err(refused(missing));
        }
        require_budgets(&self.costs(ctx, &planned).await?)?;
        // The text as it is now is what runs, whatever becomes of the query.
        let options = json!({
            "query_text": asked.text,
            "parameters": question.parameters,
            "request_id": ctx.request_id,
            // However often it is tried, and whenever.
            "now": now.and_utc().to_rfc3339(),
        });
        let run = NewRun {
            options,
            awaits_content: false,
            traceparent: current_traceparent(),
        };
        Ok((asked, run))
    }

    pub(super) async fn asked(&self, ctx: &Ctx, question: &Question) -> Result<Asked> {
        match (&question.source, question.project_id) {
            (Source::Text(text), Some(project_id)) => Ok(Asked {
                query_id: None,
                project_id,
                text: text.clone(),
            }),
            (Source::Text(_), None) => Err(Error::invalid_field("project_id", "is required with query_text")),
            (Source::Query(id), project_id) => {
                let row = self.database.query_get(ctx, *id).await?;
                if row.archived_at.is_some() {
                    return Err(Error::archived("query", id));
                }
                if project_id.is_some_and(|given| given != row.project_id) {
                    return Err(Error::invalid_field("project_id", "is not that of the query"));
                }
                Ok(Asked {
                    query_id: Some(*id),
                    project_id: row.project_id,
                    text: row.query_text,
                })
            }
        }
    }
}

fn checked(planned: &PlannedQuery, violations: Vec<Violation>, costs: Vec<Cost>) -> Checked {
    let tables = planned.tables.iter().map(|read| NamedTable {
        id: read.table.id,
        name: read.name(),
        owner: read.table.owner,
    });
    let restricted: Vec<_> = planned
        .restricted()
        .map(|(read, policy)| (read.name(), policy))
        .collect();
    let policies: Vec<_> = restricted
        .iter()
        .map(|(name, policy)| (name.as_str(), *policy))
        .collect();
    let checked = Checked {
        violations,
        tables: tables.collect(),
        policy: effective(&policies),
        costs,
        ..Checked::default()
    };
    if !checked.violations.is_empty() {
        return checked;
    }
    Checked {
        columns: columns(&result_schema(&planned.compiled.output_schema)),
        size_class_bytes: size_class_bytes(&planned.sizes()),
        ..checked
    }
}

pub(super) fn refused(violations: Vec<Violation>) -> Error {
    let told = violations
        .iter()
        .map(|it| datacovey_error::Violation::new("query_text", it.sentence()).because(it.code.clone()));
    Error::violated(ErrorReason::QueryRefused, "the query", told.collect::<Vec<_>>())
}
