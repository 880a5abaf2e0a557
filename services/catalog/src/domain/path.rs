use std::fmt;

/// Where in a request a value stands, as violations name it: `table.schema.properties["tail no"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn new(root: impl Into<String>) -> Self {
        Self(root.into())
    }

    /// A field of a message, or a member of an object whose name reads as one.
    pub(crate) fn key(&self, name: &str) -> Self {
        if is_plain(name) {
            Self(format!("{}.{name}", self.0))
        } else {
            self.entry(name)
        }
    }

    /// An entry of a map, by its key.
    pub(crate) fn entry(&self, key: &str) -> Self {
        Self(format!("{}[{:?}]", self.0, shortened(key)))
    }

    /// An element of a list.
    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.0
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '$' | '-');
    !name.is_empty() && name.len() <= 128 && name.chars().all(plain)
}

/// A text of the caller's, cut so that a violation stays readable.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_the_request_is_written() {
        let root = Path::new("table.schema");
        assert_eq!(
            root.key("properties").key("x-id").to_string(),
            "table.schema.properties.x-id"
        );
        assert_eq!(
            root.key("tail \"no\"").to_string(),
            r#"table.schema["tail \"no\""]"#
        );
        assert_eq!(
            root.key("required").index(2).to_string(),
            "table.schema.required[2]"
        );
        assert!(root.key(&"x".repeat(500)).to_string().len() < 120);
    }
}
