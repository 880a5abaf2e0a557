use std::collections::HashSet;

use serde_json::{Map, Value};

use super::checks::Checks;
use super::{Column, ColumnType, Normalization, ObjectType, SchemaViolation, path, pseudonym, types, unique};

/// Tables wider than this are refused.
const MAX_COLUMNS: usize = 1_000;
const MAX_NAME_BYTES: usize = 128;
const MAX_IDENTITY_BYTES: usize = 63;
/// Names that the import keeps for columns of its own.
const RESERVED_PREFIX: &str = "__";

/// Keywords that describe and constrain nothing.
const ANNOTATIONS: [&str; 7] = [
    "title",
    "description",
    "$comment",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

pub(super) struct Violations(Vec<SchemaViolation>);

impl Violations {
    pub(super) fn push(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.0.push(SchemaViolation {
            path: path.into(),
            reason: reason.into(),
        });
    }
}

pub(super) fn columns(document: &Value) -> Result<ObjectType, Vec<SchemaViolation>> {
    let mut violations = Violations(Vec::new());
    let table = match document {
        Value::Object(members) => table(members, &mut violations),
        _ => {
            violations.push(
                "$",
                "must be an object that describes rows: {\"type\": \"object\", \"properties\": …}",
            );
            ObjectType::default()
        }
    };
    if violations.0.is_empty() {
        Ok(table)
    } else {
        Err(violations.0)
    }
}

fn table(members: &Map<String, Value>, violations: &mut Violations) -> ObjectType {
    if members.get("type").and_then(Value::as_str) != Some("object") {
        violations.push("$.type", "must be \"object\": a row is an object");
    }
    for name in members.keys() {
        match name.as_str() {
            "type" | "properties" | "required" | "additionalProperties" | "$schema" | "$id" => {}
            annotation if ANNOTATIONS.contains(&annotation) => {}
            _ => violations.push(path::member("$", name), "is not supported by the import"),
        }
    }
    let table = object(members, "$", 0, violations);
    if table.count() > MAX_COLUMNS {
        violations.push(
            "$.properties",
            format!("must name at most {MAX_COLUMNS} columns, those within columns included"),
        );
    }
    table
}

/// The members of an object: a row or a value within one.
pub(super) fn object(
    keywords: &Map<String, Value>,
    at: &str,
    depth: usize,
    violations: &mut Violations,
) -> ObjectType {
    let closed = match keywords.get("additionalProperties") {
        None | Some(Value::Bool(true)) => false,
        Some(Value::Bool(false)) => true,
        Some(_) => {
            violations.push(path::member(at, "additionalProperties"), "must be true or false");
            false
        }
    };
    let empty = Map::new();
    let properties = keywords
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let properties_at = path::member(at, "properties");
    if properties.is_empty() {
        violations.push(properties_at.as_str(), "must name at least one column");
    }
    if properties.len() > MAX_COLUMNS {
        violations.push(properties_at, format!("must name at most {MAX_COLUMNS} columns"));
        return ObjectType::default();
    }
    let required = required(keywords, properties, at, violations);
    let columns = properties.iter().filter_map(|(name, property)| {
        let at = path::member(&properties_at, name);
        check_name(name, &at, violations);
        column(
            name,
            property,
            required.contains(name.as_str()),
            &at,
            depth,
            violations,
        )
    });
    ObjectType {
        columns: columns.collect(),
        closed,
    }
}

fn required<'a>(
    members: &'a Map<String, Value>,
    properties: &Map<String, Value>,
    at: &str,
    violations: &mut Violations,
) -> HashSet<&'a str> {
    let at = path::member(at, "required");
    let names = members
        .get("required")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let mut required = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        match name.as_str() {
            Some(name) if properties.contains_key(name) => {
                required.insert(name);
            }
            _ => violations.push(path::element(&at, index), "names no property"),
        }
    }
    required
}

fn check_name(name: &str, at: &str, violations: &mut Violations) {
    if name.is_empty() {
        violations.push(at, "a column must have a name");
    } else if name.len() > MAX_NAME_BYTES {
        violations.push(at, format!("a column's name has at most {MAX_NAME_BYTES} bytes"));
    } else if name.chars().any(char::is_control) {
        violations.push(at, "a column's name has no control characters");
    } else if name.starts_with(RESERVED_PREFIX) {
        violations.push(
            at,
            format!("names that start with {RESERVED_PREFIX} are reserved"),
        );
    }
}

/// A column, or what is at `depth` within one.
pub(super) fn column(
    name: &str,
    property: &Value,
    required: bool,
    at: &str,
    depth: usize,
    violations: &mut Violations,
) -> Option<Column> {
    let Some(keywords) = property.as_object() else {
        violations.push(at, "must say the column's type: {\"type\": \"string\"}");
        return None;
    };
    let (column_type, null_allowed) = types::column_type(keywords, at, depth, violations)?;
    let identity = identity(keywords, &column_type, at, depth, violations);
    let unique = unique::parse(keywords, &column_type, at, depth, violations);
    let normalization = Normalization::parse(keywords, &column_type, at, depth, violations);
    let pseudonymize = pseudonym::parse(keywords, &column_type, at, depth, violations);
    let (checks, null_listed) = Checks::parse(keywords, &column_type, at, violations);
    for keyword in keywords.keys() {
        let known = matches!(keyword.as_str(), "x-identity" | "x-unique" | "x-pseudonymize")
            || Normalization::KEYWORDS.contains(&keyword.as_str())
            || types::KEYWORDS.contains(&keyword.as_str())
            || Checks::KEYWORDS.contains(&keyword.as_str())
            || ANNOTATIONS.contains(&keyword.as_str());
        if !known {
            violations.push(path::member(at, keyword), "is not supported by the import");
        }
    }
    // A required value may still be null where the type and, if there is one, the list say so.
    let nullable = !required || (null_allowed && null_listed);
    Some(Column {
        name: name.to_owned(),
        column_type: if pseudonymize {
            ColumnType::Pseudonym(Box::new(column_type))
        } else {
            column_type
        },
        nullable,
        unique,
        sensitive: pseudonymize || identity.is_some(),
        identity,
        normalization,
        checks,
    })
}

