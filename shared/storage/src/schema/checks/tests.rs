use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, StringArray};
use serde_json::json;

use super::*;
use crate::schema::TableSchema;

fn faulty_rows(property: Value, column: ArrayRef) -> Vec<usize> {
    let document = json!({ "type": "object", "properties": { "a": property } });
    let schema = TableSchema::parse(&document).unwrap();
    let mut rows = Vec::new();
    schema.columns()[0]
        .checks
        .run(&column, &mut |row, _| rows.push(row));
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
