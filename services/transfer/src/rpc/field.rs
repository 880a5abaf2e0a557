//! Fields that many requests share, read from their text and written back.

use std::time::Duration;

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result, Violations};
use prost_types::Timestamp;
use uuid::Uuid;

use crate::flow::watch::{DEFAULT_WAIT, MAX_WAIT};

/// A required id; notes what is wrong with it.
pub(super) fn id(field: &str, text: &str, violations: &mut Violations) -> Option<Uuid> {
    if text.is_empty() {
        violations.add(field, "is required: a UUID");
        return None;
    }
    violations.take(field, Uuid::try_parse(text).map_err(|_| "is no UUID"))
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

/// Reads the id of a request that holds nothing else.
pub(super) fn only_id(field: &str, text: &str) -> Result<Uuid> {
    let mut violations = Violations::new();
    let id = id(field, text, &mut violations);
    finish(violations, id)
}

/// Ends the parsing of a request: what was read, or all that is wrong with it.
pub(super) fn finish<T>(violations: Violations, parsed: Option<T>) -> Result<T> {
    violations.check()?;
    parsed.ok_or_else(|| Error::internal("a parser gave neither a value nor a violation"))
}

/// How long to wait: 30 seconds if not said, 5 minutes at most.
pub(super) fn timeout(given: Option<prost_types::Duration>, violations: &mut Violations) -> Option<Duration> {
    match given {
        None => Some(DEFAULT_WAIT),
        Some(given) => {
            let read = Duration::try_from(given).map_err(|_| "must not be negative");
            violations
                .take("timeout", read)
                .map(|timeout| timeout.min(MAX_WAIT))
        }
    }
}

/// The database keeps UTC without a zone.
pub(super) fn timestamp(at: NaiveDateTime) -> Timestamp {
    let at = at.and_utc();
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

/// Sizes and counts are signed in messages and in the database.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
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
        assert_eq!(id("id", "", &mut violations), None);
        assert_eq!(optional_id("id", Some("x"), &mut violations), None);
        assert_eq!(violations.into_vec().len(), 2);
        assert!(only_id("id", "7").is_err());
    }

    #[test]
    fn waits_are_bounded() {
        let mut violations = Violations::new();
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        assert_eq!(timeout(None, &mut violations), Some(DEFAULT_WAIT));
        assert_eq!(timeout(seconds(1), &mut violations), Some(Duration::from_secs(1)));
        assert_eq!(timeout(seconds(i64::MAX), &mut violations), Some(MAX_WAIT));
        assert_eq!(timeout(seconds(-1), &mut violations), None);
        assert_eq!(violations.into_vec()[0].field, "timeout");
    }
}
