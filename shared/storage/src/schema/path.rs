use std::fmt::Write as _;

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

/// The JSON path that says the same as a JSON pointer.
pub(super) fn of_pointer<'a>(
    segments: impl Iterator<Item = jsonschema::paths::LocationSegment<'a>>,
) -> String {
    use jsonschema::paths::LocationSegment;
    segments.fold("$".to_owned(), |mut path, segment| match segment {
        LocationSegment::Property(name) => member(&path, &name),
        LocationSegment::Index(index) => {
            // Writing to a string cannot fail.
            let _ = write!(path, "[{index}]");
            path
        }
    })
}
