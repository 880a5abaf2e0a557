/// A JSON path with one more member: `$.properties["tail number"]`.
pub(super) fn member(path: &str, name: &str) -> String {
    let plain = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
    if plain {
        format!("{path}.{name}")
    } else {
        format!("{path}[{}]", serde_json::Value::from(name))
    }
}

/// A JSON path with one more element: `$.required[2]`.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
