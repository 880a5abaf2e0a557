//! The types of columns, read from `type`, `format` and what goes with them.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::checks::Checks;
use super::parse::{self, Violations};
use super::{ColumnType, ObjectType, path};

/// Lists and objects within each other deeper than this are refused.
const MAX_DEPTH: usize = 8;
const MAX_PRECISION: u64 = 38;

/// Keywords that make a type, each for some types only.
pub(super) const KEYWORDS: [&str; 9] = [
    "type",
    "format",
    "contentEncoding",
    "x-precision",
    "x-scale",
    "items",
    "properties",
    "required",
    "additionalProperties",
];

/// The column's type, and whether it includes null. `depth` counts the lists and objects around it.
pub(super) fn column_type(
    keywords: &Map<String, Value>,
    at: &str,
    depth: usize,
    violations: &mut Violations,
) -> Option<(ColumnType, bool)> {
    let type_at = path::member(at, "type");
    let names: Vec<&str> = match keywords.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let null_allowed = names.contains(&"null");
    let mut values = names.iter().filter(|name| **name != "null");
    let (Some(name), None) = (values.next(), values.next()) else {
        violations.push(
            type_at,
            "must be one type, or one type and null: [\"string\", \"null\"]",
        );
        return None;
    };
    if matches!(*name, "array" | "object") && depth >= MAX_DEPTH {
        violations.push(
            type_at,
            format!("is more than {MAX_DEPTH} arrays and objects within each other"),
        );
        return None;
    }
    let format = keywords.get("format").and_then(Value::as_str);
    let column_type = match (*name, format) {
        ("string", None) => text(keywords, at, violations)?,
        ("string", Some("date")) => ColumnType::Date,
        ("string", Some("date-time")) => ColumnType::DateTime,
        ("string", Some("time")) => ColumnType::Time,
        ("string", Some("uuid")) => ColumnType::Uuid,
        ("string", Some("byte")) => ColumnType::Bytes,
        ("string", Some(format)) if Checks::is_text_format(format) => ColumnType::Text,
        ("string" | "number", Some("decimal")) => decimal(keywords, at, violations)?,
        ("integer", None) => ColumnType::Integer,
        ("number", None) => ColumnType::Number,
        ("boolean", None) => ColumnType::Boolean,
        ("array", None) => list(keywords, at, depth, violations)?,
        ("object", None) => {
            let object = parse::object(keywords, at, depth + 1, violations);
            ColumnType::Object(Arc::new(object))
        }
        ("string" | "integer" | "number" | "boolean" | "array" | "object", Some(format)) => {
            violations.push(
                path::member(at, "format"),
                format!(
                    "the format {format:?} of the type {name} is not supported by the import; a string may be date, \
                     date-time, time, uuid, email, uri, ipv4, ipv6, byte or decimal, a number decimal"
                ),
            );
            return None;
        }
        (name, _) => {
            violations.push(
                type_at,
                format!(
                    "the type {name} is not supported by the import; use string, integer, number, boolean, array or object"
                ),
            );
            return None;
        }
    };
    refuse_others(keywords, &column_type, at, violations);
    Some((column_type, null_allowed))
}

fn text(keywords: &Map<String, Value>, at: &str, violations: &mut Violations) -> Option<ColumnType> {
    match keywords.get("contentEncoding").map(Value::as_str) {
        None => Some(ColumnType::Text),
        Some(Some("base64")) => Some(ColumnType::Bytes),
        Some(_) => {
            violations.push(path::member(at, "contentEncoding"), "must be \"base64\"");
            None
        }
    }
}

fn decimal(keywords: &Map<String, Value>, at: &str, violations: &mut Violations) -> Option<ColumnType> {
    let digits = |keyword: &str| keywords.get(keyword).map(Value::as_u64);
    let within = |digits: Option<u64>, range: std::ops::RangeInclusive<u64>| {
        digits
            .filter(|it| range.contains(it))
            .and_then(|it| u8::try_from(it).ok())
    };
    let precision = within(digits("x-precision").flatten(), 1..=MAX_PRECISION);
    if precision.is_none() {
        violations.push(
            path::member(at, "x-precision"),
            format!("must be the number of digits of the decimal: 1 to {MAX_PRECISION}"),
        );
    }
    // As in SQL, a decimal without a scale has nothing after the point.
    let most = u64::from(precision.unwrap_or(u8::MAX));
    let scale = match digits("x-scale") {
        None => Some(0),
        Some(scale) => within(scale, 0..=most),
    };
    if scale.is_none() {
        violations.push(
            path::member(at, "x-scale"),
            "must be how many of the digits are after the point: 0 to x-precision",
        );
    }
    Some(ColumnType::Decimal {
        precision: precision?,
        scale: scale?,
    })
}

fn list(
    keywords: &Map<String, Value>,
    at: &str,
    depth: usize,
    violations: &mut Violations,
) -> Option<ColumnType> {
    let at = path::member(at, "items");
    let Some(items) = keywords.get("items") else {
        violations.push(at, "must say the type of the items: {\"type\": \"string\"}");
        return None;
    };
    let item = parse::column("item", items, true, &at, depth + 1, violations)?;
    Some(ColumnType::List(Arc::new(item)))
}

/// Names the keywords that say nothing of the type.
fn refuse_others(
    keywords: &Map<String, Value>,
    column_type: &ColumnType,
    at: &str,
    violations: &mut Violations,
) {
    for keyword in KEYWORDS.iter().filter(|it| keywords.contains_key(**it)) {
        let applies = match *keyword {
            "contentEncoding" => *column_type == ColumnType::Bytes,
            "x-precision" | "x-scale" => matches!(column_type, ColumnType::Decimal { .. }),
            "items" => matches!(column_type, ColumnType::List(_)),
            "properties" | "required" | "additionalProperties" => {
                matches!(column_type, ColumnType::Object(_))
            }
            _ => true,
        };
        if !applies {
            let reason = format!("does not apply to the type {}", column_type.name());
            violations.push(path::member(at, keyword), reason);
        }
    }
}

impl ObjectType {
    /// Columns, with those of objects and lists within.
    pub(super) fn count(&self) -> usize {
        let within = |column_type: &ColumnType| match column_type {
            ColumnType::Object(object) => object.count(),
            ColumnType::List(item) => count_of(&item.column_type),
            _ => 0,
        };
        self.columns.iter().map(|it| 1 + within(&it.column_type)).sum()
    }
}

fn count_of(column_type: &ColumnType) -> usize {
    match column_type {
        ColumnType::Object(object) => object.count(),
        ColumnType::List(item) => count_of(&item.column_type),
        _ => 0,
    }
}
