//! Versions of the content of tables.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Page, Paging};
use datacovey_types::{Ctx, new_id};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Timestamp, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::idempotency::Replay;
use crate::door::door;
use crate::failure::{Failure, OrNotFound as _};
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
    /// Since when its files are gone.
    pub swept_at: Option<NaiveDateTime>,
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
    /// The version whose rows it brought back; none for readers of another tenant.
    pub restored_from: Option<i64>,
    /// Who brought them back; none for readers of another tenant.
    pub created_by: Option<Uuid>,
    /// Since when it is neither the newest nor the one that others see; none for readers of another tenant.
    pub released_at: Option<NaiveDateTime>,
    /// Since when its files are gone.
    pub swept_at: Option<NaiveDateTime>,
    /// Whether it can be restored: its files are kept, and its rows are not those that the table holds.
    pub restorable: bool,
}

door! {
    VersionsInSight { table_id: Uuid => SqlUuid, before: i64 => BigInt, most: i64 => BigInt }
    "SELECT version, content_version, import_job_id, mode, rows, bytes, created_at, visible, restored_from, \
     created_by, released_at, swept_at, restorable FROM table_versions_in_sight(" .. ")"
    -> (
        BigInt, BigInt, Nullable<SqlUuid>, Text, BigInt, BigInt, Timestamp, Bool, Nullable<BigInt>, Nullable<SqlUuid>,
        Nullable<Timestamp>, Nullable<Timestamp>, Bool,
    )
}

door! {
    RestoreVersion {
        table_id: Uuid => SqlUuid, version: i64 => BigInt, used_schema: Value => Jsonb, restore_id: Uuid => SqlUuid,
    }
    "SELECT version FROM restore_version(" .. ") AS version" -> BigInt
}

impl Database {
    /// The newest version of a table of the caller's tenant; none before its first import.
    pub async fn table_version_latest(&self, ctx: &Ctx, table_id: Uuid) -> Result<Option<TableVersionRow>> {
        let newest = table_version::table
            .filter(table_version::table_id.eq(table_id))
            .order(table_version::version.desc())
            .select(TableVersionRow::as_select())
            .limit(1);
        Ok(answer(self.fetch(ctx, newest).await)?.into_iter().next())
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
    ) -> Result<SeenVersion> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            table_version::table
                .find((table_id, version))
                .select(table_version::version)
                .first::<i64>(conn)
                .await
                .or_not_found("table_version", version)?;
            if Replay::begin(replay.as_ref(), ctx, table_id, conn)
                .await?
                .is_some()
            {
                return one(table_id, version, conn).await;
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
            one(table_id, version, conn).await
        })
        .await
    }

    /// Makes an earlier version of a table of the caller's tenant the newest again, as a new version of the
    /// same content. `used_schema` is the schema of the table that its files were found to fit.
    ///
    /// NOT_FOUND where there is no such version of an own table, FAILED_PRECONDITION where its files are gone,
    /// its rows are those that the table holds, or something above is archived; ABORTED where the schema is
    /// another one by now.
    pub async fn table_version_restore(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
        version: i64,
        used_schema: Value,
        replay: Option<Replay>,
    ) -> Result<SeenVersion> {
        let restore_id = new_id();
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, restore_id, conn).await? {
                return restored(first, conn).await;
            }
            let door = RestoreVersion {
                table_id,
                version,
                used_schema: used_schema.clone(),
                restore_id,
            };
            let restored: i64 = door.get_result(conn).await?;
            // Whether others see it is decided at the end of the transaction, and told in it.
            sql_query("SET CONSTRAINTS ALL IMMEDIATE").execute(conn).await?;
            one(table_id, restored, conn).await
        })
        .await
    }

    /// The version that an earlier run of the same request restored.
    pub async fn table_version_restored(&self, ctx: &Ctx, restore_id: Uuid) -> Result<SeenVersion> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| restored(restore_id, conn).await)
            .await
    }
}

async fn restored(restore_id: Uuid, conn: &mut Conn<'_>) -> Result<SeenVersion, Failure> {
    let (table_id, version) = table_version::table
        .filter(table_version::restore_id.eq(restore_id))
        .select((table_version::table_id, table_version::version))
        .first(conn)
        .await
        .or_not_found("table_version", restore_id)?;
    one(table_id, version, conn).await
}

/// One version as its owner knows it.
async fn one(table_id: Uuid, version: i64, conn: &mut Conn<'_>) -> Result<SeenVersion, Failure> {
    let newest = VersionsInSight {
        table_id,
        before: version + 1,
        most: 1,
    };
    newest
        .get_result(conn)
        .await
        .or_not_found("table_version", version)
}
