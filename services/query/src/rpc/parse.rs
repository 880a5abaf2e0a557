//! Requests into plain values; all violations of a request at once.

use std::time::Duration;

use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, UpdatableFields, list_request};
use datacovey_persistence::{
    NewQuery, QUERY_FIELDS, QUERY_HISTORY_FIELDS, QUERY_JOB_FIELDS, QueryChanges, Replay,
};
use datacovey_proto::query::v1 as pb;
use datacovey_server::field;
use prost::Message;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::parameters::from_struct;
use crate::domain::request::{JobFilter, QueryFilter, Question, ReadRequest, ResultFormat, Source};
use crate::domain::result_encoder::FileFormat;
use crate::domain::text::check_text;

pub(super) fn new_query(request: pb::CreateQueryRequest) -> Result<(NewQuery, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = take_replay("CreateQuery", &request.request_id, &request, &mut violations);
    let Some(query) = request.query else {
        violations.add("query", "is required");
        return field::finish(violations, None);
    };
    let project_id = field::id("query.project_id", &query.project_id, &mut violations);
    check_text("query.query_text", &query.query_text, &mut violations);
    let new = project_id.map(|project_id| NewQuery {
        project_id,
        query_text: query.query_text,
    });
    field::finish(violations, new.map(|new| (new, replay)))
}

pub(super) fn check(request: pb::CheckQueryRequest) -> Result<Question> {
    let mut violations = Violations::new();
    let source = request.query.map(|query| match query {
        pb::check_query_request::Query::QueryText(text) => Ok(text),
        pb::check_query_request::Query::QueryId(id) => Err(id),
    });
    let parameters = from_struct(request.parameters);
    let question = take_question(&request.project_id, source, parameters, &mut violations);
    field::finish(violations, question)
}

pub(super) fn new_job(request: pb::CreateQueryJobRequest) -> Result<(Question, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = take_replay("CreateQueryJob", &request.request_id, &request, &mut violations);
    let source = request.query.map(|query| match query {
        pb::create_query_job_request::Query::QueryText(text) => Ok(text),
        pb::create_query_job_request::Query::QueryId(id) => Err(id),
    });
    let parameters = from_struct(request.parameters);
    let question = take_question(&request.project_id, source, parameters, &mut violations);
    field::finish(violations, question.map(|question| (question, replay)))
}

pub(super) fn list_queries(request: &pb::ListQueriesRequest) -> Result<(QueryFilter, Listing)> {
    let mut violations = Violations::new();
    let project_id =
        field::optional_id("project_id", request.project_id.as_deref(), &mut violations).flatten();
    let binding = Binding::new("ListQueries")
        .with("project_id", request.project_id.as_deref().unwrap_or_default())
        .with("show_archived", request.show_archived);
    let listing = Listing::parse(&QUERY_FIELDS, binding, list_request!(request), &mut violations);
    let filter = QueryFilter {
        project_id,
        show_archived: request.show_archived,
    };
    field::finish(violations, listing.map(|listing| (filter, listing)))
}

pub(super) fn list_jobs(request: &pb::ListQueryJobsRequest) -> Result<(JobFilter, Listing)> {
    let mut violations = Violations::new();
    let query_id = field::optional_id("query_id", request.query_id.as_deref(), &mut violations).flatten();
    let project_id =
        field::optional_id("project_id", request.project_id.as_deref(), &mut violations).flatten();
    let binding = Binding::new("ListQueryJobs")
        .with("query_id", request.query_id.as_deref().unwrap_or_default())
        .with("project_id", request.project_id.as_deref().unwrap_or_default());
    let listing = Listing::parse(
        &QUERY_JOB_FIELDS,
        binding,
        list_request!(request),
        &mut violations,
    );
    let filter = JobFilter { query_id, project_id };
    field::finish(violations, listing.map(|listing| (filter, listing)))
}

pub(super) fn query_history(request: &pb::ListQueryHistoryRequest) -> Result<(Uuid, Listing)> {
    let mut violations = Violations::new();
    let binding = Binding::new("ListQueryHistory").with("query_id", &request.query_id);
    let id = field::id("query_id", &request.query_id, &mut violations);
    let listing = Listing::parse_newest_first(
        &QUERY_HISTORY_FIELDS,
        binding,
        list_request!(request, fixed_order),
        &mut violations,
    );
    field::finish(violations, id.zip(listing))
}

