//! Export jobs.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_list::{Fields, Listing, Page};
use datacovey_types::{Ctx, TransferJobStatus, new_id};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::import_job::{check_open, own_table, queue_up, utc_now};
use super::transfer_fields::transfer_job_fields;
use super::{ExportRunRow, Replay};
use crate::failure::{Failure, OrNotFound as _};
use crate::schema::{export_job, export_run};
use crate::{Conn, Database, listing};

/// An export of a table.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = export_job, check_for_backend(diesel::pg::Pg))]
pub struct ExportJobRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub table_id: Uuid,
    pub status: String,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

/// An export with what the queue knows of it.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct ExportJob {
    pub job: ExportJobRow,
    /// None for a row that was written as plain data.
    pub run: Option<ExportRunRow>,
}

/// What lists of exports are filtered and ordered by.
pub const EXPORT_JOB_FIELDS: Fields = transfer_job_fields("export_job");

/// An export to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewExportJob {
    pub table_id: Uuid,
    pub options: Value,
    pub traceparent: Option<String>,
    /// Exports of the tenant, this one too, that may wait or run.
    pub max_open: i64,
}

/// The columns of [`ExportJob`].
macro_rules! joined {
    () => {
        export_job::table
            .left_join(export_run::table.on(export_run::job_id.eq(export_job::id)))
            .select((ExportJobRow::as_select(), Option::<ExportRunRow>::as_select()))
    };
}

impl Database {
    /// Creates an export, which a worker may take at once.
    ///
    /// NOT_FOUND for a table that is not the caller's, FAILED_PRECONDITION if it is archived,
    /// RESOURCE_EXHAUSTED beyond `max_open`.
    pub async fn export_job_create(
        &self,
        ctx: &Ctx,
        new: NewExportJob,
        replay: Option<Replay>,
    ) -> Result<ExportJob> {
        let id = new_id();
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return one(first, conn).await;
            }
            own_table(new.table_id, ctx, conn).await?;
            queue_up("export", ctx, conn).await?;
            let open: i64 = export_run::table
                .filter(
                    export_run::tenant_id
                        .eq(ctx.tenant_id())
                        .and(export_run::ended_at.is_null()),
                )
                .count()
                .get_result(conn)
                .await?;
            check_open(open, new.max_open, "exports")?;
            diesel::insert_into(export_job::table)
                .values((
                    export_job::id.eq(id),
                    export_job::tenant_id.eq(ctx.tenant_id()),
                    export_job::table_id.eq(new.table_id),
                    export_job::status.eq(TransferJobStatus::Pending.as_str()),
                ))
                .execute(conn)
                .await?;
            diesel::insert_into(export_run::table)
                .values((
                    export_run::job_id.eq(id),
                    export_run::tenant_id.eq(ctx.tenant_id()),
                    export_run::created_by.eq(ctx.user_id()),
                    export_run::options.eq(new.options.clone()),
                    export_run::traceparent.eq(new.traceparent.clone()),
                    export_run::ready_at.eq(utc_now()),
                ))
                .execute(conn)
                .await?;
            one(id, conn).await
        })
        .await
    }

    /// One export of the caller's tenant.
    ///
    /// NOT_FOUND.
    pub async fn export_job_get(&self, ctx: &Ctx, id: Uuid) -> Result<ExportJob> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| one(id, conn).await)
            .await
    }

    /// Whether an export of the caller's tenant other than `id` has written to a URI, or is going to.
    pub async fn export_uri_is_taken(&self, ctx: &Ctx, uri: &str, id: Uuid) -> Result<bool> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            let others = export_run::table
                .inner_join(export_job::table.on(export_job::id.eq(export_run::job_id)))
                .filter(export_run::tenant_id.eq(ctx.tenant_id()))
                .filter(export_run::job_id.ne(id))
                .filter(export_run::options.retrieve_as_text("uri").eq(uri))
                .filter(export_job::status.ne(TransferJobStatus::Failed.as_str()));
            Ok(diesel::select(exists(others)).get_result(conn).await?)
        })
        .await
    }

    /// The exports of the caller's tenant.
    pub async fn export_job_list(
        &self,
        ctx: &Ctx,
        table_id: Option<Uuid>,
        show_archived: bool,
        listing: &Listing,
    ) -> Result<Page<ExportJob>> {
        let jobs = self
            .transaction(ctx, async |conn: &mut Conn<'_>| {
                let mut query = joined!()
                    .filter(export_job::tenant_id.eq(ctx.tenant_id()))
                    .into_boxed();
                if let Some(table_id) = table_id {
                    query = query.filter(export_job::table_id.eq(table_id));
                }
                if !show_archived {
                    query = query.filter(export_job::archived_at.is_null());
                }
                Ok(query
                    .filter(listing::rows(listing))
                    .order(listing::sorting(listing))
                    .limit(listing.limit())
                    .load::<ExportJob>(conn)
                    .await?)
            })
            .await?;
        listing.page_of(jobs, |job| &job.job)
    }

    /// Cancels an export: it ends as failed. One that has ended stays as it is.
    ///
    /// NOT_FOUND.
    pub async fn export_job_cancel(&self, ctx: &Ctx, id: Uuid, replay: Option<Replay>) -> Result<ExportJob> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return one(first, conn).await;
            }
            let open = [
                TransferJobStatus::Pending.as_str(),
                TransferJobStatus::Running.as_str(),
            ];
            diesel::update(export_job::table.find(id).filter(export_job::status.eq_any(open)))
                .set(export_job::status.eq(TransferJobStatus::Failed.as_str()))
                .execute(conn)
                .await?;
            one(id, conn).await
        })
        .await
    }
}

async fn one(id: Uuid, conn: &mut Conn<'_>) -> Result<ExportJob, Failure> {
    joined!()
        .filter(export_job::id.eq(id))
        .first(conn)
        .await
        .or_not_found("export_job", id)
}
