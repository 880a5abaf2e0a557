//! Query jobs: runs of queries.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Field, Fields, Kind, Listing, Page};
use datacovey_types::{Ctx, QueryJobStatus, new_id};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::idempotency::Replay;
use super::query::{self, NewQuery};
use super::{QueryResultRow, QueryRunRow};
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::{query as query_table, query_job, query_result, query_run};
use crate::{Conn, Database, listing, utc_now};

/// A run of a query, in the words of the contract.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = query_job, check_for_backend(diesel::pg::Pg))]
pub struct QueryJobRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub query_id: Uuid,
    pub bigquery_job_id: String,
    pub status: String,
    pub error_result: Option<Value>,
    pub error_details: Option<Value>,
    pub created: Option<NaiveDateTime>,
    pub started: Option<NaiveDateTime>,
    pub ended: Option<NaiveDateTime>,
    pub total_rows: Option<i64>,
    pub total_bytes_processed: Option<i64>,
    pub total_slot_ms: Option<i64>,
    pub cache_hit: Option<bool>,
    pub dml_stats: Option<Value>,
    pub query_plan: Option<Value>,
    pub timeline: Option<Value>,
    pub destination_table: Option<Value>,
    pub num_dml_affected_rows: Option<i64>,
    pub script_statistics: Option<Value>,
    pub session_info: Option<Value>,
    pub transaction_info: Option<Value>,
    pub reservation_usage: Option<Value>,
    pub created_at: Option<NaiveDateTime>,
    pub updated_at: Option<NaiveDateTime>,
}

/// A job with what lies beside it: its query, its place in the queue, its result.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct QueryJobView {
    #[diesel(embed)]
    pub job: QueryJobRow,
    #[diesel(select_expression = query_table::project_id)]
    pub project_id: Uuid,
    /// The query's text as it is now; what the job runs is in the options of its run.
    #[diesel(select_expression = query_table::query_text)]
    pub query_text: String,
    /// None where the job is plain data that never ran here.
    #[diesel(embed)]
    pub run: Option<QueryRunRow>,
    /// None until the job is done, and after the result has expired.
    #[diesel(embed)]
    pub result: Option<QueryResultRow>,
}

/// A run to be queued.
#[derive(Clone, Debug)]
pub struct NewQueryJob {
    pub query: QueryOfJob,
    /// What the worker needs to know; a JSON object.
    pub options: Value,
    pub traceparent: Option<String>,
}

/// The query that a new job runs.
#[derive(Clone, Debug)]
pub enum QueryOfJob {
    Stored(Uuid),
    /// Created together with the job.
    New(NewQuery),
}

/// What lists of query jobs are filtered and ordered by.
pub const QUERY_JOB_FIELDS: Fields = Fields {
    relation: "query_job",
    all: &[
        ID,
        Field::new("query_id", Kind::Id),
        Field::new("bigquery_job_id", Kind::Text),
        Field::new("state", Kind::Word(STATES)).in_column("status"),
        Field::optional("cache_hit", Kind::Bool),
        Field::optional("created_at", Kind::Time),
        Field::optional("updated_at", Kind::Time),
    ],
    sortable: &["id", "created_at", "updated_at"],
    key: ID,
};
const ID: Field = Field::new("id", Kind::Id);
const STATES: &[(&str, &str)] = &[
    ("QUERY_JOB_STATE_PENDING", QueryJobStatus::Pending.as_str()),
    ("QUERY_JOB_STATE_RUNNING", QueryJobStatus::Running.as_str()),
    ("QUERY_JOB_STATE_DONE", QueryJobStatus::Done.as_str()),
    ("QUERY_JOB_STATE_ERROR", QueryJobStatus::Error.as_str()),
];

