//! Versions of the content of tables.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::failure::OrNotFound as _;
use crate::schema::table_version;
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
}
