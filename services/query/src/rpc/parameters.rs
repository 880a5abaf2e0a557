//! Values of parameters, as the API has them and as they are kept.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use serde_json::Map;

/// The values as JSON: what is no single value is for the compiler to refuse.
pub(super) fn from_struct(given: Option<Struct>) -> Map<String, serde_json::Value> {
    let fields = given.unwrap_or_default().fields;
    fields
        .into_iter()
        .map(|(name, value)| (name, from_value(value)))
        .collect()
}

fn from_value(value: Value) -> serde_json::Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        // NaN and the infinities have no JSON, and are no literal either.
        Some(Kind::NumberValue(value)) if !value.is_finite() => value.to_string().into(),
        Some(Kind::NumberValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_value).collect(),
        Some(Kind::StructValue(inner)) => from_struct(Some(inner)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let value = |kind| Value { kind: Some(kind) };
        let fields = [
            ("a", Kind::NullValue(0)),
            ("b", Kind::BoolValue(true)),
            ("c", Kind::NumberValue(1.5)),
            ("d", Kind::StringValue("x".to_owned())),
            ("e", Kind::NumberValue(f64::NAN)),
        ];
        let given = Struct {
            fields: fields.map(|(name, kind)| (name.to_owned(), value(kind))).into(),
        };
        let read = serde_json::Value::from(from_struct(Some(given)));
        assert_eq!(
            read,
            serde_json::json!({"a": null, "b": true, "c": 1.5, "d": "x", "e": "NaN"})
        );
        assert!(from_struct(None).is_empty());
    }
}
