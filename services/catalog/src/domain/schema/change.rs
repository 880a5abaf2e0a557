use serde_json::{Map, Value};

/// Why a table that holds data by `old` may not go on by `new`; none if it may.
///
/// Every row already stored must satisfy the new schema as it lies in its files. So a property may be added
/// that is not required, one that was required may cease to be, one may become null as well, and what binds
/// the values of one may be loosened. Types do not change otherwise: files hold the values in the old one.
pub(crate) fn incompatible(old: &Value, new: &Value) -> Option<String> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some("the schema is no object".to_owned());
    };
    all_keywords(old, new).find_map(|keyword| table_conflict(keyword, old.get(keyword), new.get(keyword)))
}

fn all_keywords<'a>(
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
) -> impl Iterator<Item = &'a str> {
    let added = new.keys().filter(|keyword| !old.contains_key(*keyword));
    old.keys().chain(added).map(String::as_str)
}

fn table_conflict(keyword: &str, old: Option<&Value>, new: Option<&Value>) -> Option<String> {
    match (keyword, old, new) {
        ("properties", Some(Value::Object(old)), Some(Value::Object(new))) => property_conflict(old, new),
        ("required", ..) if names(new).all(|name| names(old).any(|other| other == name)) => None,
        // Rows that are stored have no other properties.
        ("additionalProperties", ..) => None,
        _ if is_annotation(keyword) || old == new => None,
        _ => Some(format!("\"{keyword}\" differs")),
    }
}

fn property_conflict(old: &Map<String, Value>, new: &Map<String, Value>) -> Option<String> {
    old.iter().find_map(|(name, schema)| match new.get(name) {
        None => Some(format!("the property \"{name}\" is gone")),
        Some(new) => value_conflict(schema, new).map(|why| format!("the property \"{name}\" differs: {why}")),
    })
}

/// Why values of one property that satisfy `old` may not satisfy `new`.
fn value_conflict(old: &Value, new: &Value) -> Option<String> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some("it is no object".to_owned());
    };
    all_keywords(old, new)
        .find(|keyword| !loosens(keyword, old.get(*keyword), new.get(*keyword)))
        .map(|keyword| format!("\"{keyword}\" is no looser"))
}

fn loosens(keyword: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    if is_annotation(keyword) || old == new {
        return true;
    }
    let number = |value: &Value| value.as_f64();
    let bounds = || old.and_then(number).zip(new.and_then(number));
    match keyword {
        "type" => old.zip(new).is_some_and(|(old, new)| gains_only_null(old, new)),
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" => {
            new.is_none() || bounds().is_some_and(|(old, new)| new <= old)
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" => {
            new.is_none() || bounds().is_some_and(|(old, new)| new >= old)
        }
        "enum" => {
            let values = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
            match (values(old), values(new)) {
                (Some(_), None) => new.is_none(),
                (Some(old), Some(new)) => old.iter().all(|value| new.contains(value)),
                _ => false,
            }
        }
        // What is left out binds nothing. The format, however, is the type of the column.
        "pattern" | "const" | "multipleOf" | "uniqueItems" | "x-unique" => new.is_none(),
        // What is within is bound by the same words.
        "items" => old
            .zip(new)
            .is_some_and(|(old, new)| value_conflict(old, new).is_none()),
        _ => false,
    }
}

