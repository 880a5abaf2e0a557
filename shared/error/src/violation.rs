use std::fmt;

use crate::{Error, ErrorReason, Result, mapping};

/// One thing that is wrong with a request: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, as in `table.schema.properties.age`; empty for the request as a whole.
    pub field: String,
    /// One sentence for people.
    pub description: String,
    /// A word for programs in UPPER_SNAKE_CASE, where there is one; empty otherwise.
    pub reason: String,
}

impl Violation {
    #[must_use]
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
            reason: String::new(),
        }
    }

    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The violation is of this kind; an error all of whose violations are of one kind has it as
    /// its reason (see [`Violations::check`]).
    #[must_use]
    pub fn of(self, reason: ErrorReason) -> Self {
        self.because(mapping::reason_name(reason))
    }
}

/// Collects violations while a request is parsed, so that a caller learns of all at once.
///
/// Keeps [`Violations::MAX`] of them: a request of a few bytes a violation must not fill the memory.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// More than any reply lists.
    pub const MAX: usize = 1000;

    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.push(Violation::new(field, description));
    }

    pub fn push(&mut self, violation: Violation) {
        if self.0.len() < Self::MAX {
            self.0.push(violation);
        }
    }

    pub fn extend(&mut self, violations: impl IntoIterator<Item = Violation>) {
        violations.into_iter().for_each(|it| self.push(it));
    }

    /// Takes the value, or notes what is wrong with it and goes on without.
    pub fn take<T, E: fmt::Display>(&mut self, field: &str, parsed: std::result::Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.add(field, error.to_string())).ok()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn into_vec(self) -> Vec<Violation> {
        self.0
    }

    /// Ends the parsing: an error that lists all, if there is any. Its reason is the one that all
    /// violations share, if it is an [`ErrorReason`], else INVALID_FIELD.
    pub fn check(self) -> Result<()> {
        let Some(first) = self.0.first() else {
            return Ok(());
        };
        let shared = self.0.iter().all(|violation| violation.reason == first.reason);
        let reason = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", first.reason));
        let reason = reason.filter(|_| shared).unwrap_or(ErrorReason::InvalidField);
        Err(Error::violated(reason, "the request", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_number_is_bounded() {
        let mut violations = Violations::new();
        violations.extend((0..5000).map(|it| Violation::new(it.to_string(), "is wrong")));
        violations.add("last", "is wrong");
        let error = violations.check().unwrap_err();
        assert_eq!(error.violations().len(), Violations::MAX);
        assert_eq!(
            error.message(),
            "the request has 1000 violations or more; the details list the first"
        );
    }

    #[test]
    fn violations_of_one_kind_name_the_error() {
        let of = |reasons: &[Option<ErrorReason>]| {
            let mut violations = Violations::new();
            for reason in reasons {
                let violation = Violation::new("field", "is wrong");
                violations.push(match reason {
                    Some(reason) => violation.of(*reason),
                    None => violation,
                });
            }
            violations.check().unwrap_err().reason()
        };
        let mask = Some(ErrorReason::InvalidMask);
        assert_eq!(of(&[mask, mask]), ErrorReason::InvalidMask);
        assert_eq!(of(&[mask, None]), ErrorReason::InvalidField);
        assert_eq!(of(&[None]), ErrorReason::InvalidField);
        assert!(Violations::new().check().is_ok());
    }
}
