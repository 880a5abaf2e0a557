use jsonschema::PatternOptions;
use serde_json::Value;

use super::{SchemaViolation, path};

/// The largest magnitude up to which every integer is a double of its own.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
/// Deeper documents are refused before anything recursive looks at them.
const MAX_DEPTH: usize = 64;
const MAX_BYTES: usize = 1 << 20;
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// More violations than this help nobody.
const MAX_VIOLATIONS: usize = 100;

/// Checks that a document is a JSON Schema of draft 2020-12 that can be stored: valid by the
/// meta-schema, its patterns free of look-around and back-references (they run in linear time),
/// its numbers the same after a round trip through a double. No `$ref` is ever fetched.
///
/// # Errors
///
/// Every violation found, with its path.
pub fn check_document(document: &Value) -> Result<(), Vec<SchemaViolation>> {
    if depth_exceeds(document, MAX_DEPTH) {
        return Err(vec![violation(
            "$",
            format!("is nested more than {MAX_DEPTH} levels deep"),
        )]);
    }
    if document.to_string().len() > MAX_BYTES {
        return Err(vec![violation("$", format!("is larger than {MAX_BYTES} bytes"))]);
    }
    let mut violations = Vec::new();
    if let Some(draft) = document.get("$schema")
        && draft.as_str().map(|uri| uri.trim_end_matches('#')) != Some(DRAFT)
    {
        violations.push(violation("$.$schema", format!("the draft must be {DRAFT}")));
    }
    for error in jsonschema::draft202012::meta::validator()
        .iter_errors(document)
        .take(MAX_VIOLATIONS)
    {
        violations.push(violation(
            path::of_pointer(error.instance_path().segments()),
            error.to_string(),
        ));
    }
    walk(document, "$", &mut violations);
    violations.truncate(MAX_VIOLATIONS);
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

fn violation(path: impl Into<String>, reason: impl Into<String>) -> SchemaViolation {
    SchemaViolation {
        path: path.into(),
        reason: reason.into(),
    }
}

fn depth_exceeds(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left == 0 || items.iter().any(|item| depth_exceeds(item, left - 1)),
        Value::Object(members) => left == 0 || members.values().any(|item| depth_exceeds(item, left - 1)),
        _ => false,
    }
}

fn walk(value: &Value, at: &str, violations: &mut Vec<SchemaViolation>) {
    match value {
        Value::Number(number) if number.as_f64().is_none_or(|double| double.abs() > MAX_EXACT) => {
            violations.push(violation(
                at,
                "the number is too large to be kept exactly (2^53 at most)",
            ));
        }
        Value::String(text) if text.contains('\0') => {
            violations.push(violation(
                at,
                "the text holds a NUL character, which cannot be stored",
            ));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &path::element(at, index), violations);
            }
        }
        Value::Object(members) => {
            for (name, item) in members {
                let below = path::member(at, name);
                if name.contains('\0') {
                    violations.push(violation(
                        &below,
                        "the name holds a NUL character, which cannot be stored",
                    ));
                }
                match (name.as_str(), item) {
                    ("pattern", Value::String(pattern)) => check_pattern(pattern, &below, violations),
                    ("patternProperties", Value::Object(patterns)) => {
                        for pattern in patterns.keys() {
                            check_pattern(pattern, &path::member(&below, pattern), violations);
                        }
                    }
                    _ => {}
                }
                walk(item, &below, violations);
            }
        }
        _ => {}
    }
}

/// Compiled by the engine that has no backtracking; what it cannot express is refused.
fn check_pattern(pattern: &str, at: &str, violations: &mut Vec<SchemaViolation>) {
    let probe = serde_json::json!({ "pattern": pattern });
    let compiled = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&probe);
    if compiled.is_err() {
        violations.push(violation(
            at,
            "is not a regular expression of linear time (no look-around, no back-references)",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(document: Value) -> Vec<String> {
        check_document(&document)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|it| it.path)
            .collect()
    }

    #[test]
    fn any_valid_schema_can_be_stored_even_one_that_cannot_be_imported() {
        for document in [
            json!(true),
            json!({}),
            json!({ "$ref": "https://example.com/never-fetched" }),
            json!({ "type": "array", "items": { "pattern": "^a+$" } }),
        ] {
            assert_eq!(check_document(&document), Ok(()), "{document}");
        }
    }

    #[test]
    fn all_violations_come_at_once_with_their_paths() {
        let found = paths(json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "objekt",
            "properties": {
                "a": { "type": "string", "pattern": "(?=x)" },
                "tail number": { "type": "integer", "maximum": 9_007_199_254_740_995_i64 },
                "b": { "required": "yes" },
            },
        }));
        for path in [
            "$.$schema",
            "$.type",
            "$.properties.a.pattern",
            "$.properties[\"tail number\"].maximum",
            "$.properties.b.required",
        ] {
            assert!(found.iter().any(|it| it == path), "{path} is not among {found:?}");
        }
    }

    #[test]
    fn depth_is_bounded_before_anything_recurses() {
        let deep = (0..200).fold(json!({}), |inner, _| json!({ "not": inner }));
        assert_eq!(paths(deep), ["$"]);
    }
}