/// Whether the new types are the old ones, and null perhaps.
fn gains_only_null(old: &Value, new: &Value) -> bool {
    let types = |value: &Value| match value {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let (old, new) = (types(old), types(new));
    old.iter().all(|it| new.contains(it)) && new.iter().all(|it| it == "null" || old.contains(it))
}

/// A keyword that says something to people and nothing of values.
fn is_annotation(keyword: &str) -> bool {
    [
        "title",
        "description",
        "$comment",
        "examples",
        "default",
        "deprecated",
    ]
    .contains(&keyword)
}

/// Names of a list, which is empty where it is absent.
fn names(given: Option<&Value>) -> impl Iterator<Item = &Value> {
    given.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Value {
        json!({"type": "object", "required": ["a", "b"], "properties": {
            "a": {"type": "string", "maxLength": 10, "pattern": "^x", "x-identity": "email"},
            "b": {"type": "integer", "minimum": 0, "enum": [1, 2]},
        }})
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Option<String> {
        let mut new = table();
        change(&mut new);
        incompatible(&table(), &new)
    }

    fn of_property(name: &str, keyword: &str, value: Value) -> Option<String> {
        changed(|new| new["properties"][name][keyword] = value)
    }

    #[test]
    fn what_passes() {
        assert_eq!(changed(|_| {}), None);
        assert_eq!(
            changed(|new| new["properties"]["c"] = json!({"type": "number", "maximum": 1})),
            None
        );
        assert_eq!(changed(|new| new["required"] = json!(["b", "a"])), None);
        assert_eq!(changed(|new| new["required"] = json!(["a"])), None);
        assert_eq!(changed(|new| new["additionalProperties"] = json!(false)), None);
        assert_eq!(changed(|new| new["description"] = json!("words")), None);
        for (name, keyword, value) in [
            ("a", "type", json!(["string", "null"])),
            ("a", "maxLength", json!(11)),
            ("a", "title", json!("words")),
            ("b", "minimum", json!(-1.5)),
            ("b", "enum", json!([0, 2, 1])),
        ] {
            assert_eq!(of_property(name, keyword, value), None, "{name}.{keyword}");
        }
        for (name, keyword) in [
            ("a", "pattern"),
            ("a", "maxLength"),
            ("b", "minimum"),
            ("b", "enum"),
        ] {
            let without = changed(|new| {
                new["properties"][name].as_object_mut().unwrap().remove(keyword);
            });
            assert_eq!(without, None, "{name}.{keyword}");
        }
        let (old, new) = (
            json!({"properties": {}}),
            json!({"properties": {}, "required": []}),
        );
        assert_eq!(incompatible(&old, &new), None);
    }

    #[test]
    fn what_does_not() {
        let says = |found: Option<String>, part: &str| assert!(found.unwrap().contains(part), "{part}");
        says(
            changed(|new| new["properties"] = json!({"a": table()["properties"]["a"]})),
            "\"b\" is gone",
        );
        says(
            changed(|new| new["required"] = json!(["a", "b", "c"])),
            "\"required\"",
        );
        says(changed(|new| *new = json!({"type": "object"})), "differs");
        says(changed(|new| *new = json!(true)), "no object");
        for (name, keyword, value) in [
            ("a", "type", json!("integer")),
            ("a", "type", json!(["string", "integer"])),
            ("a", "maxLength", json!(9)),
            ("a", "maxLength", json!("12")),
            ("a", "minLength", json!(1)),
            ("a", "pattern", json!("^y")),
            ("a", "format", json!("date")),
            ("a", "x-identity", json!("phone")),
            ("a", "x-pseudonymize", json!(true)),
            ("a", "x-normalize", json!("email")),
            ("b", "type", json!("number")),
            ("b", "minimum", json!(1)),
            ("b", "exclusiveMinimum", json!(-1)),
            ("b", "enum", json!([1])),
            ("b", "const", json!(1)),
            ("b", "x-unique", json!(true)),
            ("b", "$ref", json!("#")),
        ] {
            says(of_property(name, keyword, value), &format!("\"{keyword}\""));
        }
        let list = |items: Value| json!({"properties": {"a": {"type": "array", "items": items}}});
        let (loose, tight) = (
            json!({"type": "string"}),
            json!({"type": "string", "maxLength": 3}),
        );
        assert_eq!(incompatible(&list(tight.clone()), &list(loose.clone())), None);
        says(incompatible(&list(loose), &list(tight)), "\"items\"");
        let nullable = json!({"properties": {"a": {"type": ["string", "null"]}}});
        says(
            incompatible(&nullable, &json!({"properties": {"a": {"type": "string"}}})),
            "\"type\"",
        );
    }
}
