//! Rows and domain values as messages.

use datacovey_error::{Error, Result};
use datacovey_list::etag;
use datacovey_persistence::{QueryHistoryRow, QueryJobView, QueryRow};
use datacovey_proto::query::v1 as pb;
use datacovey_server::field::timestamp;
use datacovey_types::QueryJobStatus;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::budgets::cost;
use crate::domain::effective::{EffectivePolicy, Part};
use crate::domain::figures::whole;
use crate::domain::output::OutputColumn;
use crate::domain::violation::Violation;
use crate::flow::ask::{Checked, NamedTable};

pub(super) fn query(row: QueryRow) -> Result<pb::Query> {
    Ok(pb::Query {
        etag: etag(&row)?,
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        project_id: row.project_id.to_string(),
        query_text: row.query_text,
        created_at: row.created_at.map(timestamp),
        archived_at: row.archived_at.map(timestamp),
    })
}

pub(super) fn query_history(row: QueryHistoryRow) -> Result<pb::QueryHistoryEntry> {
    let action = pb::HistoryAction::from_str_name(&format!("HISTORY_ACTION_{}", row.action))
        .ok_or_else(|| Error::internal(format!("an unknown action of a history: {}", row.action)))?;
    Ok(pb::QueryHistoryEntry {
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        project_id: row.project_id.to_string(),
        query_text: row.query_text,
        created_at: row.created_at.map(timestamp),
        changed_at: row.changed_at.map(timestamp),
        action: action.into(),
    })
}

pub(super) fn query_job(view: QueryJobView) -> pb::QueryJob {
    let QueryJobView {
        job,
        project_id,
        query_text,
        run,
        result,
    } = view;
    let asked = |name| run.as_ref().and_then(|run| run.options.get(name));
    let text = asked("query_text")
        .and_then(|text| text.as_str())
        .map_or(query_text, ToOwned::to_owned);
    let parameters = asked("parameters")
        .and_then(|it| it.as_object())
        .filter(|it| !it.is_empty())
        .map(|given| Struct {
            fields: given
                .iter()
                .map(|(name, value)| (name.clone(), json(value.clone())))
                .collect(),
        });
    let columns = result
        .as_ref()
        .map(|result| columns(&result.schema))
        .unwrap_or_default();
    let violations = job.error_details.as_ref().map(violations).unwrap_or_default();
    pb::QueryJob {
        id: job.id.to_string(),
        tenant_id: job.tenant_id.to_string(),
        query_id: job.query_id.to_string(),
        project_id: project_id.to_string(),
        query_text: text,
        bigquery_job_id: job.bigquery_job_id,
        state: state(&job.status).into(),
        error_result: job.error_result.map(json),
        error_details: job.error_details.map(json),
        created: job.created.map(timestamp),
        started: job.started.map(timestamp),
        ended: job.ended.map(timestamp),
        total_rows: job.total_rows,
        total_bytes_processed: job.total_bytes_processed,
        total_slot_ms: job.total_slot_ms,
        cache_hit: job.cache_hit,
        dml_stats: job.dml_stats.map(json),
        query_plan: job.query_plan.map(json),
        timeline: job.timeline.map(json),
        destination_table: job.destination_table.map(json),
        num_dml_affected_rows: job.num_dml_affected_rows,
        script_statistics: job.script_statistics.map(json),
        session_info: job.session_info.map(json),
        transaction_info: job.transaction_info.map(json),
        reservation_usage: job.reservation_usage.map(json),
        created_at: job.created_at.map(timestamp),
        updated_at: job.updated_at.map(timestamp),
        created_by: run
            .as_ref()
            .map(|run| run.created_by.to_string())
            .unwrap_or_default(),
        parameters,
        output_schema: columns,
        results_expire_at: result.map(|result| timestamp(result.expires_at)),
        violations,
    }
}

pub(super) fn output_column(column: OutputColumn) -> pb::OutputColumn {
    pb::OutputColumn {
        name: column.name,
        r#type: column.sql_type,
        nullable: column.nullable,
    }
}

pub(super) fn violation(violation: Violation) -> pb::Violation {
    pb::Violation {
        code: violation_code(&violation.code).into(),
        rule: violation.rule,
        message: violation.message,
        table: violation.table.unwrap_or_default(),
        column: violation.column.unwrap_or_default(),
        position: violation.position.map(|at| pb::Position {
            line: count(at.line),
            column: count(at.column),
            offset: count(at.offset),
            length: 0,
        }),
        rewrite: violation.rewrite.unwrap_or_default(),
    }
}

pub(super) fn checked(checked: Checked) -> pb::CheckQueryResponse {
    pb::CheckQueryResponse {
        allowed: checked.violations.is_empty(),
        violations: checked.violations.into_iter().map(violation).collect(),
        output_schema: checked.columns.into_iter().map(output_column).collect(),
        tables: checked.tables.into_iter().map(referenced).collect(),
        size_class_bytes: whole(checked.size_class_bytes),
        effective_policy: checked.policy.map(effective),
        costs: checked.costs.iter().map(cost).collect(),
    }
}

