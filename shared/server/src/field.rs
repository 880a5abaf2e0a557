//! Fields that requests of every service share, read from their text and written back.

use std::time::Duration;

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result, Violations};
use prost_types::Timestamp;
use uuid::Uuid;

/// How much of a wrong value is said back.
const SAID_BACK: usize = 50;

/// A required id; notes what is wrong with it.
pub fn id(field: &str, text: &str, violations: &mut Violations) -> Option<Uuid> {
    if text.is_empty() {
        violations.add(field, "is required: a UUID");
        return None;
    }
    let parsed = Uuid::try_parse(text).map_err(|_| {
        let said: String = text.chars().take(SAID_BACK).collect();
        let more = if said.len() < text.len() { "…" } else { "" };
        format!("{:?} is no UUID", said + more)
    });
    violations.take(field, parsed)
}

/// An id that may be absent: `Some(None)` then, `None` if it is wrong.
pub fn optional_id(field: &str, text: Option<&str>, violations: &mut Violations) -> Option<Option<Uuid>> {
    match text {
        None => Some(None),
        Some(text) => id(field, text, violations).map(Some),
    }
}

/// Reads the id of a request that holds nothing else.
pub fn only_id(field: &str, text: &str) -> Result<Uuid> {
    let mut violations = Violations::new();
    let id = id(field, text, &mut violations);
    finish(violations, id)
}

/// A required message; notes its absence and goes on with an empty one, so that what else is
/// missing is named too.
pub fn required<T: Default>(field: &str, message: Option<T>, violations: &mut Violations) -> T {
    message.unwrap_or_else(|| {
        violations.add(field, "is required");
        T::default()
    })
}

/// How long a Wait may wait: 30 seconds if not said, 5 minutes at most.
pub fn wait(
    field: &str,
    given: Option<prost_types::Duration>,
    violations: &mut Violations,
) -> Option<Duration> {
    const DEFAULT: Duration = Duration::from_secs(30);
    const MAX: Duration = Duration::from_secs(300);
    let Some(given) = given else { return Some(DEFAULT) };
    let read = Duration::try_from(given).map_err(|_| "must not be negative");
    violations.take(field, read).map(|timeout| timeout.min(MAX))
}

/// Ends the parsing of a request: what was read, or all that is wrong with it.
pub fn finish<T>(violations: Violations, parsed: Option<T>) -> Result<T> {
    violations.check()?;
    parsed.ok_or_else(|| Error::internal("a parser gave neither a value nor a violation"))
}

/// The database keeps UTC without a zone.
#[must_use]
pub fn timestamp(at: NaiveDateTime) -> Timestamp {
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
            assert!(only_id("id", bad).is_err());
        }
        let told = violations.into_vec();
        assert_eq!(told.len(), 8);
        assert!(told.iter().all(|it| it.description.len() < 100), "{told:?}");
    }

    #[test]
    fn waits_are_bounded() {
        let mut violations = Violations::new();
        let mut read = |seconds| {
            let given = prost_types::Duration { seconds, nanos: 0 };
            wait("timeout", Some(given), &mut violations)
        };
        assert_eq!(read(1), Some(Duration::from_secs(1)));
        assert_eq!(read(i64::MAX), Some(Duration::from_secs(300)));
        assert_eq!(read(-1), None);
        assert_eq!(
            wait("timeout", None, &mut violations),
            Some(Duration::from_secs(30))
        );
        assert_eq!(violations.into_vec()[0].field, "timeout");
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
