use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use serde_json::{Map, Value};

use super::parse::Violations;
use super::{ColumnType, path};
use crate::read::value;

/// A list of allowed values longer than this is a table of its own.
const MAX_LISTED: usize = 10_000;

/// What the values of a column must satisfy beyond their type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checks {
    length: Option<(u64, u64)>,
    integer_range: Option<(i64, i64)>,
    number_range: Option<NumberRange>,
    listed: Option<Listed>,
}

#[derive(Clone, Debug, PartialEq)]
struct NumberRange {
    low: f64,
    low_exclusive: bool,
    high: f64,
    high_exclusive: bool,
}

/// Allowed values, sorted.
#[derive(Clone, Debug, PartialEq)]
enum Listed {
    Text(Vec<String>),
    /// Integers, days and microseconds alike.
    Whole(Vec<i64>),
    Number(Vec<f64>),
    Boolean(Vec<bool>),
}

impl Checks {
    pub(super) const KEYWORDS: [&str; 8] = [
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
    ];

    /// Reads the checks of a property, and whether null passes its list of values.
    pub(super) fn parse(
        keywords: &Map<String, Value>,
        column_type: ColumnType,
        at: &str,
        violations: &mut Violations,
    ) -> (Self, bool) {
        let mut checks = Self::default();
        let numeric = matches!(column_type, ColumnType::Integer | ColumnType::Number);
        let refuse = |keyword: &str, applies: bool, violations: &mut Violations| {
            let given = keywords.contains_key(keyword);
            if given && !applies {
                let reason = format!("does not apply to the type {}", column_type.name());
                violations.push(path::member(at, keyword), reason);
            }
            given && applies
        };
        for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            if refuse(keyword, numeric, violations)
                && let Some(bound) = keywords.get(keyword).and_then(Value::as_f64)
            {
                checks.narrow(column_type, keyword, bound);
            }
        }
        for keyword in ["minLength", "maxLength"] {
            if refuse(keyword, column_type == ColumnType::Text, violations)
                && let Some(bound) = keywords.get(keyword).and_then(Value::as_f64)
            {
                let (low, high) = checks.length.get_or_insert((0, u64::MAX));
                // A float beyond the range of the type is cut to its end.
                *(if keyword == "minLength" { low } else { high }) = bound as u64;
            }
        }
        let list = match (keywords.get("enum"), keywords.get("const")) {
            (Some(_), Some(_)) => {
                violations.push(path::member(at, "const"), "cannot be combined with enum");
                return (checks, true);
            }
            (Some(Value::Array(values)), None) => Some(("enum", values.as_slice())),
            (None, Some(value)) => Some(("const", std::slice::from_ref(value))),
            _ => None,
        };
        let Some((keyword, values)) = list else {
            return (checks, true);
        };
        let at = path::member(at, keyword);
        checks.listed = listed(values, column_type, &at, keyword == "const", violations);
        (checks, values.contains(&Value::Null))
    }

    fn narrow(&mut self, column_type: ColumnType, keyword: &str, bound: f64) {
        let exclusive = keyword.starts_with("exclusive");
        let lower = keyword.ends_with("inimum");
        if column_type == ColumnType::Integer {
            let (low, high) = self.integer_range.get_or_insert((i64::MIN, i64::MAX));
            if lower {
                let least = if exclusive {
                    bound.floor() + 1.0
                } else {
                    bound.ceil()
                };
                *low = (*low).max(least as i64);
            } else {
                let most = if exclusive {
                    bound.ceil() - 1.0
                } else {
                    bound.floor()
                };
                *high = (*high).min(most as i64);
            }
            return;
        }
        let range = self.number_range.get_or_insert(NumberRange {
            low: f64::NEG_INFINITY,
            low_exclusive: false,
            high: f64::INFINITY,
            high_exclusive: false,
        });
        // Of two bounds on one side the tighter counts.
        if lower && (bound > range.low || (exclusive && bound == range.low)) {
            (range.low, range.low_exclusive) = (bound, exclusive);
        } else if !lower && (bound < range.high || (exclusive && bound == range.high)) {
            (range.high, range.high_exclusive) = (bound, exclusive);
        }
    }

    /// Whether every value passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reports every row of `column` (of the column's own Arrow type) whose value does not pass.
    pub(crate) fn run(&self, column: &ArrayRef, mut report: impl FnMut(usize, String)) {
        let rows = || (0..column.len()).filter(|row| column.is_valid(*row));
        if let Some((low, high)) = self.length {
            let texts = column.as_string::<i32>();
            for row in rows() {
                let length = texts.value(row).chars().count() as u64;
                if length < low {
                    report(row, format!("has {length} characters, must have at least {low}"));
                } else if length > high {
                    report(row, format!("has {length} characters, may have at most {high}"));
                }
            }
        }
        if let Some((low, high)) = self.integer_range {
            let values = column.as_primitive::<Int64Type>();
            for row in rows() {
                if values.value(row) < low {
                    report(row, format!("must be at least {low}"));
                } else if values.value(row) > high {
                    report(row, format!("must be at most {high}"));
                }
            }
        }
        if let Some(range) = &self.number_range {
            let values = column.as_primitive::<Float64Type>();
            for row in rows() {
                if let Some(fault) = range.fault(values.value(row)) {
                    report(row, fault);
                }
            }
        }
        if let Some(listed) = &self.listed {
            let contains = listed.of(column);
            for row in rows().filter(|row| !contains(*row)) {
                report(row, "is not one of the allowed values".to_owned());
            }
        }
    }
}

