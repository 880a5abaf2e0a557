use serde_json::{Map, Value};

use super::parse::Violations;
use super::{ColumnType, path};

/// `x-unique`: no two rows of the table have the same value. Null is no value and may repeat.
pub(super) fn parse(
    keywords: &Map<String, Value>,
    column_type: &ColumnType,
    at: &str,
    depth: usize,
    violations: &mut Violations,
) -> bool {
    let Some(value) = keywords.get("x-unique") else {
        return false;
    };
    let at = path::member(at, "x-unique");
    // Of these, equal values are equal bytes.
    let is_key = matches!(
        column_type,
        ColumnType::Text
            | ColumnType::Uuid
            | ColumnType::Integer
            | ColumnType::Decimal { .. }
            | ColumnType::Date
            | ColumnType::DateTime
    );
    if !is_key || depth > 0 {
        violations.push(
            at,
            "only a column of its own can be unique, and only a string, uuid, integer, decimal, date or date-time",
        );
        return false;
    }
    match value.as_bool() {
        Some(unique) => unique,
        None => {
            violations.push(at, "must be true or false");
            false
        }
    }
}
