//! Tables between their messages and their rows.

use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, Mask, UpdatableFields, etag, list_request};
use datacovey_persistence::{NewTable, Replay, TABLE_FIELDS, TableChanges, TableRow, TableScope};
use datacovey_proto::catalog::v1 as pb;
use prost::Message as _;
use prost_types::Struct;
use serde_json::Value;
use uuid::Uuid;

use super::{field, mutation};
use crate::domain::path::Path;
use crate::domain::{json, schema, text};

const FIELDS: UpdatableFields = UpdatableFields {
    mutable: &["dataset_id", "name", "schema"],
    immutable: &["id", "tenant_id", "created_at", "archived_at", "etag"],
};

pub(super) struct Create {
    pub(super) new: NewTable,
    pub(super) validate_only: bool,
    pub(super) replay: Option<Replay>,
}

pub(super) struct Update {
    pub(super) id: Uuid,
    pub(super) etag: String,
    pub(super) changes: TableChanges,
    pub(super) replay: Option<Replay>,
}

pub(super) fn parse_create(request: pb::CreateTableRequest) -> Result<Create> {
    let mut violations = Violations::new();
    let replay = mutation::replay("CreateTable", &request.request_id, &request, &mut violations);
    let table = field::required("table", request.table, &mut violations);
    let dataset_id = field::id("table.dataset_id", &table.dataset_id, &mut violations);
    let name = violations.take("table.name", text::identifier(&table.name));
    let schema = parse_schema(table.schema.as_ref(), &mut violations);
    let new = || {
        Some(NewTable {
            dataset_id: dataset_id?,
            name: name?,
            schema: schema?,
        })
    };
    let validate_only = request.validate_only;
    field::finish(
        violations,
        new().map(|new| Create {
            new,
            validate_only,
            replay,
        }),
    )
}

fn parse_schema(given: Option<&Struct>, violations: &mut Violations) -> Option<Value> {
    let at = Path::new("table.schema");
    let Some(given) = given else {
        violations.add(at, "is required: a JSON Schema of one row");
        return None;
    };
    let mut found = Violations::new();
    // A member of a Struct takes more bytes than one of JSON text; what is beyond this is not even converted.
    if given.encoded_len() > 4 * schema::MAX_BYTES {
        violations.add(at, format!("is larger than {} bytes as JSON", schema::MAX_BYTES));
        return None;
    }
    let schema = json::from_struct(given, &at, &mut found);
    // What was no JSON is missing from the value; its other parts would be blamed for it.
    if found.is_empty() {
        schema::check(&schema, &at, &mut found);
    }
    let good = found.is_empty();
    violations.extend(found.into_vec());
    good.then_some(schema)
}

pub(super) fn parse_list(request: &pb::ListTablesRequest) -> Result<(TableScope, Listing)> {
    let mut violations = Violations::new();
    let dataset_id = field::optional_id("dataset_id", request.dataset_id.as_deref(), &mut violations);
    let project_id = field::optional_id("project_id", request.project_id.as_deref(), &mut violations);
    let binding = Binding::new("ListTables")
        .with("dataset_id", request.dataset_id.as_deref().unwrap_or_default())
        .with("project_id", request.project_id.as_deref().unwrap_or_default())
        .with("show_archived", request.show_archived);
    let listing = Listing::parse(&TABLE_FIELDS, binding, list_request!(request), &mut violations);
    let show_archived = request.show_archived;
    let scope = || {
        Some(TableScope {
            dataset_id: dataset_id?,
            project_id: project_id?,
            show_archived,
        })
    };
    field::finish(violations, scope().zip(listing))
}

pub(super) fn parse_update(request: pb::UpdateTableRequest) -> Result<Update> {
    let mut violations = Violations::new();
    let replay = mutation::replay("UpdateTable", &request.request_id, &request, &mut violations);
    let table = field::required("table", request.table, &mut violations);
    let id = field::id("table.id", &table.id, &mut violations);
    let is_set = |field: &str| match field {
        "dataset_id" => !table.dataset_id.is_empty(),
        "name" => !table.name.is_empty(),
        _ => table.schema.is_some(),
    };
    let mask = FIELDS.parse(request.update_mask.as_ref(), is_set, &mut violations);
    let writes = |field| mask.as_ref().is_some_and(|mask: &Mask| mask.contains(field));
    let mut changes = TableChanges::default();
    if writes("dataset_id") {
        changes.dataset_id = field::id("table.dataset_id", &table.dataset_id, &mut violations);
    }
    if writes("name") {
        changes.name = violations.take("table.name", text::identifier(&table.name));
    }
    if writes("schema") {
        changes.schema = parse_schema(table.schema.as_ref(), &mut violations);
    }
    field::finish(
        violations,
        id.map(|id| Update {
            id,
            etag: table.etag,
            changes,
            replay,
        }),
    )
}

pub(super) fn reply(row: TableRow) -> Result<pb::Table> {
    let (etag, id, created_at) = (etag(&row)?, row.id.to_string(), row.created_at);
    Ok(pb::Table {
        etag,
        id,
        created_at: created_at.map(field::timestamp),
        ..reply_unmade(row)
    })
}

/// A table that was checked and not made: it has no id, no time and no state yet.
pub(super) fn reply_unmade(row: TableRow) -> pb::Table {
    pb::Table {
        id: String::new(),
        tenant_id: row.tenant_id.to_string(),
        dataset_id: row.dataset_id.to_string(),
        name: row.name,
        schema: Some(json::to_struct(&row.schema)),
        created_at: None,
        archived_at: row.archived_at.map(field::timestamp),
        etag: String::new(),
    }
}