impl NumberRange {
    fn fault(&self, value: f64) -> Option<String> {
        if value < self.low || (self.low_exclusive && value <= self.low) {
            let than = if self.low_exclusive {
                "more than"
            } else {
                "at least"
            };
            return Some(format!("must be {than} {}", self.low));
        }
        if value > self.high || (self.high_exclusive && value >= self.high) {
            let than = if self.high_exclusive {
                "less than"
            } else {
                "at most"
            };
            return Some(format!("must be {than} {}", self.high));
        }
        None
    }
}

impl Listed {
    /// Whether the value in a row of the column is listed.
    fn of<'a>(&'a self, column: &'a ArrayRef) -> Box<dyn Fn(usize) -> bool + 'a> {
        match self {
            Self::Text(list) => {
                let values = column.as_string::<i32>();
                Box::new(move |row| {
                    list.binary_search_by(|it| it.as_str().cmp(values.value(row)))
                        .is_ok()
                })
            }
            Self::Number(list) => {
                let values = column.as_primitive::<Float64Type>();
                Box::new(move |row| list.contains(&values.value(row)))
            }
            Self::Boolean(list) => {
                let values = column.as_boolean();
                Box::new(move |row| list.contains(&values.value(row)))
            }
            Self::Whole(list) => {
                let listed = move |value: i64| list.binary_search(&value).is_ok();
                if let Some(values) = column.as_primitive_opt::<Int64Type>() {
                    Box::new(move |row| listed(values.value(row)))
                } else if let Some(values) = column.as_primitive_opt::<Date32Type>() {
                    Box::new(move |row| listed(i64::from(values.value(row))))
                } else {
                    let values = column.as_primitive::<TimestampMicrosecondType>();
                    Box::new(move |row| listed(values.value(row)))
                }
            }
        }
    }
}

