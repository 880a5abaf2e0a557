//! The queue of query jobs.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::schema::query_run;

/// What the queue knows of a query job.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = query_run, check_for_backend(diesel::pg::Pg))]
pub struct QueryRunRow {
    pub job_id: Uuid,
    pub tenant_id: Uuid,
    pub created_by: Uuid,
    pub options: Value,
    pub progress: Option<Value>,
    pub error: Option<Value>,
    pub ready_at: Option<NaiveDateTime>,
    pub holder: Option<String>,
    pub lease_expires_at: Option<NaiveDateTime>,
    pub attempt: i32,
    pub max_attempts: i32,
    pub cancel_requested: bool,
    pub traceparent: Option<String>,
    pub created_at: NaiveDateTime,
    pub ended_at: Option<NaiveDateTime>,
    pub swept_at: Option<NaiveDateTime>,
}
