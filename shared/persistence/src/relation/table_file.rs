//! Which files make up a table at which version.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_types::Ctx;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::Database;
use crate::pipeline::answer;
use crate::schema::table_file;

/// A file of a table.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = table_file, check_for_backend(diesel::pg::Pg))]
pub struct TableFileRow {
    pub table_id: Uuid,
    pub added_in: i64,
    pub path: String,
    pub tenant_id: Uuid,
    pub removed_in: Option<i64>,
    pub format: String,
    pub rows: i64,
    pub bytes: i64,
    pub checksum: String,
    pub statistics: Value,
    pub created_at: NaiveDateTime,
}

impl Database {
    /// The files that make up a table of the caller's tenant at a version.
    pub async fn table_file_list(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
        version: i64,
    ) -> Result<Vec<TableFileRow>> {
        let there = table_file::removed_in
            .is_null()
            .or(table_file::removed_in.gt(version));
        let files = table_file::table
            .filter(
                table_file::table_id
                    .eq(table_id)
                    .and(table_file::added_in.le(version)),
            )
            .filter(there)
            .order((table_file::added_in, table_file::path))
            .select(TableFileRow::as_select());
        answer(self.fetch(ctx, files).await)
    }
}
