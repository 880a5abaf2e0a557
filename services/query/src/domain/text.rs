//! The text of a query, as a request brings it.

use datacovey_error::Violations;

/// Longest text of a query, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 100_000;

/// Notes what is wrong with a text before anybody reads it as SQL.
pub(crate) fn check_text(field: &str, text: &str, violations: &mut Violations) {
    if text.trim().is_empty() {
        violations.add(field, "must be a SELECT statement");
    }
    if text.len() > MAX_TEXT_BYTES {
        violations.add(
            field,
            format!("must be at most {MAX_TEXT_BYTES} bytes; it has {}", text.len()),
        );
    }
    if text.contains('\0') {
        violations.add(field, "must not contain the character NUL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> usize {
        let mut violations = Violations::new();
        check_text("query_text", text, &mut violations);
        violations.into_vec().len()
    }

    #[test]
    fn texts_are_bounded_and_printable() {
        assert_eq!(wrong("SELECT 1"), 0);
        assert_eq!(wrong(" \n\t"), 1);
        assert_eq!(wrong(&"x".repeat(MAX_TEXT_BYTES)), 0);
        // Both at once.
        assert_eq!(wrong(&"\0".repeat(MAX_TEXT_BYTES + 1)), 2);
    }
}
