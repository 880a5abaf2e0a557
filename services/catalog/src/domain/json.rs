//! `google.protobuf.Struct` and JSON: one conversion each way, and what JSON may be stored.

use datacovey_error::Violations;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Number, Value};

use super::path::Path;

/// Deepest nesting of objects and lists, the outermost counted. Messages cannot carry much more.
pub(crate) const MAX_DEPTH: usize = 24;

/// 2^53 - 1: integers up to here are each a 64-bit float of their own. Beyond, neighbours share one,
/// and which was meant is no longer known.
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A Struct as JSON. Its numbers are 64-bit floats: whole ones become integers again.
///
/// Notes all members that are not JSON (NaN, infinities, values without a kind) or too deep.
pub(crate) fn from_struct(given: &Struct, at: &Path, violations: &mut Violations) -> Value {
    object(given, at, 1, violations)
}

fn object(given: &Struct, at: &Path, depth: usize, violations: &mut Violations) -> Value {
    let mut members = Map::new();
    for (name, value) in &given.fields {
        members.insert(
            name.clone(),
            value_at(value, &at.key(name), depth + 1, violations),
        );
    }
    Value::Object(members)
}

fn value_at(given: &prost_types::Value, at: &Path, depth: usize, violations: &mut Violations) -> Value {
    match &given.kind {
        Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(it)) => Value::Bool(*it),
        Some(Kind::StringValue(it)) => Value::String(it.clone()),
        Some(Kind::NumberValue(it)) => number(*it).map_or_else(
            || {
                violations.add(at.to_string(), "NaN and infinities are no JSON numbers");
                Value::Null
            },
            Value::Number,
        ),
        Some(Kind::StructValue(_) | Kind::ListValue(_)) if depth > MAX_DEPTH => {
            violations.add(
                at.to_string(),
                format!("is nested deeper than {MAX_DEPTH} levels"),
            );
            Value::Null
        }
        Some(Kind::StructValue(it)) => object(it, at, depth, violations),
        Some(Kind::ListValue(it)) => {
            let each = |(index, value)| value_at(value, &at.index(index), depth + 1, violations);
            Value::Array(it.values.iter().enumerate().map(each).collect())
        }
        None => {
            violations.add(at.to_string(), "has no value; null is a value of its own");
            Value::Null
        }
    }
}

/// Whole numbers become integers, as they are written in a schema.
fn number(given: f64) -> Option<Number> {
    if given.fract() == 0.0 && given.abs() <= MAX_EXACT_INTEGER {
        // In range and whole, so nothing is cut off.
        #[expect(clippy::cast_possible_truncation, reason = "whole and less than 2^53")]
        return Some(Number::from(given as i64));
    }
    Number::from_f64(given)
}

/// JSON as a Struct; what is not an object becomes an empty one. Integers of 2^53 and more, which no rule
/// here lets in, lose their last digits, for a Struct has no integers.
pub(crate) fn to_struct(given: &Value) -> Struct {
    match given {
        Value::Object(members) => Struct {
            fields: members
                .iter()
                .map(|(name, value)| (name.clone(), to_value(value)))
                .collect(),
        },
        _ => Struct::default(),
    }
}

fn to_value(given: &Value) -> prost_types::Value {
    let kind = match given {
        Value::Null => Kind::NullValue(0),
        Value::Bool(it) => Kind::BoolValue(*it),
        Value::Number(it) => Kind::NumberValue(it.as_f64().unwrap_or_default()),
        Value::String(it) => Kind::StringValue(it.clone()),
        Value::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(to_value).collect(),
        }),
        Value::Object(_) => Kind::StructValue(to_struct(given)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Whether the database and every client can keep the value as it is: notes numbers that change on
/// a round trip, NUL characters (which `jsonb` cannot hold) and too deep nesting.
pub(crate) fn check_storable(given: &Value, at: &Path, violations: &mut Violations) {
    storable_at(given, at, 1, violations);
}

fn storable_at(given: &Value, at: &Path, depth: usize, violations: &mut Violations) {
    match given {
        Value::Null | Value::Bool(_) => {}
        Value::Number(it) => {
            if !survives(it) {
                let why =
                    "does not survive a round trip through a 64-bit float; integers reach to ±(2^53 - 1)";
                violations.add(at.to_string(), why);
            }
        }
        Value::String(it) => {
            if it.contains('\0') {
                violations.add(at.to_string(), "must not contain the NUL character");
            }
        }
        Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => {
            violations.add(
                at.to_string(),
                format!("is nested deeper than {MAX_DEPTH} levels"),
            );
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                storable_at(item, &at.index(index), depth + 1, violations);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.contains('\0') {
                    violations.add(
                        at.to_string(),
                        "has a member whose name contains the NUL character",
                    );
                }
                storable_at(member, &at.key(name), depth + 1, violations);
            }
        }
    }
}