/// A stored query that a request is about.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: Uuid,
    /// Of the state that the caller saw; empty for any.
    pub(super) etag: String,
    pub(super) replay: Option<Replay>,
}

/// Reads a request that names a query and holds nothing else but `etag` and `request_id`.
pub(super) fn target(
    method: &'static str,
    id: &str,
    etag: &str,
    request_id: &str,
    request: &impl Message,
) -> Result<Target> {
    let mut violations = Violations::new();
    let replay = take_replay(method, request_id, request, &mut violations);
    let target = field::id("id", id, &mut violations).map(|id| Target {
        id,
        etag: etag.to_owned(),
        replay,
    });
    field::finish(violations, target)
}

pub(super) fn update_query(request: pb::UpdateQueryRequest) -> Result<(Target, QueryChanges)> {
    const FIELDS: UpdatableFields = UpdatableFields {
        mutable: &["query_text"],
        immutable: &[
            "id",
            "tenant_id",
            "project_id",
            "created_at",
            "archived_at",
            "etag",
        ],
    };
    let mut violations = Violations::new();
    let replay = take_replay("UpdateQuery", &request.request_id, &request, &mut violations);
    let Some(query) = request.query else {
        violations.add("query", "is required");
        return field::finish(violations, None);
    };
    let id = field::id("query.id", &query.id, &mut violations);
    let is_set = |_: &str| !query.query_text.is_empty();
    let mask = FIELDS.parse(request.update_mask.as_ref(), is_set, &mut violations);
    let writes = mask.is_some_and(|mask| mask.contains("query_text"));
    if writes {
        check_text("query.query_text", &query.query_text, &mut violations);
    }
    let changes = QueryChanges {
        query_text: writes.then_some(query.query_text),
    };
    let target = id.map(|id| Target {
        id,
        etag: query.etag,
        replay,
    });
    field::finish(violations, target.map(|target| (target, changes)))
}

/// Cancelling twice is cancelling once, so its key is checked and not kept.
pub(super) fn cancel(request: &pb::CancelQueryJobRequest) -> Result<Uuid> {
    let mut violations = Violations::new();
    take_replay("CancelQueryJob", &request.request_id, request, &mut violations);
    let id = field::id("id", &request.id, &mut violations);
    field::finish(violations, id)
}

pub(super) fn wait(request: &pb::WaitQueryJobRequest) -> Result<(Uuid, Duration)> {
    let mut violations = Violations::new();
    let id = field::id("id", &request.id, &mut violations);
    let timeout = field::wait("timeout", request.timeout, &mut violations);
    field::finish(violations, id.zip(timeout))
}

pub(super) fn read(request: &pb::ReadResultsRequest) -> Result<ReadRequest> {
    let mut violations = Violations::new();
    let job_id = field::id("query_job_id", &request.query_job_id, &mut violations);
    let format = match pb::ResultFormat::try_from(request.format) {
        Ok(pb::ResultFormat::Unspecified | pb::ResultFormat::Json) => Some(ResultFormat::Json),
        Ok(pb::ResultFormat::ArrowIpc) => Some(ResultFormat::ArrowIpc),
        Err(_) => {
            violations.add(
                "format",
                "is no format; use RESULT_FORMAT_JSON or RESULT_FORMAT_ARROW_IPC",
            );
            None
        }
    };
    let start_row = u64::try_from(request.start_row)
        .map_err(|_| violations.add("start_row", "must not be negative"))
        .ok();
    let max_rows = match request.max_rows.map(u64::try_from) {
        None => Some(None),
        Some(Ok(rows)) if rows > 0 => Some(Some(rows)),
        Some(_) => {
            violations.add("max_rows", "must be at least 1");
            None
        }
    };
    let request = (|| {
        Some(ReadRequest {
            job_id: job_id?,
            format: format?,
            start_row: start_row?,
            max_rows: max_rows?,
        })
    })();
    field::finish(violations, request)
}

