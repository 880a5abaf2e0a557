//! Fields that many requests share.

pub(super) use datacovey_server::field::{finish, id, only_id, optional_id, timestamp, wait};

/// Sizes and counts are signed in messages and in the database.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
