use std::time::Duration;

use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

/// What verified tokens said, so that the same token is not verified again on every call.
///
/// Keyed by the hash of the whole token, so that a token that differs in one byte is another
/// one, and so that a dump of memory holds no credentials.
pub(crate) struct VerifiedTokens<T: Clone + Send + Sync + 'static> {
    tokens: Cache<[u8; 32], (i64, T)>,
}

impl<T: Clone + Send + Sync + 'static> VerifiedTokens<T> {
    /// Holds `capacity` tokens, each until it expires or for `longest`, whichever is sooner.
    pub(crate) fn new(capacity: u64, longest: Duration) -> Self {
        Self {
            tokens: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(longest)
                .build(),
        }
    }

    /// What the token said, unless it has expired since.
    pub(crate) fn get(&self, token: &str, now: i64) -> Option<T> {
        let (expires_at, said) = self.tokens.get(&hash(token))?;
        (now < expires_at).then_some(said)
    }

    pub(crate) fn insert(&self, token: &str, expires_at: i64, said: T) {
        self.tokens.insert(hash(token), (expires_at, said));
    }
}

impl<T: Clone + Send + Sync + 'static> std::fmt::Debug for VerifiedTokens<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedTokens")
            .field("count", &self.tokens.entry_count())
            .finish_non_exhaustive()
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_with_its_token() {
        let cache = VerifiedTokens::new(10, Duration::from_secs(60));
        cache.insert("token", 100, "said");
        assert_eq!(cache.get("token", 99), Some("said"));
        assert_eq!(cache.get("token", 100), None);
        assert_eq!(cache.get("tokeN", 99), None);
    }
}
