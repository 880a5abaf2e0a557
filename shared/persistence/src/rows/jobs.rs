//! Jobs that are written as rows: each new one gets its run in the same transaction, so that workers take it.

use datacovey_error::Error;
use datacovey_rest::Relation;
use datacovey_types::Ctx;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::error::RowsError;
use super::link::Transaction;
use super::rules::{Told, refused};
use super::sql::Sql;
use super::write::Found;
use crate::relation::creation_lock;

/// What a new job is to do, as the queue keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// What its worker needs to know; a JSON object.
    pub options: Value,
    /// Whether its content is still to come; otherwise a worker may take it at once.
    pub awaits_content: bool,
    pub traceparent: Option<String>,
}

/// What a service makes of new rows that are jobs.
pub trait JobRules: Send + Sync {
    /// How many jobs of one kind a tenant may have that wait or run.
    fn max_open(&self) -> i64;

    /// What a new job is to do, which is what a call that creates one without options asks for; the errors are
    /// those of that call. The row is not committed yet, so other connections do not see it.
    fn run<'a>(
        &'a self,
        ctx: &'a Ctx,
        relation: &'a Relation,
        job: &'a Value,
    ) -> BoxFuture<'a, Result<NewRun, Error>>;
}

impl Transaction {
    /// Queues the new ones of rows, all or none. RESOURCE_EXHAUSTED beyond the limit of the tenant.
    pub(super) async fn queue(
        &self,
        ctx: &Ctx,
        relation: &Relation,
        rules: &dyn JobRules,
        written: &[Found],
    ) -> Result<(), RowsError> {
        let new: Vec<_> = written.iter().filter(|it| it.is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        // Before each of them is looked into, which may take its time.
        self.check_open(ctx, relation, rules, new.len()).await?;
        let mut runs = Vec::with_capacity(new.len());
        let mut told = Told::of(relation, new.len());
        for (place, job) in new.iter().enumerate() {
            match rules.run(ctx, relation, &job.row).await {
                Ok(run) => runs.push(json!({
                    "job_id": job.id(),
                    "options": run.options,
                    "is_ready": !run.awaits_content,
                    "traceparent": run.traceparent,
                })),
                Err(error) if error.violations().is_empty() => return Err(refused(error)),
                Err(error) => told.add(place, error.violations().iter().cloned()),
            }
        }
        told.done()?;

        let mut sql = Sql::new("SELECT pg_advisory_xact_lock(hashtextextended(");
        sql.value(creation_lock(kind(relation), ctx)).push(", 0))");
        self.rows(&sql).await?;
        self.check_open(ctx, relation, rules, new.len()).await?;
        let mut sql = Sql::new("INSERT INTO ");
        sql.name(&run_relation(relation));
        sql.push(" (job_id, tenant_id, created_by, options, ready_at, traceparent) SELECT job_id, ");
        sql.push("CAST(").value(ctx.tenant_id().to_string());
        sql.push(" AS uuid), CAST(").value(ctx.user_id().to_string());
        sql.push(" AS uuid), options, CASE WHEN is_ready THEN utc_now() END, traceparent FROM ");
        sql.push("jsonb_to_recordset(")
            .value(Value::Array(runs).to_string());
        sql.push(") AS run (job_id uuid, options jsonb, is_ready boolean, traceparent text)");
        self.execute(&sql).await.map(drop)
    }

    async fn check_open(
        &self,
        ctx: &Ctx,
        relation: &Relation,
        rules: &dyn JobRules,
        new: usize,
    ) -> Result<(), RowsError> {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.name(&run_relation(relation)).push(" WHERE tenant_id = ");
        sql.value(ctx.tenant_id().to_string())
            .push(" AND ended_at IS NULL");
        let open: i64 = self.value(&sql).await?;
        let (new, most) = (i64::try_from(new).unwrap_or(i64::MAX), rules.max_open());
        if open.saturating_add(new) <= most {
            return Ok(());
        }
        let kind = kind(relation);
        let message = format!(
            "{open} {kind} jobs of the tenant wait or run already, and {new} would be new; {most} may at a time"
        );
        Err(Error::quota_exceeded("tenant", message).into())
    }
}

/// The word for jobs of a relation.
fn kind(relation: &Relation) -> &str {
    relation.name.strip_suffix("_job").unwrap_or(&relation.name)
}

fn run_relation(relation: &Relation) -> String {
    format!("{}_run", kind(relation))
}
