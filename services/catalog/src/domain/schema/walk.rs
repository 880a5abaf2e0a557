use serde_json::{Map, Value};

use crate::domain::path::Path;

/// Keywords of draft 2020-12 whose value is a schema, a list of schemas, or schemas by name.
const ONE: [&str; 11] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

/// Calls `visit` with the schema and each schema within it, but not with what only looks like one
/// (a property called `pattern`, an object in `enum` or `default`). `true` and `false` are passed over.
pub(super) fn each_subschema(schema: &Value, at: &Path, visit: &mut dyn FnMut(&Map<String, Value>, &Path)) {
    let Value::Object(keywords) = schema else { return };
    visit(keywords, at);
    for (keyword, value) in keywords {
        let at = at.key(keyword);
        match value {
            Value::Object(_) if ONE.contains(&keyword.as_str()) => each_subschema(value, &at, visit),
            Value::Array(schemas) if LISTS.contains(&keyword.as_str()) => {
                for (index, schema) in schemas.iter().enumerate() {
                    each_subschema(schema, &at.index(index), visit);
                }
            }
            Value::Object(schemas) if NAMED.contains(&keyword.as_str()) => {
                for (name, schema) in schemas {
                    each_subschema(schema, &at.key(name), visit);
                }
            }
            _ => {}
        }
    }
}
