//! What requests ask, once parsed.

use serde_json::{Map, Value};
use uuid::Uuid;

/// What a request asks, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub project_id: Option<Uuid>,
    pub source: Source,
    /// Values of the text's parameters by name, as given.
    pub parameters: Map<String, Value>,
}

/// A text of the request's own, or that of a stored query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Text(String),
    Query(Uuid),
}

/// Which rows of a result, in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    pub job_id: Uuid,
    pub format: ResultFormat,
    pub start_row: u64,
    pub max_rows: Option<u64>,
}

impl ReadRequest {
    /// Number of the first row that is not asked for; it may lie behind the end.
    pub(crate) fn end_row(&self) -> u64 {
        self.max_rows
            .map_or(u64::MAX, |rows| self.start_row.saturating_add(rows))
    }
}

/// Which jobs of the tenant a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobFilter {
    pub query_id: Option<Uuid>,
    pub project_id: Option<Uuid>,
}

/// Which queries of the tenant a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueryFilter {
    pub project_id: Option<Uuid>,
    pub show_archived: bool,
}

/// How rows are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultFormat {
    Json,
    ArrowIpc,
}
