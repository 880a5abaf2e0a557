//! Import jobs.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Fields, Listing, Page};
use datacovey_types::{Ctx, TransferJobStatus, new_id};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Timestamp};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::transfer_fields::transfer_job_fields;
use super::{ImportRunRow, Replay};
use crate::failure::{Failure, OrNotFound as _};
use crate::schema::{import_job, import_run, table_, table_version};
use crate::{Conn, Database, listing};

/// An import into a table.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = import_job, check_for_backend(diesel::pg::Pg))]
pub struct ImportJobRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub table_id: Uuid,
    pub status: String,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

/// An import with what the queue knows of it and what it made.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct ImportJob {
    pub job: ImportJobRow,
    /// None for a row that was written as plain data.
    pub run: Option<ImportRunRow>,
    /// The version of the table that it made.
    pub version: Option<i64>,
}

/// What lists of imports are filtered and ordered by.
pub const IMPORT_JOB_FIELDS: Fields = transfer_job_fields("import_job");

/// An import to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImportJob {
    pub table_id: Uuid,
    pub options: Value,
    /// Whether its content is still to come; otherwise a worker may take it at once.
    pub awaits_content: bool,
    pub traceparent: Option<String>,
    /// Imports of the tenant, this one too, that may wait or run.
    pub max_open: i64,
}

/// The columns of [`ImportJob`].
macro_rules! joined {
    () => {
        import_job::table
            .left_join(import_run::table.on(import_run::job_id.eq(import_job::id)))
            .left_join(table_version::table.on(table_version::import_job_id.eq(import_job::id.nullable())))
            .select((
                ImportJobRow::as_select(),
                Option::<ImportRunRow>::as_select(),
                table_version::version.nullable(),
            ))
    };
}

impl Database {
    /// Creates an import.
    ///
    /// NOT_FOUND for a table that is not the caller's, FAILED_PRECONDITION if it is archived,
    /// RESOURCE_EXHAUSTED beyond `max_open`.
    pub async fn import_job_create(
        &self,
        ctx: &Ctx,
        new: NewImportJob,
        replay: Option<Replay>,
    ) -> Result<ImportJob> {
        let id = new_id();
        let ready = (!new.awaits_content).then(utc_now);
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return one(first, conn).await;
            }
            own_table(new.table_id, ctx, conn).await?;
            queue_up("import", ctx, conn).await?;
            let open: i64 = import_run::table
                .filter(
                    import_run::tenant_id
                        .eq(ctx.tenant_id())
                        .and(import_run::ended_at.is_null()),
                )
                .count()
                .get_result(conn)
                .await?;
            check_open(open, new.max_open, "imports")?;
            diesel::insert_into(import_job::table)
                .values((
                    import_job::id.eq(id),
                    import_job::tenant_id.eq(ctx.tenant_id()),
                    import_job::table_id.eq(new.table_id),
                    import_job::status.eq(TransferJobStatus::Pending.as_str()),
                ))
                .execute(conn)
                .await?;
            diesel::insert_into(import_run::table)
                .values((
                    import_run::job_id.eq(id),
                    import_run::tenant_id.eq(ctx.tenant_id()),
                    import_run::created_by.eq(ctx.user_id()),
                    import_run::options.eq(new.options.clone()),
                    import_run::traceparent.eq(new.traceparent.clone()),
                    ready.clone().map(|now| import_run::ready_at.eq(now)),
                ))
                .execute(conn)
                .await?;
            one(id, conn).await
        })
        .await
    }

    /// One import of the caller's tenant.
    ///
    /// NOT_FOUND.
    pub async fn import_job_get(&self, ctx: &Ctx, id: Uuid) -> Result<ImportJob> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| one(id, conn).await)
            .await
    }

    /// The imports of the caller's tenant.
    pub async fn import_job_list(
        &self,
        ctx: &Ctx,
        table_id: Option<Uuid>,
        show_archived: bool,
        listing: &Listing,
    ) -> Result<Page<ImportJob>> {
        let jobs = self
            .transaction(ctx, async |conn: &mut Conn<'_>| {
                let mut query = joined!()
                    .filter(import_job::tenant_id.eq(ctx.tenant_id()))
                    .into_boxed();
                if let Some(table_id) = table_id {
                    query = query.filter(import_job::table_id.eq(table_id));
                }
                if !show_archived {
                    query = query.filter(import_job::archived_at.is_null());
                }
                Ok(query
                    .filter(listing::rows(listing))
                    .order(listing::sorting(listing))
                    .limit(listing.limit())
                    .load::<ImportJob>(conn)
                    .await?)
            })
            .await?;
        listing.page_of(jobs, |job| &job.job)
    }

    /// Cancels an import: it ends as failed. One that has ended stays as it is.
    ///
    /// NOT_FOUND.
    pub async fn import_job_cancel(&self, ctx: &Ctx, id: Uuid, replay: Option<Replay>) -> Result<ImportJob> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return one(first, conn).await;
            }
            let open = [
                TransferJobStatus::Pending.as_str(),
                TransferJobStatus::Running.as_str(),
            ];
            diesel::update(import_job::table.find(id).filter(import_job::status.eq_any(open)))
                .set(import_job::status.eq(TransferJobStatus::Failed.as_str()))
                .execute(conn)
                .await?;
            one(id, conn).await
        })
        .await
    }
}

async fn one(id: Uuid, conn: &mut Conn<'_>) -> Result<ImportJob, Failure> {
    joined!()
        .filter(import_job::id.eq(id))
        .first(conn)
        .await
        .or_not_found("import_job", id)
}

/// Only what the caller owns is imported into or exported; other tables do not exist for it.
pub(super) async fn own_table(id: Uuid, ctx: &Ctx, conn: &mut Conn<'_>) -> Result<(), Failure> {
    let own = table_::table
        .find(id)
        .filter(table_::tenant_id.eq(ctx.tenant_id()));
    own.select(table_::id)
        .first::<Uuid>(conn)
        .await
        .or_not_found("table", id)?;
    Ok(())
}

/// The name of the lock that lets creations of one kind and tenant go one after the other, so that their number
/// is exact.
pub(crate) fn creation_lock(kind: &str, ctx: &Ctx) -> String {
    format!("datacovey create {kind} {}", ctx.tenant_id())
}

/// Waits for the turn to create a job; it ends with the transaction.
pub(super) async fn queue_up(kind: &str, ctx: &Ctx, conn: &mut Conn<'_>) -> Result<(), Failure> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<diesel::sql_types::Text, _>(creation_lock(kind, ctx))
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) fn check_open(open: i64, max_open: i64, what: &str) -> Result<(), Failure> {
    if open < max_open {
        return Ok(());
    }
    let message = format!("{open} {what} of the tenant wait or run already; {max_open} may at a time");
    Err(Error::quota_exceeded("tenant", message).into())
}

/// The database's own clock, which leases and times of jobs go by.
pub(super) fn utc_now() -> diesel::expression::SqlLiteral<Nullable<Timestamp>> {
    sql::<Nullable<Timestamp>>("utc_now()")
}
