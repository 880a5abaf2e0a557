use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Between two tries, whoever waits for their outcome.
const LEAST: Duration = Duration::from_millis(100);
const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(10);

/// When something is tried again: after a pause, or at once for a call that has nowhere to go.
pub(super) struct Pace {
    /// When the last such call began to wait.
    wanted: watch::Receiver<Instant>,
    begun: Instant,
    failures: u32,
}

impl Pace {
    pub(super) fn new(wanted: watch::Receiver<Instant>) -> Self {
        Self {
            wanted,
            begun: Instant::now(),
            failures: 0,
        }
    }

    /// A try begins.
    pub(super) fn begin(&mut self) -> Instant {
        self.begun = Instant::now();
        self.begun
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Waits after a failure: longer after each, so that what struggles is not hurried.
    pub(super) async fn back_off(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.rest(backoff(self.failures)).await;
    }

    /// Waits for `pause`, and shorter for a call that began to wait after the last try did.
    pub(super) async fn rest(&mut self, pause: Duration) {
        let begun = self.begun;
        let wanted = self.wanted.wait_for(|at| *at > begun);
        // An error is that nobody will want it any more; whoever tries is about to be stopped.
        let _ = timeout_at(Instant::now() + jittered(pause), wanted).await;
        sleep_until(begun + LEAST).await;
    }
}

/// Doubled with each failure, up to a bound.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(MOST)
}

/// Somewhere in the upper half, so that those who failed together do not return together.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let pauses: Vec<_> = [1, 2, 3, 7, 8, u32::MAX].map(backoff).into();
        let millis: Vec<_> = pauses.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [100, 200, 400, 6400, 10_000, 10_000]);
        for _ in 0..1000 {
            assert!((MOST / 2..=MOST).contains(&jittered(MOST)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_ends_the_pause() {
        let (wants, wanted) = watch::channel(Instant::now());
        let mut pace = Pace::new(wanted);
        for _ in 0..10 {
            pace.begin();
            pace.back_off().await;
        }
        let begun = pace.begin();
        tokio::time::advance(Duration::from_millis(1)).await;
        wants.send_replace(Instant::now());
        pace.back_off().await;
        assert_eq!(
            begun.elapsed(),
            LEAST,
            "and not at once, or calls would set the pace"
        );
        // It was heard before this try.
        let begun = pace.begin();
        pace.back_off().await;
        assert!(begun.elapsed() >= MOST / 2);
    }
}
