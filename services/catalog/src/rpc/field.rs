//! Fields that many requests share.

use datacovey_error::Violations;
pub(super) use datacovey_server::field::{finish, id, only_id, optional_id, required, timestamp};

use crate::domain::text;

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