/// `jsonb` keeps numbers as decimals and writes them without an exponent; readers take 64-bit floats.
fn survives(number: &Number) -> bool {
    let Some(float) = number.as_f64() else {
        return false;
    };
    // Rounding to a float never brings a larger integer below 2^53.
    let exact = float.fract() != 0.0 || float.abs() <= MAX_EXACT_INTEGER;
    let read_again = serde_json::from_str::<f64>(&format!("{float}")).ok();
    exact && read_again == Some(float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn violations_of(given: &Value) -> Vec<String> {
        let mut violations = Violations::new();
        check_storable(given, &Path::new("s"), &mut violations);
        violations.into_vec().into_iter().map(|it| it.field).collect()
    }

    #[test]
    fn json_goes_through_a_struct() {
        let given = json!({
            "type": "object", "n": null, "b": true, "i": -7, "big": 9_007_199_254_740_991_i64, "f": 0.1,
            "list": [1, [2.5], {"x": "ü"}], "": {"": []},
        });
        let mut violations = Violations::new();
        let back = from_struct(&to_struct(&given), &Path::new("s"), &mut violations);
        assert_eq!(back, given);
        assert!(violations.is_empty());
        assert_eq!(violations_of(&given), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_json_is_named() {
        let number = |it| prost_types::Value {
            kind: Some(Kind::NumberValue(it)),
        };
        let fields = [
            ("nan".to_owned(), number(f64::NAN)),
            ("inf".to_owned(), number(f64::INFINITY)),
            ("none".to_owned(), prost_types::Value { kind: None }),
            ("zero".to_owned(), number(-0.0)),
        ];
        let mut violations = Violations::new();
        let value = from_struct(
            &Struct {
                fields: fields.into(),
            },
            &Path::new("s"),
            &mut violations,
        );
        let fields: Vec<_> = violations.into_vec().into_iter().map(|it| it.field).collect();
        assert_eq!(fields, ["s.inf", "s.nan", "s.none"]);
        assert_eq!(value["zero"], json!(0));
    }

    #[test]
    fn numbers_that_change_on_the_way_are_named() {
        let given = json!({
            "a": 9_007_199_254_740_992_i64, "b": u64::MAX, "c": i64::MIN, "d": 1e300, "e": 0.1, "f": 1e-300,
            "g": 123_456.789, "h": -9_007_199_254_740_991_i64,
        });
        assert_eq!(violations_of(&given), ["s.a", "s.b", "s.c", "s.d"]);
    }

    #[test]
    fn nul_and_depth_are_named() {
        assert_eq!(violations_of(&json!({"a": "x\0", "b\0": 1})), ["s.a", "s"]);
        let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
        assert!(violations_of(&deep(MAX_DEPTH)).is_empty());
        assert_eq!(violations_of(&deep(MAX_DEPTH + 1)).len(), 1);
        let mut violations = Violations::new();
        from_struct(&to_struct(&deep(MAX_DEPTH + 1)), &Path::new("s"), &mut violations);
        assert_eq!(violations.into_vec().len(), 1);
        let mut violations = Violations::new();
        from_struct(&to_struct(&deep(MAX_DEPTH)), &Path::new("s"), &mut violations);
        assert!(violations.is_empty());
    }
}