/// Which result, in which format, and from which byte on.
pub(super) fn download(request: &pb::DownloadResultsRequest) -> Result<(Uuid, FileFormat, u64)> {
    let mut violations = Violations::new();
    let job_id = field::id("query_job_id", &request.query_job_id, &mut violations);
    let format = match pb::ResultFileFormat::try_from(request.format) {
        Ok(pb::ResultFileFormat::Unspecified | pb::ResultFileFormat::Csv) => Some(FileFormat::Csv),
        Ok(pb::ResultFileFormat::Ndjson) => Some(FileFormat::Ndjson),
        Ok(pb::ResultFileFormat::Json) => Some(FileFormat::Json),
        Ok(pb::ResultFileFormat::Parquet) => Some(FileFormat::Parquet),
        Ok(pb::ResultFileFormat::Arrow) => Some(FileFormat::Arrow),
        Err(_) => {
            violations.add("format", "is none of the formats");
            None
        }
    };
    let offset = u64::try_from(request.offset)
        .map_err(|_| violations.add("offset", "must not be negative"))
        .ok();
    let parsed = (|| Some((job_id?, format?, offset?)))();
    field::finish(violations, parsed)
}

pub(super) fn take_question(
    project_id: &str,
    source: Option<std::result::Result<String, String>>,
    parameters: Map<String, Value>,
    violations: &mut Violations,
) -> Option<Question> {
    let given = (!project_id.is_empty()).then(|| field::id("project_id", project_id, violations));
    let source = match source {
        None => {
            violations.add("query", "is required: query_text or query_id");
            return None;
        }
        Some(Err(id)) => Source::Query(field::id("query_id", &id, violations)?),
        Some(Ok(text)) => {
            if given.is_none() {
                violations.add("project_id", "is required with query_text");
            }
            check_text("query_text", &text, violations);
            Source::Text(text)
        }
    };
    Some(Question {
        project_id: given.flatten(),
        source,
        parameters,
    })
}

/// The key under which a repeat of the request is answered with the same resource.
pub(super) fn take_replay(
    method: &'static str,
    request_id: &str,
    request: &impl Message,
    violations: &mut Violations,
) -> Option<Replay> {
    Replay::read(method, request_id, &request.encode_to_vec(), violations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T: std::fmt::Debug>(parsed: Result<T>) -> Vec<String> {
        parsed
            .unwrap_err()
            .violations()
            .iter()
            .map(|it| it.field.clone())
            .collect()
    }

    #[test]
    fn all_violations_come_at_once() {
        let request = pb::CreateQueryRequest {
            query: Some(pb::Query {
                project_id: "x".to_owned(),
                ..pb::Query::default()
            }),
            request_id: "k".repeat(65),
        };
        assert_eq!(
            fields(new_query(request)),
            ["request_id", "query.project_id", "query.query_text"]
        );
        assert_eq!(fields(new_query(pb::CreateQueryRequest::default())), ["query"]);
        let request = pb::ReadResultsRequest {
            query_job_id: "1".to_owned(),
            format: 9,
            start_row: -1,
            max_rows: Some(0),
        };
        assert_eq!(
            fields(read(&request)),
            ["query_job_id", "format", "start_row", "max_rows"]
        );
    }

    #[test]
    fn a_text_needs_its_project() {
        let text = Some(pb::check_query_request::Query::QueryText("SELECT 1".to_owned()));
        let request = pb::CheckQueryRequest {
            query: text,
            ..pb::CheckQueryRequest::default()
        };
        assert_eq!(fields(check(request)), ["project_id"]);
        let stored = Some(pb::check_query_request::Query::QueryId(Uuid::nil().to_string()));
        let request = pb::CheckQueryRequest {
            query: stored,
            ..pb::CheckQueryRequest::default()
        };
        assert_eq!(
            check(request).unwrap(),
            Question {
                project_id: None,
                source: Source::Query(Uuid::nil()),
                parameters: Map::new(),
            }
        );
        assert_eq!(fields(check(pb::CheckQueryRequest::default())), ["query"]);
    }
}
