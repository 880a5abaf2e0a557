//! Histories between their messages and their rows.

use datacovey_error::{Error, Result, Violations};
use datacovey_list::{Binding, Fields, ListRequest, Listing, list_request};
use datacovey_persistence::{
    DATASET_HISTORY_FIELDS, DatasetHistoryRow, TABLE_HISTORY_FIELDS, TableHistoryRow,
};
use datacovey_proto::catalog::v1 as pb;
use uuid::Uuid;

use super::field;
use crate::domain::json;

pub(super) fn parse_dataset(request: &pb::ListDatasetHistoryRequest) -> Result<(Uuid, Listing)> {
    parse(
        ("ListDatasetHistory", "dataset_id"),
        &request.dataset_id,
        &DATASET_HISTORY_FIELDS,
        list_request!(request, fixed_order),
    )
}

pub(super) fn parse_table(request: &pb::ListTableHistoryRequest) -> Result<(Uuid, Listing)> {
    parse(
        ("ListTableHistory", "table_id"),
        &request.table_id,
        &TABLE_HISTORY_FIELDS,
        list_request!(request, fixed_order),
    )
}

fn parse(
    (method, field): (&str, &str),
    id: &str,
    fields: &'static Fields,
    list: ListRequest<'_>,
) -> Result<(Uuid, Listing)> {
    let mut violations = Violations::new();
    let binding = Binding::new(method).with(field, id);
    let id = field::id(field, id, &mut violations);
    let listing = Listing::parse_newest_first(fields, binding, list, &mut violations);
    field::finish(violations, id.zip(listing))
}

pub(super) fn reply_dataset(row: DatasetHistoryRow) -> Result<pb::DatasetHistoryEntry> {
    Ok(pb::DatasetHistoryEntry {
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        project_id: row.project_id.to_string(),
        name: row.name,
        description: row.description,
        created_at: row.created_at.map(field::timestamp),
        changed_at: row.changed_at.map(field::timestamp),
        action: action(&row.action)?.into(),
    })
}

pub(super) fn reply_table(row: TableHistoryRow) -> Result<pb::TableHistoryEntry> {
    Ok(pb::TableHistoryEntry {
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        dataset_id: row.dataset_id.to_string(),
        name: row.name,
        schema: Some(json::to_struct(&row.schema)),
        created_at: row.created_at.map(field::timestamp),
        changed_at: row.changed_at.map(field::timestamp),
        action: action(&row.action)?.into(),
    })
}

fn action(word: &str) -> Result<pb::HistoryAction> {
    pb::HistoryAction::from_str_name(&format!("HISTORY_ACTION_{word}"))
        .ok_or_else(|| Error::internal(format!("an unknown action of a history: {word}")))
}
