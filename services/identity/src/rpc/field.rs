//! Fields that many requests share, read from their text and written back.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result, Violations};
use prost_types::Timestamp;
use uuid::Uuid;

/// A required id; notes what is wrong with it.
pub(super) fn id(field: &str, text: &str, violations: &mut Violations) -> Option<Uuid> {
    if text.is_empty() {
        violations.add(field, "is required: a UUID");
        return None;
    }
    violations.take(field, Uuid::try_parse(text).map_err(|_| "is no UUID"))
}

/// A required message; notes its absence and goes on with an empty one, so that what else is
/// missing is named too.
pub(super) fn required<T: Default>(field: &str, message: Option<T>, violations: &mut Violations) -> T {
    message.unwrap_or_else(|| {
        violations.add(field, "is required");
        T::default()
    })
}

/// Ends the parsing of a request: what was read, or all that is wrong with it.
pub(super) fn finish<T>(violations: Violations, parsed: Option<T>) -> Result<T> {
    violations.check()?;
    parsed.ok_or_else(|| Error::internal("a parser gave neither a value nor a violation"))
}

/// Reads the id of a request that holds nothing else.
pub(super) fn only_id(text: &str) -> Result<Uuid> {
    let mut violations = Violations::new();
    let id = id("id", text, &mut violations);
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
