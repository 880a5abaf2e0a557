//! `google.protobuf.Struct` as the JSON that it was made from.

use prost_types::value::Kind;
use prost_types::{Struct, Value};

/// Every whole number up to this is one in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn object(sent: Struct) -> serde_json::Value {
    sent.fields
        .into_iter()
        .map(|(key, value)| (key, json(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn json(sent: Value) -> serde_json::Value {
    match sent.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
        Some(Kind::StructValue(value)) => object(value),
    }
}

/// A Struct does not tell 1 from 1.0; JSON Schema means the same by both.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers that fit")]
fn number(value: f64) -> serde_json::Value {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        (value as i64).into()
    } else {
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_integers() {
        assert_eq!(number(5.0), serde_json::json!(5));
        assert_eq!(number(-0.5), serde_json::json!(-0.5));
        assert_eq!(number(1e300), serde_json::json!(1e300));
    }
}
