//! A reason why a query may not run, as jobs keep it and the API tells it.

use serde::{Deserialize, Serialize};

/// The compiler's violation in words; it depends on the statement and the policies alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Violation {
    pub code: String,
    pub rule: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
}

/// Where in the text, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// From 0, from the beginning of the text.
    pub offset: u32,
}

impl Position {
    /// The place of a line and a column in a text; what lies behind the text is its end.
    #[must_use]
    pub(crate) fn locate(text: &str, line: u64, column: u64) -> Self {
        let clamp = |value: u64| u32::try_from(value.max(1)).unwrap_or(u32::MAX);
        let (line, column) = (clamp(line), clamp(column));
        let (mut at_line, mut at_column, mut offset) = (1, 1, 0);
        for character in text.chars() {
            if (at_line, at_column) >= (line, column) {
                break;
            }
            offset += 1;
            if character == '\n' {
                (at_line, at_column) = (at_line + 1, 1);
            } else {
                at_column += 1;
            }
        }
        Self { line, column, offset }
    }
}

impl Violation {
    /// As one sentence of a `BadRequest`: place, what is wrong, what would pass.
    #[must_use]
    pub(crate) fn sentence(&self) -> String {
        let place = self
            .position
            .map(|at| format!("line {}, column {}: ", at.line, at.column))
            .unwrap_or_default();
        let rewrite = self
            .rewrite
            .as_ref()
            .map(|text| format!(" Write instead: {text}"))
            .unwrap_or_default();
        format!("{place}{} ({}): {}{rewrite}", self.code, self.rule, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let text = "SELECT\n  'é' AS x,\n  y";
        let offset = Position::locate(text, 2, 6).offset as usize;
        assert_eq!(text.chars().skip(offset).collect::<String>(), " AS x,\n  y");
        assert_eq!(Position::locate(text, 1, 1).offset, 0);
        assert_eq!(
            Position::locate(text, 99, 1).offset as usize,
            text.chars().count()
        );
        assert_eq!(Position::locate(text, 0, 0).line, 1);
    }

    #[test]
    fn a_sentence_says_where_what_and_how_else() {
        let violation = Violation {
            code: "NOT_UNIQUE".to_owned(),
            rule: "H1".to_owned(),
            message: "own.list repeats email".to_owned(),
            position: Some(Position::locate("x", 1, 1)),
            rewrite: Some("JOIN (SELECT DISTINCT email FROM own.list)".to_owned()),
            ..Violation::default()
        };
        assert_eq!(
            violation.sentence(),
            "line 1, column 1: NOT_UNIQUE (H1): own.list repeats email \
             Write instead: JOIN (SELECT DISTINCT email FROM own.list)"
        );
    }
}
