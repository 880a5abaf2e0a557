use datacovey_error::Violations;
use serde_json::{Value, json};

use super::*;

fn violations_of(schema: &Value) -> Vec<(String, String)> {
    let mut violations = Violations::new();
    check(schema, &Path::new("table.schema"), &mut violations);
    violations
        .into_vec()
        .into_iter()
        .map(|it| (it.field, it.description))
        .collect()
}

fn fields_of(schema: &Value) -> Vec<String> {
    violations_of(schema)
        .into_iter()
        .map(|(field, _)| field)
        .collect()
}

#[test]
fn schemas_of_many_kinds_pass() {
    for schema in [
        json!({}),
        json!({"$schema": DRAFT, "type": "object", "properties": {"a": {"type": ["string", "null"], "x-identity": "email"}}}),
        json!({"properties": {"pattern": {"type": "string"}, "$ref": {"type": "integer"}}}),
        json!({"enum": [{"pattern": "("}], "default": {"$schema": "x"}}),
        json!({"$ref": "#/$defs/row", "$defs": {"row": {"type": "object", "pattern": "^[a-z]+$"}}}),
        json!({"$defs": {"a": {"$id": "https://example.com/a", "type": "integer"}}, "items": {"$ref": "https://example.com/a"}}),
        json!({"properties": {"children": {"items": {"$ref": "#"}}}}),
    ] {
        assert_eq!(violations_of(&schema), [], "{schema}");
    }
}

#[test]
fn every_violation_is_named_with_its_path() {
    let schema = json!({
        "type": "objekt",
        "required": "a",
        "properties": {"a": {"type": "string", "maxLength": -1}, "b c": {"minimum": "1"}, "n": {"maximum": 1e300}},
    });
    let mut fields = fields_of(&schema);
    fields.sort();
    assert_eq!(
        fields,
        [
            "table.schema.properties.a.maxLength",
            "table.schema.properties.n.maximum",
            "table.schema.properties[\"b c\"].minimum",
            "table.schema.required",
            "table.schema.type",
        ]
    );
}

#[test]
fn nothing_is_fetched() {
    for reference in [
        "https://example.com/schema.json",
        "file:///etc/passwd",
        "other.json",
        "#/$defs/missing",
    ] {
        let found = violations_of(&json!({"properties": {"a": {"$ref": reference}}}));
        assert_eq!(found.len(), 1, "{reference}");
    }
    let other_draft = json!({"$schema": "http://json-schema.org/draft-07/schema#"});
    assert_eq!(fields_of(&other_draft), ["table.schema.$schema"]);
}

#[test]
fn patterns_run_in_linear_time_or_are_refused() {
    let schema = json!({
        "properties": {
            "a": {"pattern": "(?=x)y"}, "b": {"pattern": r"(a)\1"}, "c": {"pattern": "((a{1,500}){1,500}){1,500}"},
            "ok": {"pattern": "^(a+)+$"},
        },
        "patternProperties": {"(?!x)": {}},
    });
    let mut fields = fields_of(&schema);
    fields.sort();
    assert_eq!(
        fields,
        [
            "table.schema.patternProperties[\"(?!x)\"]",
            "table.schema.properties.a.pattern",
            "table.schema.properties.b.pattern",
            "table.schema.properties.c.pattern",
        ]
    );
}

#[test]
fn so_many_patterns_and_no_more() {
    let with = |count: usize| {
        let property = |it: usize| (format!("p{it}"), json!({"pattern": format!("^a{}$", it % count)}));
        json!({"properties": (0..200).map(property).collect::<serde_json::Map<_, _>>()})
    };
    assert_eq!(violations_of(&with(MAX_PATTERNS)), []);
    assert_eq!(fields_of(&with(MAX_PATTERNS + 1)), ["table.schema"]);
}

#[test]
fn size_is_bounded() {
    let schema = json!({"description": "x".repeat(MAX_BYTES)});
    assert_eq!(fields_of(&schema), ["table.schema"]);
    assert_eq!(fields_of(&json!([])), ["table.schema"]);
}

/// References that double at each step would take 2^40 steps if each were followed anew.
#[test]
fn doubling_references_are_harmless() {
    let mut defs = serde_json::Map::new();
    for step in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", step + 1)});
        defs.insert(format!("d{step}"), json!({"allOf": [next, next]}));
    }
    defs.insert("d40".to_owned(), json!({"type": "integer"}));
    assert_eq!(violations_of(&json!({"$ref": "#/$defs/d0", "$defs": defs})), []);
}
