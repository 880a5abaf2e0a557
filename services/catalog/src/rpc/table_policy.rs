//! Policies of tables between their messages and their rows.

use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Paging};
use datacovey_persistence::{NewTablePolicy, Replay, TablePolicyRow};
use datacovey_privacy::policy::PrivacyUnit;
use datacovey_proto::catalog::v1 as pb;
use datacovey_types::Ctx;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{field, policy};
use crate::domain;
use crate::domain::path::Path;
use crate::domain::policy::Draft;

/// Largest policy, in bytes of its JSON text.
const MAX_BYTES: usize = 64 * 1024;

/// A policy to set, and what is wrong with it so far: whether it fits its table is known only in the
/// transaction that sets it, and the caller learns of everything at once.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) new: NewTablePolicy,
    pub(super) draft: Draft,
    pub(super) replay: Option<Replay>,
}

pub(super) fn parse_get(request: &pb::GetTablePolicyRequest) -> Result<(Uuid, Option<i64>)> {
    let mut violations = Violations::new();
    let table_id = field::id("table_id", &request.table_id, &mut violations);
    if request.version.is_some_and(|version| version < 1) {
        violations.add("version", "must be 1 or more; leave it out for the newest");
    }
    field::finish(
        violations,
        table_id.map(|id| (id, request.version.map(i64::from))),
    )
}

pub(super) fn parse_list(request: &pb::ListTablePolicyVersionsRequest) -> Result<(Uuid, Paging<i64>)> {
    let mut violations = Violations::new();
    let table_id = field::id("table_id", &request.table_id, &mut violations);
    let binding = Binding::new("ListTablePolicyVersions").with("table_id", &request.table_id);
    let paging = Paging::parse(binding, request.page_size, &request.page_token, &mut violations);
    field::finish(violations, table_id.zip(paging))
}

pub(super) fn parse_set(request: pb::SetTablePolicyRequest) -> Result<Set> {
    let mut violations = Violations::new();
    let at = Path::new("policy");
    let given = field::required("policy", request.policy, &mut violations);
    let policy = policy::parse(given, &at, &mut violations);
    let stored = policy.to_json();
    // Every query of the project reads it.
    if stored.to_string().len() > MAX_BYTES {
        violations.add(at.clone(), format!("is larger than {MAX_BYTES} bytes as JSON"));
    }
    domain::json::check_storable(&stored, &at, &mut violations);
    if request.expected_version.is_some_and(|version| version < 0) {
        violations.add(
            "expected_version",
            "must not be negative; 0 means that there is no policy yet",
        );
    }
    // The message's map has no order of its own, so that the stored form stands for the request.
    let canonical = json!([request.table_id, stored, request.expected_version]).to_string();
    let replay = Replay::read(
        "SetTablePolicy",
        &request.request_id,
        canonical.as_bytes(),
        &mut violations,
    );
    let Some(table_id) = field::id("table_id", &request.table_id, &mut violations) else {
        // Without a table there is nothing that the policy could fit.
        return field::finish(violations, None);
    };
    let parent = policy.privacy_unit.as_ref().and_then(PrivacyUnit::parent);
    let parent = parent.map(|(name, _)| name.to_owned());
    let new = NewTablePolicy {
        table_id,
        policy: stored,
        // The database holds no name with a NUL in it.
        parent: parent.filter(|name| !name.contains('\0')),
        expected_version: request.expected_version.map(i64::from),
        validate_only: request.validate_only,
    };
    Ok(Set {
        new,
        draft: Draft {
            policy,
            at,
            violations: violations.into_vec(),
        },
        replay,
    })
}

pub(super) fn reply(row: TablePolicyRow, ctx: &Ctx) -> Result<pb::TablePolicy> {
    // Who set it is the owner's own affair.
    let created_by = if row.tenant_id == ctx.tenant_id() {
        row.created_by.to_string()
    } else {
        String::new()
    };
    Ok(pb::TablePolicy {
        table_id: row.table_id.to_string(),
        version: version(row.version),
        policy: Some(reply_policy(&row.policy)?),
        created_at: Some(field::timestamp(row.created_at)),
        created_by,
    })
}

/// A policy that was checked and not set: the version that it would have been, made by nobody.
pub(super) fn reply_unmade(row: TablePolicyRow, ctx: &Ctx) -> Result<pb::TablePolicy> {
    Ok(pb::TablePolicy {
        created_at: None,
        created_by: String::new(),
        ..reply(row, ctx)?
    })
}

/// A stored policy as a message.
pub(super) fn reply_policy(stored: &Value) -> Result<pb::Policy> {
    Ok(policy::reply(&domain::policy::stored(stored)?))
}

/// A version each second would take 68 years to pass the message's range.
pub(super) fn version(version: i64) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
