//! Fields that many requests share, read from their text and written back.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result, Violations};
use prost_types::Timestamp;
use uuid::Uuid;

use crate::domain::path::shortened;
use crate::domain::text;

/// A required id; notes what is wrong with it.
pub(super) fn id(field: &str, text: &str, violations: &mut Violations) -> Option<Uuid> {
    if text.is_empty() {
        violations.add(field, "is required: a UUID");
        return None;
    }
    let parsed = Uuid::try_parse(text).map_err(|_| format!("{:?} is no UUID", shortened(text)));
    violations.take(field, parsed)
}

/// An id that may be absent: `Some(None)` then, `None` if it is wrong.
pub(super) fn optional_id(
    field: &str,
    text: Option<&str>,
    violations: &mut Violations,
) -> Option<Option<Uuid>> {
    match text {
        None => Some(None),
        Some(text) => id(field, text, violations).map(Some),
    }
}

/// A required message; notes its absence and goes on with an empty one, so that what else is
/// missing is named too.
pub(super) fn required<T: Default>(field: &str, message: Option<T>, violations: &mut Violations) -> T {
    message.unwrap_or_else(|| {
        violations.add(field, "is required");
        T::default()
    })
}

/// A description, whose absence and emptiness are one: `Some(None)`. `None` if it is wrong.
pub(super) fn description(
    field: &str,
    given: Option<String>,
    violations: &mut Violations,
) -> Option<Option<String>> {
    match given.filter(|it| !it.is_empty()) {
        None => Some(None),
        Some(it) => violations.take(field, text::description(&it)).map(Some),
    }
}

/// Ends the parsing of a request: what was read, or all that is wrong with it.
pub(super) fn finish<T>(violations: Violations, parsed: Option<T>) -> Result<T> {
    violations.check()?;
    parsed.ok_or_else(|| Error::internal("a parser gave neither a value nor a violation"))
}

/// Reads the id of a request that holds nothing else.
pub(super) fn only_id(field: &str, text: &str) -> Result<Uuid> {
    let mut violations = Violations::new();
    let id = id(field, text, &mut violations);
    finish(violations, id)
}

/// The database keeps UTC without a zone.
pub(super) fn timestamp(at: NaiveDateTime) -> Timestamp {
    let at = at.and_utc();
    // Fewer than 2^31 nanoseconds are in a second, even in a leap second.
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default();
    Timestamp {
        seconds: at.timestamp(),
        nanos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids() {
        let mut violations = Violations::new();
        let uuid = Uuid::from_u128(7);
        assert_eq!(id("id", &uuid.to_string(), &mut violations), Some(uuid));
        assert_eq!(optional_id("id", None, &mut violations), Some(None));
        assert!(violations.is_empty());
        for bad in ["", "7", "null", &"7".repeat(1000)] {
            assert_eq!(id("id", bad, &mut violations), None);
            assert_eq!(optional_id("id", Some(bad), &mut violations), None);
        }
        assert_eq!(violations.into_vec().len(), 8);
    }

    #[test]
    fn times_are_utc() {
        let at = chrono::DateTime::from_timestamp(1_700_000_000, 123_000)
            .unwrap()
            .naive_utc();
        assert_eq!(
            timestamp(at),
            Timestamp {
                seconds: 1_700_000_000,
                nanos: 123_000
            }
        );
    }
}
