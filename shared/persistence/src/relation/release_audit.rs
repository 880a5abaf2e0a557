//! The data owners' record of releases.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::schema::release_audit;

/// Who learned what of a table.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = release_audit, check_for_backend(diesel::pg::Pg))]
pub struct ReleaseAuditRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub table_id: Uuid,
    pub project_id: Uuid,
    pub analyst_tenant_id: Uuid,
    pub analyst_user_id: Uuid,
    pub query_job_id: Uuid,
    pub policy_version: i64,
    pub normalized_query: String,
    pub outcome: String,
    pub released_groups: i64,
    pub suppressed_groups: Option<i64>,
    pub created_at: NaiveDateTime,
}
