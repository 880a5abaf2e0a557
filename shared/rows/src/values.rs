use datacovey_error::{Error, Result, Violations};
use serde_json::Value;
use uuid::Uuid;

/// What is kept of a text, or what is wrong with it.
pub type TextRule = fn(&str) -> std::result::Result<String, String>;

/// Checks those texts of a row that a write changes, each by the rule of its column.
///
/// A row that came here otherwise may break a rule; it can still be changed elsewhere.
pub fn check_texts(
    rules: &[(&str, TextRule)],
    before: Option<&Value>,
    after: &Value,
    violations: &mut Violations,
) {
    for (column, rule) in rules {
        let Some(given) = changed(column, before, after).and_then(Value::as_str) else {
            continue;
        };
        match rule(given) {
            // It stands as it was given, so nothing is taken off.
            Ok(kept) if kept != given => violations.add(*column, "must not begin or end with blanks"),
            Ok(_) => {}
            Err(why) => violations.add(*column, why),
        }
    }
}

/// The value of a column, if a write changes it.
#[must_use]
pub fn changed<'a>(column: &str, before: Option<&Value>, after: &'a Value) -> Option<&'a Value> {
    let value = after.get(column)?;
    let same = before.is_some_and(|it| it.get(column) == Some(value));
    (!same).then_some(value)
}

/// The id in a column that always has one.
pub fn id_of(row: &Value, column: &str) -> Result<Uuid> {
    let id = row.get(column).and_then(Value::as_str).unwrap_or_default();
    Uuid::try_parse(id).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trimmed(text: &str) -> std::result::Result<String, String> {
        match text.trim() {
            "" => Err("is required".to_owned()),
            it => Ok(it.to_owned()),
        }
    }

    #[test]
    fn only_what_changes_is_held_to_the_rules() {
        let wrong = |before: Option<Value>, after: Value| {
            let mut violations = Violations::new();
            check_texts(
                &[("a", trimmed), ("b", trimmed)],
                before.as_ref(),
                &after,
                &mut violations,
            );
            violations
                .into_vec()
                .into_iter()
                .map(|it| it.field)
                .collect::<Vec<_>>()
        };
        assert_eq!(wrong(None, json!({"a": " ", "b": "x "})), ["a", "b"]);
        assert_eq!(wrong(None, json!({"a": "x", "b": null})), Vec::<String>::new());
        assert_eq!(
            wrong(Some(json!({"a": "", "b": "x"})), json!({"a": "", "b": ""})),
            ["b"]
        );
    }
}
