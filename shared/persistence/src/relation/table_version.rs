//! Versions of the content of tables.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Page, Paging};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use crate::door::door;
use crate::failure::OrNotFound as _;
use crate::pipeline::answer;
use crate::schema::{table_version, visible_version};
use crate::{Conn, Database};

/// The content of a table at a version.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = table_version, check_for_backend(diesel::pg::Pg))]
pub struct TableVersionRow {
    pub table_id: Uuid,
    pub version: i64,
    pub content_version: i64,
    pub tenant_id: Uuid,
    pub import_job_id: Option<Uuid>,
    pub mode: String,
    pub rows: i64,
    pub bytes: i64,
    pub unique_columns: Vec<String>,
    pub created_at: NaiveDateTime,
}

/// A version of a table as its reader may know it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct SeenVersion {
    pub version: i64,
    pub content_version: i64,
    /// None for readers of another tenant.
    pub import_job_id: Option<Uuid>,
    pub mode: String,
    /// Exact for the owner, the next power of two for others.
    pub rows: i64,
    /// As `rows`.
    pub bytes: i64,
    pub created_at: NaiveDateTime,
    /// Whether others see it, or have seen it.
    pub visible: bool,
}

door! {
    VersionsInSight { table_id: Uuid => SqlUuid, before: i64 => BigInt, most: i64 => BigInt }
    "SELECT version, content_version, import_job_id, mode, rows, bytes, created_at, visible \
     FROM table_versions_in_sight(" .. ")"
    -> (BigInt, BigInt, Nullable<SqlUuid>, Text, BigInt, BigInt, Timestamp, Bool)
}

impl Database {
    /// The newest version of a table of the caller's tenant; none before its first import.
    pub async fn table_version_latest(&self, ctx: &Ctx, table_id: Uuid) -> Result<Option<TableVersionRow>> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            let versions = table_version::table.filter(table_version::table_id.eq(table_id));
            let newest = versions
                .order(table_version::version.desc())
                .select(TableVersionRow::as_select());
            Ok(newest.first(conn).await.optional()?)
        })
        .await
    }

    /// One version of a table of the caller's tenant.
    ///
    /// NOT_FOUND.
    pub async fn table_version_get(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
        version: i64,
    ) -> Result<TableVersionRow> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            let one = table_version::table
                .find((table_id, version))
                .select(TableVersionRow::as_select());
            one.first(conn).await.or_not_found("table_version", version)
        })
        .await
    }

    /// The versions of a table that the caller may read, the newest first: all of an own one, of another's
    /// those that are or were in sight, their sizes rounded.
    ///
    /// NOT_FOUND.
    pub async fn table_version_list(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
        paging: &Paging<i64>,
    ) -> Result<Page<SeenVersion>> {
        let versions = VersionsInSight {
            table_id,
            before: paging.after.unwrap_or(i64::MAX),
            most: paging.limit(),
        };
        let rows: Vec<SeenVersion> = answer(self.fetch(ctx, versions).await)?;
        paging.page(rows, |last| last.version)
    }

    /// Lets others see a version of a table of the caller's tenant, and those after it when they come in
    /// sight themselves. One that others see already stays as it is.
    ///
    /// NOT_FOUND where there is no such version of an own table, FAILED_PRECONDITION where others see a
    /// later one.
    pub async fn table_version_publish(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
        version: i64,
        replay: Option<Replay>,
    ) -> Result<TableVersionRow> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            let row = table_version::table
                .find((table_id, version))
                .select(TableVersionRow::as_select())
                .first(conn)
                .await
                .or_not_found("table_version", version)?;
            if Replay::begin(replay.as_ref(), ctx, table_id, conn)
                .await?
                .is_some()
            {
                return Ok(row);
            }
            let seen = visible_version::table
                .filter(visible_version::table_id.eq(table_id))
                .select(diesel::dsl::max(visible_version::version))
                .first::<Option<i64>>(conn)
                .await?;
            if let Some(seen) = seen.filter(|seen| *seen > version) {
                let message = format!("others see the version {seen} already, which is later");
                return Err(Error::wrong_state(message).into());
            }
            diesel::insert_into(visible_version::table)
                .values((
                    visible_version::table_id.eq(table_id),
                    visible_version::version.eq(version),
                    visible_version::tenant_id.eq(ctx.tenant_id()),
                    visible_version::published_by.eq(ctx.user_id()),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            Ok(row)
        })
        .await
    }
}
