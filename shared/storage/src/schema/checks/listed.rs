use std::borrow::Borrow;

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use serde_json::{Map, Value};

use super::{Report, failing};
use crate::read::value;
use crate::schema::parse::Violations;
use crate::schema::{ColumnType, path};

/// A list of allowed values longer than this is a table of its own.
const MAX_LISTED: usize = 10_000;

/// `enum` or `const`: the allowed values, sorted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Listed {
    Text(Texts),
    /// Integers, days and microseconds alike.
    Whole(Vec<i64>),
    /// In units of the column's scale.
    Decimal(Vec<i128>),
    Number(Vec<f64>),
    Boolean(Vec<bool>),
}

/// Texts by length, then by content: most texts that are not among them differ in length, and comparing
/// two of one length is cheap.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Texts(Vec<String>);

impl Texts {
    fn new(mut texts: Vec<String>) -> Self {
        texts.sort_unstable_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
        Self(texts)
    }

    fn contains(&self, text: &str) -> bool {
        let key = (text.len(), text);
        self.0
            .binary_search_by(|it| (it.len(), it.as_str()).cmp(&key))
            .is_ok()
    }
}

impl Listed {
    /// The list, and whether null is on it or there is none.
    pub(super) fn parse(
        keywords: &Map<String, Value>,
        column_type: &ColumnType,
        at: &str,
        violations: &mut Violations,
    ) -> (Option<Self>, bool) {
        let (keyword, values) = match (keywords.get("enum"), keywords.get("const")) {
            (Some(_), Some(_)) => {
                violations.push(path::member(at, "const"), "cannot be combined with enum");
                return (None, true);
            }
            (Some(Value::Array(values)), None) => ("enum", values.as_slice()),
            (None, Some(value)) => ("const", std::slice::from_ref(value)),
            _ => return (None, true),
        };
        let at = path::member(at, keyword);
        let listed = listed(values, column_type, &at, keyword == "const", violations);
        (listed, values.contains(&Value::Null))
    }

    pub(super) fn run(&self, column: &dyn Array, report: &mut Report<'_>) {
        let tell = |row| report(row, "is not one of the allowed values".to_owned());
        match self {
            Self::Text(list) => {
                let values = column.as_string::<i32>();
                failing(column, |row| !list.contains(values.value(row)), tell);
            }
            Self::Number(list) => {
                let values = column.as_primitive::<Float64Type>().values();
                failing(column, |row| !holds_double(list, values[row]), tell);
            }
            Self::Boolean(list) => {
                let values = column.as_boolean();
                failing(column, |row| !list.contains(&values.value(row)), tell);
            }
            Self::Decimal(list) => {
                let values = column.as_primitive::<Decimal128Type>().values();
                failing(column, |row| !holds(list, values[row]), tell);
            }
            Self::Whole(list) => {
                if let Some(values) = column.as_primitive_opt::<Int64Type>() {
                    failing(column, |row| !holds(list, values.value(row)), tell);
                } else if let Some(values) = column.as_primitive_opt::<Date32Type>() {
                    failing(column, |row| !holds(list, i64::from(values.value(row))), tell);
                } else if let Some(values) = column.as_primitive_opt::<Time64MicrosecondType>() {
                    failing(column, |row| !holds(list, values.value(row)), tell);
                } else {
                    let values = column.as_primitive::<TimestampMicrosecondType>();
                    failing(column, |row| !holds(list, values.value(row)), tell);
                }
            }
        }
    }
}

fn holds<T: Ord>(list: &[T], value: impl Borrow<T>) -> bool {
    list.binary_search(value.borrow()).is_ok()
}

/// 0 and -0 are one number.
fn holds_double(list: &[f64], value: f64) -> bool {
    list.binary_search_by(|it| it.total_cmp(&(value + 0.0))).is_ok()
}

fn listed(
    values: &[Value],
    column_type: &ColumnType,
    at: &str,
    alone: bool,
    violations: &mut Violations,
) -> Option<Listed> {
    if column_type.is_nested() || *column_type == ColumnType::Bytes {
        return None;
    }
    if values.len() > MAX_LISTED {
        violations.push(at, format!("lists more than {MAX_LISTED} values"));
        return None;
    }
    let (mut texts, mut wholes, mut decimals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut numbers, mut booleans) = (Vec::new(), Vec::new());
    for (index, given) in values.iter().enumerate() {
        let mut text = |it: String| texts.push(it);
        let taken = match (column_type, given) {
            (_, Value::Null) => Some(()),
            (ColumnType::Text, Value::String(given)) => {
                text(given.clone());
                Some(())
            }
            (ColumnType::Uuid, Value::String(given)) => {
                let canonical = value::parse_uuid(given).ok();
                canonical.map(|it| text(String::from_utf8_lossy(&it).into_owned()))
            }
            (ColumnType::Boolean, Value::Bool(given)) => {
                booleans.push(*given);
                Some(())
            }
            (ColumnType::Date, Value::String(given)) => {
                value::parse_date(given).ok().map(|day| wholes.push(day.into()))
            }
            (ColumnType::DateTime, Value::String(given)) => value::parse_date_time(given)
                .ok()
                .map(|micros| wholes.push(micros)),
            (ColumnType::Time, Value::String(given)) => {
                value::parse_time(given).ok().map(|micros| wholes.push(micros))
            }
            (ColumnType::Decimal { precision, scale }, Value::String(given)) => {
                let units = value::parse_decimal(given, *precision, *scale).ok();
                units.map(|units| decimals.push(units))
            }
            (ColumnType::Decimal { precision, scale }, Value::Number(given)) => {
                let units = value::parse_decimal(&given.to_string(), *precision, *scale).ok();
                units.map(|units| decimals.push(units))
            }
            (ColumnType::Integer, Value::Number(given)) => whole(given).map(|it| wholes.push(it)),
            (ColumnType::Number, Value::Number(given)) => {
                given.as_f64().map(|double| numbers.push(double + 0.0))
            }
            _ => None,
        };
        if taken.is_none() {
            let at = if alone {
                at.to_owned()
            } else {
                path::element(at, index)
            };
            violations.push(at, format!("is no value of the type {}", column_type.name()));
        }
    }
    wholes.sort_unstable();
    decimals.sort_unstable();
    numbers.sort_unstable_by(f64::total_cmp);
    Some(match column_type {
        ColumnType::Integer | ColumnType::Date | ColumnType::DateTime | ColumnType::Time => {
            Listed::Whole(wholes)
        }
        ColumnType::Decimal { .. } => Listed::Decimal(decimals),
        ColumnType::Number => Listed::Number(numbers),
        ColumnType::Boolean => Listed::Boolean(booleans),
        _ => Listed::Text(Texts::new(texts)),
    })
}

/// `2.0` is an integer in JSON Schema.
pub(super) fn whole(number: &serde_json::Number) -> Option<i64> {
    crate::schema::exact::Exact::of(number)
        .and_then(|it| it.exact_units(0))
        .and_then(|units| i64::try_from(units).ok())
}