fn identity(
    keywords: &Map<String, Value>,
    column_type: &ColumnType,
    at: &str,
    depth: usize,
    violations: &mut Violations,
) -> Option<String> {
    let value = keywords.get("x-identity")?;
    let at = path::member(at, "x-identity");
    // Equal values of these types are equal bytes; of a double (0.0 = -0.0) they are not.
    let is_key = matches!(
        column_type,
        ColumnType::Text | ColumnType::Uuid | ColumnType::Integer
    );
    if !is_key || depth > 0 {
        violations.push(
            at,
            "an identity is a column of its own, an integer, a uuid or a string that stays a text",
        );
        return None;
    }
    let domain = value.as_str().filter(|domain| {
        (1..=MAX_IDENTITY_BYTES).contains(&domain.len())
            && domain
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    });
    if domain.is_none() {
        violations.push(
            at,
            format!(
                "must be the identity's domain: lower-case letters, digits and underscores, 1 to {MAX_IDENTITY_BYTES} of them"
            ),
        );
    }
    domain.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::TableSchema;
    use super::*;
    use serde_json::json;

    fn paths(document: Value) -> Vec<String> {
        columns(&document)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|it| it.path)
            .collect()
    }

    #[test]
    fn types_nullability_and_identities_follow_the_document() {
        let schema = TableSchema::parse(&json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "planes",
            "type": "object",
            "additionalProperties": false,
            "required": ["tailnum", "year", "kind"],
            "properties": {
                "tailnum": { "type": "string", "x-identity": "tail_number", "description": "on the tail" },
                "year": { "type": ["integer", "null"] },
                "speed": { "type": "number" },
                "kind": { "type": ["string", "null"], "enum": ["a", "b"] },
                "built": { "type": "string", "format": "date" },
                "seen": { "type": "string", "format": "date-time" },
                "flies": { "type": "boolean" },
            },
        }))
        .unwrap();
        let columns: Vec<(&str, &str, bool)> = schema
            .columns()
            .iter()
            .map(|it| (it.name.as_str(), it.column_type.name(), it.nullable))
            .collect();
        assert_eq!(
            columns,
            [
                ("tailnum", "string", false),
                ("year", "integer", true),
                ("speed", "number", true),
                ("kind", "string", false),
                ("built", "date", true),
                ("seen", "date-time", true),
                ("flies", "boolean", true),
            ]
        );
        assert_eq!(schema.identities().collect::<Vec<_>>(), [0]);
        assert_eq!(schema.columns()[0].identity.as_deref(), Some("tail_number"));
        assert!(!schema.arrow().field(0).is_nullable());
    }

    #[test]
    fn every_keyword_that_is_not_known_is_named_by_its_path() {
        let found = paths(json!({
            "type": "object",
            "oneOf": [],
            "required": ["a", "ghost"],
            "properties": {
                "a": { "type": "string", "pattern": "^x", "format": "idn-email" },
                "b": { "type": ["string", "integer"] },
                "c": { "type": "object", "properties": {} },
                "d": { "type": "integer", "not": {}, "minLength": 1 },
                "e": true,
                "f": { "type": "number", "x-identity": "weight" },
                "g": { "type": "string", "x-identity": "" },
                "h": { "type": "number", "x-pseudonymize": true },
                "j": { "type": "string", "x-pseudonymize": "yes" },
                "k": { "type": "array", "items": { "type": "string", "x-pseudonymize": true } },
                "l": { "type": "string", "x-sampled": true },
                "__i": { "type": "string" },
            },
        }));
        assert_eq!(
            found,
            [
                "$.oneOf",
                "$.required[1]",
                "$.properties.a.format",
                "$.properties.b.type",
                "$.properties.c.properties",
                "$.properties.d.minLength",
                "$.properties.d.not",
                "$.properties.e",
                "$.properties.f.x-identity",
                "$.properties.g.x-identity",
                "$.properties.h.x-pseudonymize",
                "$.properties.j.x-pseudonymize",
                "$.properties.k.items.x-pseudonymize",
                "$.properties.l.x-sampled",
                "$.properties.__i",
            ]
        );
    }

    #[test]
    fn what_describes_no_rows_cannot_be_imported() {
        assert_eq!(paths(json!(true)), ["$"]);
        assert_eq!(paths(json!({})), ["$.type", "$.properties"]);
        assert_eq!(paths(json!({ "type": "object" })), ["$.properties"]);
        assert_eq!(paths(json!({ "type": "array" })), ["$.type", "$.properties"]);
    }
}
