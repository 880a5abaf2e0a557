use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::schema::parse::Violations;
use crate::schema::{ColumnType, path};

/// Memory that a compiled pattern may take, in bytes, and again that matching may keep.
const MAX_BYTES: usize = 1 << 20;

/// `pattern`: an expression of ECMAScript, in linear time.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Pattern {
    pub(super) fn parse(
        keywords: &Map<String, Value>,
        column_type: &ColumnType,
        at: &str,
        violations: &mut Violations,
    ) -> Option<Self> {
        let source = keywords.get("pattern").and_then(Value::as_str)?;
        if *column_type != ColumnType::Text {
            return None;
        }
        let compiled = compile(source);
        if compiled.is_none() {
            violations.push(
                path::member(at, "pattern"),
                "is no expression of ECMAScript that runs in linear time: no look-around, no back references, no more than 1 MiB compiled",
            );
        }
        Some(Self {
            source: source.to_owned(),
            regex: compiled?,
        })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub(super) fn reason(&self) -> String {
        format!("does not match the pattern {}", self.source)
    }
}

/// In the words of our engine: `\d`, `\w`, `\s` and `.` mean in ECMAScript what they mean elsewhere of ASCII alone
/// or of other line ends.
fn compile(source: &str) -> Option<Regex> {
    if !jsonschema_regex::is_valid_ecma_regex(source) {
        return None;
    }
    let translated = jsonschema_regex::to_rust_regex(source).ok()?;
    RegexBuilder::new(&translated)
        .size_limit(MAX_BYTES)
        .dfa_size_limit(MAX_BYTES)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_ecmascript() {
        let matches = |pattern: &str, text: &str| compile(pattern).unwrap().is_match(text);
        assert!(matches("b", "abc"));
        assert!(!matches(r"^\d$", "٣"));
        assert!(!matches(r"^\w$", "é"));
        assert!(matches(r"^\s$", "\u{feff}"));
        assert!(!matches("^.$", "\r"));
        assert!(matches(r"^[a&&b]$", "&"));
        assert!(matches(r"^A\/\u0042$", "A/B"));
    }

    #[test]
    fn what_needs_more_than_linear_time_or_means_something_else_is_refused() {
        for pattern in [
            "(?=a)b",
            "(?<!a)b",
            r"(a)\1",
            "(",
            "((a{1,500}){1,500}){1,500}",
            "(?i)a",
            r"\Aa",
            r"a\z",
        ] {
            assert!(compile(pattern).is_none(), "{pattern}");
        }
    }
}
