//! Approvals as messages, and the requests that are about them.

use datacovey_error::{Error, Result, Violations};
use datacovey_list::{Binding, Listing, etag, list_request};
use datacovey_persistence::{APPROVAL_FIELDS, QueryApprovalRow, Replay};
use datacovey_proto::query::v1 as pb;
use datacovey_server::field::{self, timestamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::convert::object;
use super::parameters::from_struct;
use super::parse::{take_question, take_replay};
use crate::domain::request::Question;

pub(super) fn request(request: pb::RequestApprovalRequest) -> Result<(Question, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = take_replay("RequestApproval", &request.request_id, &request, &mut violations);
    let source = request.query.map(|query| match query {
        pb::request_approval_request::Query::QueryText(text) => Ok(text),
        pb::request_approval_request::Query::QueryId(id) => Err(id),
    });
    let parameters = from_struct(request.parameters);
    let question = take_question(&request.project_id, source, parameters, &mut violations);
    field::finish(violations, question.map(|question| (question, replay)))
}

pub(super) fn list(request: &pb::ListApprovalsRequest) -> Result<(Option<Uuid>, Listing)> {
    let mut violations = Violations::new();
    let project_id =
        field::optional_id("project_id", request.project_id.as_deref(), &mut violations).flatten();
    let binding =
        Binding::new("ListApprovals").with("project_id", request.project_id.as_deref().unwrap_or_default());
    let listing = Listing::parse(&APPROVAL_FIELDS, binding, list_request!(request), &mut violations);
    field::finish(violations, listing.map(|listing| (project_id, listing)))
}

/// A table of an approval, as it is stored.
#[derive(Deserialize)]
struct StoredTable {
    table_id: Uuid,
    name: String,
    owner_tenant_id: Uuid,
    policy_version: Option<i64>,
}

/// An approval as `reader` may see it: who decided is for the owner's tenant.
pub(super) fn approval(reader: Uuid, row: QueryApprovalRow) -> Result<pb::QueryApproval> {
    let etag = etag(&row)?;
    let state = format!("APPROVAL_STATE_{}", row.state.to_uppercase());
    let state = pb::ApprovalState::from_str_name(&state)
        .ok_or_else(|| Error::internal(format!("an unknown state of an approval: {}", row.state)))?;
    let tables: Vec<StoredTable> = serde_json::from_value(row.tables).map_err(Error::internal)?;
    let approver = row.approver_user_id.filter(|_| row.tenant_id == reader);
    Ok(pb::QueryApproval {
        id: row.id.to_string(),
        table_id: row.table_id.to_string(),
        project_id: row.project_id.to_string(),
        query_sha256: hex::encode(Sha256::digest(&row.query_text)),
        query_text: row.query_text,
        parameters: Some(object(row.parameters)),
        requester_tenant_id: row.requester_tenant_id.to_string(),
        approver_user_id: approver.map(|id| id.to_string()).unwrap_or_default(),
        state: state.into(),
        created_at: Some(timestamp(row.created_at)),
        changed_at: Some(timestamp(row.changed_at)),
        etag,
        tables: tables
            .into_iter()
            .map(|it| pb::ApprovedTable {
                table_id: it.table_id.to_string(),
                name: it.name,
                owner_tenant_id: it.owner_tenant_id.to_string(),
                policy_version: it.policy_version.unwrap_or_default(),
            })
            .collect(),
    })
}
