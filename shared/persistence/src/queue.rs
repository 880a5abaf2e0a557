//! Those who wait for a connection, and for how long they do.
//!
//! A queue that comes and goes is a burst, and those in it are served soon. One that is never
//! empty is more than the database carries: whoever waits long in it gets an answer late and keeps
//! the next one waiting as long. So in such a queue nobody waits for long (the rule of "controlled
//! delay").

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::DbRole;
use crate::metrics::Waits;

/// A queue that has not been empty for so long is one that stays.
const STAYS: Duration = Duration::from_secs(1);
/// How long to wait in a queue that stays.
const SHORT_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    /// Since when somebody has always waited.
    since: Option<Instant>,
}

/// One who waits, until it is dropped.
pub(crate) struct Place<'a> {
    queue: &'a Queue,
    _counted: Waits,
}

impl Queue {
    /// Joins the queue.
    pub(crate) fn join(&self, role: DbRole, now: Instant) -> Place<'_> {
        let mut state = self.state();
        state.waiting += 1;
        state.since.get_or_insert(now);
        Place {
            queue: self,
            _counted: Waits::new(role),
        }
    }

    /// How long one may wait who joins now and would wait for `most` otherwise.
    pub(crate) fn patience(&self, most: Duration, now: Instant) -> Duration {
        let stays = |since| now.saturating_duration_since(since) >= STAYS;
        if self.state().since.is_some_and(stays) {
            most.min(SHORT_WAIT)
        } else {
            most
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.waiting -= 1;
        if state.waiting == 0 {
            state.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_long_in_a_queue_that_stays() {
        let (queue, begun) = (Queue::default(), Instant::now());
        let most = Duration::from_secs(5);
        let after = |millis| queue.patience(most, begun + Duration::from_millis(millis));
        let first = queue.join(DbRole::Catalog, begun);
        assert_eq!(after(0), most);
        assert_eq!(after(999), most);
        assert_eq!(after(1000), SHORT_WAIT);
        // Another one has come before the first was served: it has not been empty.
        let second = queue.join(DbRole::Catalog, begun + Duration::from_millis(1100));
        drop(first);
        assert_eq!((queue.waiting(), after(1200)), (1, SHORT_WAIT));
        drop(second);
        assert_eq!((queue.waiting(), after(1200)), (0, most));
        let short = Duration::from_millis(1);
        let _third = queue.join(DbRole::Catalog, begun);
        assert_eq!(queue.patience(short, begun + STAYS), short);
    }
}
