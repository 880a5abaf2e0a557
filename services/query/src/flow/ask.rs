//! What a request asks: the text, and the project that it asks of.

use datacovey_error::{Error, ErrorReason, Result};
use datacovey_persistence::{NewQuery, NewQueryJob, QueryJobView, QueryOfJob, Replay};
use datacovey_privacy::EffectiveThreshold;
use datacovey_server::current_traceparent;
use datacovey_types::Ctx;
use serde_json::json;
use uuid::Uuid;

use super::plan_query::PlannedQuery;
use crate::app::Handles;
use crate::domain::figures::size_class_bytes;
use crate::domain::output::{OutputColumn, columns, result_schema};
use crate::domain::request::{Question, Source};
use crate::domain::violation::Violation;

/// What CheckQuery finds.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Empty if the query may run; then the rest is filled.
    pub violations: Vec<Violation>,
    pub columns: Vec<OutputColumn>,
    pub tables: Vec<NamedTable>,
    pub size_class_bytes: u64,
    /// The strictest of the policies; none where no restricted table is touched.
    pub threshold: Option<EffectiveThreshold>,
}

/// A table that a query touches.
#[derive(Debug)]
pub(crate) struct NamedTable {
    pub id: Uuid,
    /// `dataset.table`.
    pub name: String,
    pub owner: Uuid,
}

struct Asked {
    query_id: Option<Uuid>,
    project_id: Uuid,
    text: String,
}

impl Handles {
    /// Compiles a query and keeps nothing.
    ///
    /// # Errors
    /// NOT_FOUND, PERMISSION_DENIED or FAILED_PRECONDITION where query or project cannot be queried.
    pub(crate) async fn check_query(&self, ctx: &Ctx, question: &Question) -> Result<Checked> {
        let asked = self.asked(ctx, question).await?;
        Ok(
            match self
                .planner
                .plan_query(ctx, asked.project_id, &asked.text, &question.parameters)
                .await?
            {
                Ok(planned) => checked(&planned),
                Err(violations) => Checked {
                    violations,
                    ..Checked::default()
                },
            },
        )
    }

    /// Queues a run of a query that may run.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with every violation where it may not; then there is no job.
    pub(crate) async fn create_query_job(
        &self,
        ctx: &Ctx,
        question: &Question,
        replay: Option<Replay>,
    ) -> Result<QueryJobView> {
        let asked = self.asked(ctx, question).await?;
        if let Err(violations) = self
            .planner
            .plan_query(ctx, asked.project_id, &asked.text, &question.parameters)
            .await?
        {
            return Err(refused(violations));
        }
        // The text as it is now is what runs, whatever becomes of the query.
        let options = json!({
            "query_text": asked.text,
            "parameters": question.parameters,
            "request_id": ctx.request_id,
        });
        let query = match asked.query_id {
            Some(id) => QueryOfJob::Stored(id),
            None => QueryOfJob::New(NewQuery {
                project_id: asked.project_id,
                query_text: asked.text,
            }),
        };
        let new = NewQueryJob {
            query,
            options,
            traceparent: current_traceparent(),
        };
        self.database
            .query_job_create(ctx, new, self.runs.open_per_tenant.into(), replay)
            .await
    }

    async fn asked(&self, ctx: &Ctx, question: &Question) -> Result<Asked> {
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

fn checked(planned: &PlannedQuery) -> Checked {
    let used = &planned.compiled.tables;
    let strictest = |a: EffectiveThreshold, b: EffectiveThreshold| EffectiveThreshold {
        min_units: a.min_units.max(b.min_units),
        max_share: a.max_share.min(b.max_share),
        round_to: a.round_to.max(b.round_to),
    };
    let tables = planned.tables.iter().zip(used).map(|(read, used)| NamedTable {
        id: used.table_id,
        name: used.name.clone(),
        owner: read.table.owner,
    });
    Checked {
        violations: Vec::new(),
        columns: columns(&result_schema(&planned.compiled.output_schema)),
        tables: tables.collect(),
        size_class_bytes: size_class_bytes(&planned.sizes()),
        threshold: used.iter().filter_map(|used| used.threshold).reduce(strictest),
    }
}

fn refused(violations: Vec<Violation>) -> Error {
    let told = violations
        .iter()
        .map(|it| datacovey_error::Violation::new("query_text", it.sentence()).because(it.code.clone()));
    Error::violated(ErrorReason::QueryRefused, "the query", told.collect::<Vec<_>>())
}
