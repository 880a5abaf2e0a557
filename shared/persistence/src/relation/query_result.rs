//! Results of query jobs, until they expire.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::schema::query_result;

/// Where the released rows of a query job are.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = query_result, check_for_backend(diesel::pg::Pg))]
pub struct QueryResultRow {
    pub job_id: Uuid,
    pub tenant_id: Uuid,
    pub path: String,
    pub rows: i64,
    pub bytes: i64,
    pub schema: Value,
    pub cache_key: Option<String>,
    pub created_at: NaiveDateTime,
    pub expires_at: NaiveDateTime,
}
