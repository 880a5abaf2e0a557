use serde_json::{Map, Value};

/// Why a table that holds data by `old` may not go on by `new`; none if it may.
///
/// The one change that passes for now adds properties that are not required: rows already stored
/// have no value for them, and every other keyword binds them as before.
pub(crate) fn incompatible(old: &Value, new: &Value) -> Option<String> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some("the schema is no object".to_owned());
    };
    let keywords = old
        .keys()
        .chain(new.keys().filter(|keyword| !old.contains_key(*keyword)));
    keywords
        .filter_map(|keyword| keyword_conflict(keyword, old.get(keyword), new.get(keyword)))
        .next()
}

fn keyword_conflict(keyword: &str, old: Option<&Value>, new: Option<&Value>) -> Option<String> {
    match (keyword, old, new) {
        ("properties", Some(Value::Object(old)), Some(Value::Object(new))) => property_conflict(old, new),
        ("required", ..) if same_names(old, new) => None,
        _ if old == new => None,
        _ => Some(format!("\"{keyword}\" differs")),
    }
}

fn property_conflict(old: &Map<String, Value>, new: &Map<String, Value>) -> Option<String> {
    old.iter().find_map(|(name, schema)| match new.get(name) {
        Some(same) if same == schema => None,
        Some(_) => Some(format!("the property \"{name}\" differs")),
        None => Some(format!("the property \"{name}\" is gone")),
    })
}

/// Lists of names, absent being empty, in any order. A name that was not required is never required
/// later, added properties included.
fn same_names(old: Option<&Value>, new: Option<&Value>) -> bool {
    let names = |given: Option<&Value>| {
        let mut names: Vec<String> = given
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    };
    names(old) == names(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Value {
        json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}})
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Option<String> {
        let mut new = table();
        change(&mut new);
        incompatible(&table(), &new)
    }

    #[test]
    fn what_passes() {
        assert_eq!(changed(|_| {}), None);
        assert_eq!(
            changed(|new| new["properties"]["c"] = json!({"type": "number", "maximum": 1})),
            None
        );
        assert_eq!(changed(|new| new["required"] = json!(["b", "a"])), None);
        assert_eq!(
            incompatible(
                &json!({"properties": {}}),
                &json!({"properties": {}, "required": []})
            ),
            None
        );
    }

    #[test]
    fn what_does_not() {
        let says = |found: Option<String>, part: &str| assert!(found.unwrap().contains(part), "{part}");
        says(
            changed(|new| new["properties"]["a"] = json!({"type": ["string", "null"]})),
            "\"a\" differs",
        );
        says(
            changed(|new| new["properties"] = json!({"a": {"type": "string"}})),
            "\"b\" is gone",
        );
        says(
            changed(|new| new["required"] = json!(["a", "b", "c"])),
            "\"required\"",
        );
        says(changed(|new| new["required"] = json!(["a"])), "\"required\"");
        says(
            changed(|new| new["additionalProperties"] = json!(false)),
            "\"additionalProperties\"",
        );
        says(changed(|new| *new = json!({"type": "object"})), "differs");
        says(changed(|new| *new = json!(true)), "no object");
    }
}
