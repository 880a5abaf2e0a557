//! How many prompt calls run at once: as many as make each other no more than somewhat slower.
//!
//! Where more run than the machine, or what is behind it, can carry, each only waits for the
//! others. So calls are compared with what their method usually takes while few run: where half of
//! them take more than [`SLOW`] times as long, fewer are let in, by as much as they are slower
//! (Little's law: the number that runs divided by the slowdown is what is carried without a
//! queue). Else the limit grows, step by step, up to what is configured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call is slow that takes so many times what its method usually takes.
const SLOW: f64 = 1.5;
/// How much slower than usual calls are to be after the limit has come down.
const WANTED: f64 = 1.2;
/// How often the limit is looked at, where there are calls enough to tell.
const WINDOW: Duration = Duration::from_millis(50);
/// Calls that are enough to tell.
const ENOUGH: usize = 10;
/// A window without enough calls by then says nothing.
const QUIET_AFTER: Duration = Duration::from_secs(1);
/// Of a window with more calls, the first tell enough.
const MOST: usize = 1024;
/// Differences of the scheduler's doing: no call is slow for these.
const NOISE_SECONDS: f64 = 0.001;
/// How far one call moves what is usual, at least.
const STEP: f64 = 0.02;

#[derive(Debug)]
pub(super) struct AdaptiveLimit {
    /// So many calls are always let in; while no more run, what they take is the usual.
    floor: usize,
    ceiling: usize,
    limit: AtomicUsize,
    running: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    begun: Instant,
    /// The most that ran at once in this window.
    peak: usize,
    /// How many times the usual each call took.
    slowdowns: Vec<f64>,
    /// By method, of which the descriptors know all: there are no more.
    usual: HashMap<Arc<str>, Usual>,
}

/// The median of a method's durations, found by steps towards each of them.
#[derive(Debug)]
struct Usual {
    seconds: f64,
    calls: f64,
}

/// A call that runs; it has ended when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    of: Arc<AdaptiveLimit>,
    /// How many ran when it began, itself included.
    among: usize,
    begun: Instant,
}

impl AdaptiveLimit {
    pub(super) fn new(floor: usize, ceiling: usize, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            floor: floor.min(ceiling),
            ceiling,
            limit: AtomicUsize::new(ceiling),
            running: AtomicUsize::new(0),
            seen: Mutex::new(Seen {
                begun: now,
                peak: 0,
                slowdowns: Vec::new(),
                usual: HashMap::new(),
            }),
        })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Lets a call in, or not.
    pub(super) fn begin(self: &Arc<Self>, now: Instant) -> Option<Running> {
        let limit = self.limit();
        let more = |running| (running < limit).then_some(running + 1);
        let before = self
            .running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        Some(Running {
            of: Arc::clone(self),
            among: before.ok()? + 1,
            begun: now,
        })
    }

    /// Takes notice of what a call took that ran among so many; the new limit, where it changes.
    fn took(&self, method: &Arc<str>, took: Duration, among: usize, now: Instant) -> Option<usize> {
        let seconds = took.as_secs_f64();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = &mut *seen;
        let usual = seen
            .usual
            .entry(Arc::clone(method))
            .or_insert(Usual { seconds, calls: 0.0 });
        let slowdown = (seconds + NOISE_SECONDS) / (usual.seconds + NOISE_SECONDS);
        if among <= self.floor {
            usual.learn(seconds);
        }
        seen.peak = seen.peak.max(among);
        if seen.slowdowns.len() < MOST {
            seen.slowdowns.push(slowdown);
        }
        let lasted = now.saturating_duration_since(seen.begun);
        let is_full = seen.slowdowns.len() >= ENOUGH;
        if lasted < WINDOW || !is_full && lasted < QUIET_AFTER {
            return None;
        }
        let median = if is_full { median(&mut seen.slowdowns) } else { 1.0 };
        let limit = self.limit();
        let next = if median > SLOW {
            // What is carried, of what ran: never above a limit that was too high.
            let carried = seen.peak as f64 * WANTED / median;
            (carried as usize).min(limit)
        } else {
            limit + (limit / 10).max(1)
        };
        let next = next.clamp(self.floor, self.ceiling);
        seen.slowdowns.clear();
        (seen.peak, seen.begun) = (0, now);
        self.limit.store(next, Ordering::Relaxed);
        (next != limit).then_some(next)
    }
}

impl Usual {
    fn learn(&mut self, seconds: f64) {
        self.calls += 1.0;
        let step = STEP.max(1.0 / (self.calls + 1.0));
        self.seconds *= if seconds > self.seconds {
            1.0 + step
        } else {
            1.0 - step
        };
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

impl Running {
    /// The call has been answered well: what it took tells of the load. The new limit, where it
    /// changes.
    pub(super) fn answered(&self, method: &Arc<str>, now: Instant) -> Option<usize> {
        let took = now.saturating_duration_since(self.begun);
        // More may have come while it ran, and have made it slow.
        let among = self.among.max(self.of.running.load(Ordering::Relaxed));
        self.of.took(method, took, among, now)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.of.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "adaptive_tests.rs"]
mod tests;
