use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::Value;

/// JSON as messages hold it; a number is a double there.
#[must_use]
pub fn to_value(json: Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(it) => Kind::BoolValue(it),
        Value::Number(it) => Kind::NumberValue(it.as_f64().unwrap_or_default()),
        Value::String(it) => Kind::StringValue(it),
        Value::Array(items) => Kind::ListValue(ListValue {
            values: items.into_iter().map(to_value).collect(),
        }),
        object @ Value::Object(_) => Kind::StructValue(to_struct(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// An object, such as a table's schema, as messages hold it; what is no object is an empty one.
#[must_use]
pub fn to_struct(json: Value) -> Struct {
    let fields = match json {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    Struct {
        fields: fields.into_iter().map(|(key, it)| (key, to_value(it))).collect(),
    }
}
