//! Commands, which are JSON objects, read field by field.

use datacovey_error::{Error, Result, Violations};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value};

/// The fields of an object, each of which is taken out.
#[derive(Debug)]
pub(super) struct Fields {
    left: Map<String, Value>,
    /// Where the object stands in the request.
    path: &'static str,
}

impl Fields {
    pub(super) const fn new(object: Map<String, Value>, path: &'static str) -> Self {
        Self { left: object, path }
    }

    pub(super) fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    pub(super) fn text(&mut self, name: &str, violations: &mut Violations) -> Option<String> {
        self.take(name, "must be text", violations, |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    pub(super) fn texts(&mut self, name: &str, violations: &mut Violations) -> Vec<String> {
        let texts = self.take(name, "must be a list of texts", violations, |value| {
            let Value::Array(values) = value else { return None };
            let texts = values.into_iter().map(|it| match it {
                Value::String(text) => Some(text),
                _ => None,
            });
            texts.collect()
        });
        texts.unwrap_or_default()
    }

    pub(super) fn number(&mut self, name: &str, violations: &mut Violations) -> Option<i64> {
        self.take(name, "must be a whole number", violations, |value| value.as_i64())
    }

    pub(super) fn object(&mut self, name: &str, violations: &mut Violations) -> Option<Map<String, Value>> {
        self.take(name, "must be an object", violations, |value| match value {
            Value::Object(object) => Some(object),
            _ => None,
        })
    }

    /// Refuses what was not taken; `known` is what there may be.
    pub(super) fn nothing_else(&self, known: &[&str], violations: &mut Violations) {
        for name in self.left.keys() {
            violations.add(self.path(name), format!("is none of {}", known.join(", ")));
        }
    }

    /// Null is as good as absent.
    fn take<T>(
        &mut self,
        name: &str,
        must_be: &str,
        violations: &mut Violations,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.left.shift_remove(name).filter(|it| !it.is_null())?;
        let value = read(value);
        if value.is_none() {
            violations.add(self.path(name), must_be);
        }
        value
    }
}

/// The object that bytes are.
pub(super) fn object(bytes: &[u8], path: &str) -> Result<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::invalid_field(path, "must be a JSON object")),
        Err(error) => Err(Error::invalid_field(path, format!("is no JSON object: {error}"))),
    }
}

pub(super) fn valid(violations: Violations) -> Result<()> {
    match violations.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(violations.into_vec())),
    }
}

/// The object as protobuf has it.
pub(super) fn to_struct(object: Map<String, Value>) -> Struct {
    let fields = object.into_iter().map(|(name, value)| (name, to_value(value)));
    Struct {
        fields: fields.collect(),
    }
}

fn to_value(value: Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        // As in the JSON of protobuf; what needs more digits is sent as text.
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(to_value).collect(),
        }),
        Value::Object(object) => Kind::StructValue(to_struct(object)),
    };
    prost_types::Value { kind: Some(kind) }
}
