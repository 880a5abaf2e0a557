//! Histories between their messages and their rows.

use datacovey_error::{Error, Result, Violations};
use datacovey_list::{Binding, Fields, ListRequest, Listing, list_request};
use datacovey_persistence::{
    EXPORT_JOB_HISTORY_FIELDS, ExportJobHistoryRow, IMPORT_JOB_HISTORY_FIELDS, ImportJobHistoryRow,
};
use datacovey_proto::transfer::v1 as pb;
use uuid::Uuid;

use super::{field, message};

pub(super) fn parse_import(request: &pb::ListImportJobHistoryRequest) -> Result<(Uuid, Listing)> {
    parse(
        ("ListImportJobHistory", "import_job_id"),
        &request.import_job_id,
        &IMPORT_JOB_HISTORY_FIELDS,
        list_request!(request, fixed_order),
    )
}

pub(super) fn parse_export(request: &pb::ListExportJobHistoryRequest) -> Result<(Uuid, Listing)> {
    parse(
        ("ListExportJobHistory", "export_job_id"),
        &request.export_job_id,
        &EXPORT_JOB_HISTORY_FIELDS,
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

pub(super) fn reply_import(row: ImportJobHistoryRow) -> Result<pb::ImportJobHistoryEntry> {
    Ok(pb::ImportJobHistoryEntry {
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        table_id: row.table_id.to_string(),
        state: message::state(&row.status)?.into(),
        created_at: row.created_at.map(field::timestamp),
        changed_at: row.changed_at.map(field::timestamp),
        action: action(&row.action)?.into(),
    })
}

pub(super) fn reply_export(row: ExportJobHistoryRow) -> Result<pb::ExportJobHistoryEntry> {
    Ok(pb::ExportJobHistoryEntry {
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        table_id: row.table_id.to_string(),
        state: message::state(&row.status)?.into(),
        created_at: row.created_at.map(field::timestamp),
        changed_at: row.changed_at.map(field::timestamp),
        action: action(&row.action)?.into(),
    })
}

fn action(word: &str) -> Result<pb::HistoryAction> {
    pb::HistoryAction::from_str_name(&format!("HISTORY_ACTION_{word}"))
        .ok_or_else(|| Error::internal(format!("an unknown action of a history: {word}")))
}
