use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use datacovey_error::Error;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

/// Tokens that nobody has been let in with lately are verified so often in a second at most, which
/// takes a part of one core.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(500).expect("above zero");
/// And so many at once: everybody comes back when a server has started anew.
const BURST: NonZeroU32 = NonZeroU32::new(5000).expect("above zero");
/// A token that was good is known for so long after it was last used.
const KNOWN_FOR: Duration = Duration::from_secs(3600);

/// Bounds what tokens cost that may be anything: a failed verification is work for nobody.
///
/// Whoever has been let in with a token is not held up by a flood of others. A caller's address
/// would be no measure: it is that of whatever stands before the gateway.
pub(super) struct Strangers {
    /// By a keyed hash. Nothing is let in for being in here, so one that is hit by chance wins
    /// nothing but a verification.
    known: Cache<u64, ()>,
    hasher: RandomState,
    verifications: DefaultDirectRateLimiter,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self {
            known: Cache::builder()
                .max_capacity(50_000)
                .time_to_idle(KNOWN_FOR)
                .build(),
            hasher: RandomState::new(),
            verifications: RateLimiter::direct(Quota::per_second(PER_SECOND).allow_burst(BURST)),
        }
    }

    /// Whether the token may be verified now.
    pub(super) fn may_try(&self, token: &str) -> Result<(), Error> {
        if self.known.get(&self.hasher.hash_one(token)).is_some() {
            return Ok(());
        }
        self.verifications.check().map_err(|too_soon| {
            let wait = too_soon.wait_time_from(DefaultClock::default().now());
            let message = "too many new tokens are presented; retry after the given time";
            Error::rate_limited("tokens", message, wait)
        })
    }

    /// The token was good.
    pub(super) fn remember(&self, token: &str) {
        let key = self.hasher.hash_one(token);
        if !self.known.contains_key(&key) {
            self.known.insert(key, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_strangers_holds_up_nobody_who_is_known() {
        let strangers = Strangers::new();
        strangers.remember("good");
        let refused = (0..1_000_000).find_map(|it| strangers.may_try(&format!("bad {it}")).err());
        let refused = refused.unwrap();
        assert_eq!(refused.reason_name(), "RATE_LIMITED");
        assert!(refused.retry_delay().is_some());
        assert!(strangers.may_try("good").is_ok());
    }
}