fn listed(
    values: &[Value],
    column_type: ColumnType,
    at: &str,
    alone: bool,
    violations: &mut Violations,
) -> Option<Listed> {
    if values.len() > MAX_LISTED {
        violations.push(at, format!("lists more than {MAX_LISTED} values"));
        return None;
    }
    let mut texts = Vec::new();
    let mut wholes = Vec::new();
    let mut numbers = Vec::new();
    let mut booleans = Vec::new();
    for (index, given) in values.iter().enumerate() {
        let taken = match (column_type, given) {
            (_, Value::Null) => true,
            (ColumnType::Text, Value::String(text)) => {
                texts.push(text.clone());
                true
            }
            (ColumnType::Boolean, Value::Bool(boolean)) => {
                booleans.push(*boolean);
                true
            }
            (ColumnType::Date, Value::String(text)) => value::parse_date(text)
                .map(|day| wholes.push(i64::from(day)))
                .is_ok(),
            (ColumnType::DateTime, Value::String(text)) => value::parse_date_time(text)
                .map(|micros| wholes.push(micros))
                .is_ok(),
            (ColumnType::Integer, Value::Number(number)) => whole(number).map(|it| wholes.push(it)).is_some(),
            (ColumnType::Number, Value::Number(number)) => {
                number.as_f64().map(|it| numbers.push(it)).is_some()
            }
            _ => false,
        };
        if !taken {
            let at = if alone {
                at.to_owned()
            } else {
                path::element(at, index)
            };
            violations.push(at, format!("is no value of the type {}", column_type.name()));
        }
    }
    texts.sort_unstable();
    wholes.sort_unstable();
    Some(match column_type {
        ColumnType::Text | ColumnType::Pseudonym => Listed::Text(texts),
        ColumnType::Date | ColumnType::DateTime | ColumnType::Integer => Listed::Whole(wholes),
        ColumnType::Number => Listed::Number(numbers),
        ColumnType::Boolean => Listed::Boolean(booleans),
    })
}

/// `2.0` is an integer in JSON Schema.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let of_double = || {
        number
            .as_f64()
            .filter(|double| double.fract() == 0.0)
            .map(|double| double as i64)
    };
    number.as_i64().or_else(of_double)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};
    use serde_json::json;

    use super::super::TableSchema;
    use super::*;

    fn faulty_rows(property: Value, column: ArrayRef) -> Vec<usize> {
        let document = json!({ "type": "object", "properties": { "a": property } });
        let schema = TableSchema::parse(&document).unwrap();
        let mut rows = Vec::new();
        schema.columns()[0].checks.run(&column, |row, _| rows.push(row));
        rows
    }

    #[test]
    fn bounds_are_inclusive_or_not_as_they_say() {
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(9), Some(10)]));
        let property = json!({ "type": "integer", "minimum": 1.5, "exclusiveMaximum": 10 });
        assert_eq!(faulty_rows(property, Arc::clone(&whole)), [0, 4]);
        let property = json!({ "type": "integer", "exclusiveMinimum": 1, "maximum": 9.9 });
        assert_eq!(faulty_rows(property, whole), [0, 4]);
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![0.0, 0.1, 1.0]));
        let property = json!({ "type": "number", "exclusiveMinimum": 0, "minimum": -5, "maximum": 0.5 });
        assert_eq!(faulty_rows(property, numbers), [0, 2]);
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["äöü", "abcd", ""]));
        assert_eq!(
            faulty_rows(json!({ "type": "string", "minLength": 1, "maxLength": 3 }), texts),
            [1, 2]
        );
    }

    #[test]
    fn lists_hold_values_of_every_type() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some("c"), None]));
        assert_eq!(
            faulty_rows(json!({ "type": "string", "enum": ["b", "a", null] }), texts),
            [1]
        );
        let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 1]));
        let property = json!({ "type": "string", "format": "date", "const": "1970-01-02" });
        assert_eq!(faulty_rows(property, days), [0]);
    }

    #[test]
    fn checks_that_do_not_fit_the_type_are_named() {
        let document = json!({ "type": "object", "properties": {
            "a": { "type": "string", "minimum": 1 },
            "b": { "type": "integer", "enum": [1, "2"], "maxLength": 3 },
            "c": { "type": "boolean", "const": 1 },
        } });
        let paths: Vec<String> = TableSchema::parse(&document)
            .unwrap_err()
            .into_iter()
            .map(|it| it.path)
            .collect();
        assert_eq!(
            paths,
            [
                "$.properties.a.minimum",
                "$.properties.b.maxLength",
                "$.properties.b.enum[1]",
                "$.properties.c.const",
            ]
        );
    }
}