impl Database {
    /// Queues a run of a query of the caller's tenant. Of jobs that have not ended a tenant may have
    /// `max_open`; beyond it RESOURCE_EXHAUSTED. The other errors are those of [`Self::query_create`].
    pub async fn query_job_create(
        &self,
        ctx: &Ctx,
        new: NewQueryJob,
        max_open: i64,
        replay: Option<Replay>,
    ) -> Result<QueryJobView> {
        let (job_id, new_query_id) = (new_id(), new_id());
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, job_id, conn).await? {
                return find(first, conn).await;
            }
            let open = query_run::table
                .filter(
                    query_run::tenant_id
                        .eq(ctx.tenant_id())
                        .and(query_run::ended_at.is_null()),
                )
                .count()
                .get_result::<i64>(conn)
                .await?;
            if open >= max_open {
                let message =
                    format!("the tenant has {open} query jobs that have not ended, and may have {max_open}");
                return Err(Error::quota_exceeded("tenant", message).into());
            }
            let query_id = match new.query.clone() {
                QueryOfJob::Stored(id) => id,
                QueryOfJob::New(new) => query::insert(ctx, new_query_id, new, conn).await?.id,
            };
            insert(ctx, job_id, query_id, &new, conn).await?;
            find(job_id, conn).await
        })
        .await
    }

    /// NOT_FOUND where there is no such job of the caller's tenant.
    pub async fn query_job_get(&self, ctx: &Ctx, id: Uuid) -> Result<QueryJobView> {
        let statement = views().filter(query_job::id.eq(id));
        answer(self.fetch_one(ctx, statement).await.or_not_found("query_job", id))
    }

    /// The jobs of the caller's tenant, of one query or project or all.
    pub async fn query_job_list(
        &self,
        ctx: &Ctx,
        query_id: Option<Uuid>,
        project_id: Option<Uuid>,
        listing: &Listing,
    ) -> Result<Page<QueryJobView>> {
        let of_all_queries = query_id.is_none().into_sql::<Bool>();
        let of_all_projects = project_id.is_none().into_sql::<Bool>();
        let statement = views()
            .filter(query_job::tenant_id.eq(ctx.tenant_id()))
            .filter(
                query_job::query_id
                    .eq(query_id.unwrap_or_default())
                    .or(of_all_queries),
            )
            .filter(
                query_table::project_id
                    .eq(project_id.unwrap_or_default())
                    .or(of_all_projects),
            )
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit());
        listing.page_of(answer(self.fetch(ctx, statement).await)?, |view| &view.job)
    }

    /// Ends a job of the caller's tenant as cancelled; one that has ended stays as it is.
    pub async fn query_job_cancel(&self, ctx: &Ctx, id: Uuid) -> Result<QueryJobView> {
        self.transaction(ctx, async |conn| {
            diesel::update(query_job::table.find(id))
                .filter(query_job::status.eq_any(OPEN))
                .set(query_job::status.eq(QueryJobStatus::Error.as_str()))
                .execute(conn)
                .await?;
            find(id, conn).await
        })
        .await
    }

    /// Says under which name the engine runs a job: the same at each attempt, so that the row does not
    /// tell how many there were. For its worker; nothing happens to a job that has ended.
    pub async fn query_job_start(&self, ctx: &Ctx, id: Uuid, engine_job_id: &str) -> Result<()> {
        self.transaction(ctx, async |conn| {
            diesel::update(query_job::table.find(id))
                .filter(query_job::status.eq(QueryJobStatus::Running.as_str()))
                .set(query_job::bigquery_job_id.eq(engine_job_id))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }
}

/// The statuses of a job that has not ended.
const OPEN: [&str; 2] = [QueryJobStatus::Pending.as_str(), QueryJobStatus::Running.as_str()];

#[diesel::dsl::auto_type]
fn views() -> _ {
    let select: diesel::dsl::AsSelect<QueryJobView, diesel::pg::Pg> = QueryJobView::as_select();
    query_job::table
        .inner_join(query_table::table.on(query_table::id.eq(query_job::query_id)))
        .left_join(query_run::table.on(query_run::job_id.eq(query_job::id)))
        .left_join(query_result::table.on(query_result::job_id.eq(query_job::id)))
        .select(select)
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<QueryJobView, Failure> {
    views()
        .filter(query_job::id.eq(id))
        .first(conn)
        .await
        .or_not_found("query_job", id)
}

async fn insert(
    ctx: &Ctx,
    id: Uuid,
    query_id: Uuid,
    new: &NewQueryJob,
    conn: &mut Conn<'_>,
) -> Result<(), Failure> {
    diesel::insert_into(query_job::table)
        .values((
            query_job::id.eq(id),
            query_job::tenant_id.eq(ctx.tenant_id()),
            query_job::query_id.eq(query_id),
            // The engine names the job when it takes it.
            query_job::bigquery_job_id.eq(""),
            query_job::status.eq(QueryJobStatus::Pending.as_str()),
        ))
        .execute(conn)
        .await?;
    diesel::insert_into(query_run::table)
        .values((
            query_run::job_id.eq(id),
            query_run::tenant_id.eq(ctx.tenant_id()),
            query_run::created_by.eq(ctx.user_id()),
            query_run::options.eq(&new.options),
            query_run::ready_at.eq(utc_now()),
            query_run::traceparent.eq(&new.traceparent),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