pub(super) fn effective(policy: EffectivePolicy) -> pb::EffectivePolicy {
    let part = |part: Part| pb::EffectivePart {
        part: part.name,
        value: Some(json(part.value)),
        tables: part.tables,
    };
    pb::EffectivePolicy {
        min_units: whole(policy.min_units),
        max_share: policy.max_share,
        round_to: whole(policy.round_to),
        approval_required: policy.approval_required,
        parts: policy.parts.into_iter().map(part).collect(),
    }
}

pub(super) fn referenced(table: NamedTable) -> pb::ReferencedTable {
    pb::ReferencedTable {
        table_id: table.id.to_string(),
        name: table.name,
        owner_tenant_id: table.owner.to_string(),
    }
}

/// Jobs that are plain data may hold any word; such a state is none that is sent.
fn state(status: &str) -> pb::QueryJobState {
    match status.parse() {
        Ok(QueryJobStatus::Pending) => pb::QueryJobState::Pending,
        Ok(QueryJobStatus::Running) => pb::QueryJobState::Running,
        Ok(QueryJobStatus::Done) => pb::QueryJobState::Done,
        Ok(QueryJobStatus::Error) => pb::QueryJobState::Error,
        Err(_) => pb::QueryJobState::Unspecified,
    }
}

fn columns(stored: &serde_json::Value) -> Vec<pb::OutputColumn> {
    let columns = serde_json::from_value::<Vec<OutputColumn>>(stored.clone()).unwrap_or_default();
    columns.into_iter().map(output_column).collect()
}

fn violations(details: &serde_json::Value) -> Vec<pb::Violation> {
    let stored = details.get("violations").cloned().unwrap_or_default();
    let violations = serde_json::from_value::<Vec<Violation>>(stored).unwrap_or_default();
    violations.into_iter().map(violation).collect()
}

/// The compiler's codes as the API numbers them.
fn violation_code(code: &str) -> pb::ViolationCode {
    use pb::ViolationCode as Code;
    match code {
        "SYNTAX" => Code::Syntax,
        "TOO_LARGE" => Code::TooLarge,
        "STATEMENT_NOT_ALLOWED" => Code::UnsupportedStatement,
        "CLAUSE_NOT_SUPPORTED" => Code::UnsupportedClause,
        "UNKNOWN_TABLE" => Code::UnknownTable,
        "UNKNOWN_COLUMN" => Code::UnknownColumn,
        "PARAMETER" => Code::Parameter,
        "INVALID_QUERY" | "INVALID_LITERAL" => Code::TypeError,
        "COLUMN_USE" => Code::ColumnUse,
        "EXPRESSION_NOT_ALLOWED" => Code::UnsupportedExpression,
        "FUNCTION_NOT_ALLOWED" => Code::UnsupportedFunction,
        "ROW_OUTPUT" => Code::NotAggregated,
        "JOIN_NOT_ALLOWED" | "ABSENCE" => Code::JoinKind,
        "JOIN_KEY" => Code::JoinKey,
        "NOT_UNIQUE" => Code::JoinNotUnique,
        "OWN_VALUES" => Code::OwnArgument,
        "AGGREGATE_NOT_ALLOWED" => Code::AggregateNotAllowed,
        "SET_OPERATION" => Code::SetOperation,
        "SUBQUERY" => Code::Subquery,
        "BELOW_RELEASE" => Code::BelowRelease,
        "APPROVAL_REQUIRED" => Code::ApprovalMissing,
        "BUDGET_SPENT" => Code::BudgetSpent,
        "MECHANISM_NOT_AVAILABLE" => Code::Mechanism,
        _ => Code::Unspecified,
    }
}

fn json(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(value),
        serde_json::Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(value) => Kind::StringValue(value),
        serde_json::Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(json).collect(),
        }),
        serde_json::Value::Object(_) => Kind::StructValue(object(value)),
    };
    Value { kind: Some(kind) }
}

/// The members of an object; none of what is no object.
pub(super) fn object(value: serde_json::Value) -> Struct {
    let serde_json::Value::Object(fields) = value else {
        return Struct::default();
    };
    Struct {
        fields: fields
            .into_iter()
            .map(|(key, value)| (key, json(value)))
            .collect(),
    }
}

fn count(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use datacovey_privacy::ViolationCode;

    use super::*;

    #[test]
    fn every_code_of_the_compiler_has_a_number() {
        for code in ViolationCode::ALL {
            assert_ne!(
                violation_code(code.as_str()),
                pb::ViolationCode::Unspecified,
                "{code}"
            );
        }
    }
}
