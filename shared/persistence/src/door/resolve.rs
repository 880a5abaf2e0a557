use datacovey_error::Result;
use datacovey_types::Ctx;
use diesel::Queryable;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use super::door;
use crate::Database;
use crate::pipeline::answer;

/// A table that the caller's tenant may query in a project: its own, or an active contributor's.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct ResolvedTable {
    pub dataset_id: Uuid,
    pub dataset_name: String,
    pub table_id: Uuid,
    pub table_name: String,
    /// The owner.
    pub tenant_id: Uuid,
    pub schema: Value,
    /// The newest policy; none where the owner alone may query the table.
    pub policy: Option<Value>,
    pub policy_version: Option<i64>,
    /// The newest version of the content; 0 where nothing was ever imported.
    pub version: i64,
    pub content_version: i64,
    /// Exact for the caller's own table, the next power of two for another's.
    pub rows: i64,
    /// As `rows`.
    pub bytes: i64,
    /// Columns proven unique over the whole version.
    pub unique_columns: Vec<String>,
}

/// The files of a table at a version.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct ResolvedVersion {
    pub table_id: Uuid,
    /// The owner.
    pub tenant_id: Uuid,
    /// 0 where nothing was ever imported.
    pub version: i64,
    pub content_version: i64,
    pub rows: i64,
    pub bytes: i64,
    pub unique_columns: Vec<String>,
    /// `[{"path", "format", "rows", "bytes", "checksum", "statistics"}]`, in a fixed order.
    pub files: Value,
}

door! {
    ResolveProject { project_id: Uuid => SqlUuid }
    "SELECT dataset_id, dataset_name, table_id, table_name, tenant_id, schema, policy, policy_version, version, \
     content_version, rows, bytes, unique_columns FROM resolve_project(" .. ")"
    -> (SqlUuid, Text, SqlUuid, Text, SqlUuid, Jsonb, Nullable<Jsonb>, Nullable<BigInt>, BigInt, BigInt, BigInt, BigInt, Array<Text>)
}

door! {
    ResolveVersions { tables: Vec<Uuid> => Array<SqlUuid>, versions: Vec<Option<i64>> => Array<Nullable<BigInt>> }
    "SELECT table_id, tenant_id, version, content_version, rows, bytes, unique_columns, files \
     FROM resolve_versions(" .. ")"
    -> (SqlUuid, SqlUuid, BigInt, BigInt, BigInt, BigInt, Array<Text>, Jsonb)
}

impl Database {
    /// The tables of a project that the caller may query, by dataset and name. NOT_FOUND where the
    /// caller does not take part, PERMISSION_DENIED where it may not query, FAILED_PRECONDITION where
    /// the project is archived.
    pub async fn project_resolve(&self, ctx: &Ctx, project_id: Uuid) -> Result<Vec<ResolvedTable>> {
        answer(self.fetch(ctx, ResolveProject { project_id }).await)
    }

    /// The files of tables, each at the version given, or at its newest. Tables that the caller may
    /// not query, and versions that are not there, are absent from the answer.
    pub async fn versions_resolve(
        &self,
        ctx: &Ctx,
        tables: &[(Uuid, Option<i64>)],
    ) -> Result<Vec<ResolvedVersion>> {
        let (tables, versions) = tables.iter().copied().unzip();
        answer(self.fetch(ctx, ResolveVersions { tables, versions }).await)
    }
}
