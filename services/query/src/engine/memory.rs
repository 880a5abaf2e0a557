//! The memory of one job.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Operators of a plan that hold much at a time.
const FEW: usize = 4;

/// Divides a job's memory between operators that can spill and those that cannot.
///
/// A quarter is only for those that cannot, which may also take what the others leave. The rest is divided evenly among
/// those that can. But most operators of a large plan hold next to nothing, and an even division would have the few
/// that need more spill early: so each may hold as much as one of [`FEW`], while half of the memory is free.
#[derive(Debug)]
pub(super) struct JobMemory {
    size_bytes: usize,
    taken: Mutex<Taken>,
    /// What all jobs of the process have reserved.
    reserved_bytes: metrics::Gauge,
}

#[derive(Debug, Default)]
struct Taken {
    /// Operators that can spill, working or not.
    spillers: usize,
    by_spillers: usize,
    by_others: usize,
}

impl Taken {
    fn all(&self) -> usize {
        self.by_spillers.saturating_add(self.by_others)
    }

    fn of(&mut self, consumer: &MemoryConsumer) -> &mut usize {
        if consumer.can_spill() {
            &mut self.by_spillers
        } else {
            &mut self.by_others
        }
    }
}

impl JobMemory {
    pub(super) fn new(size_bytes: usize) -> Self {
        Self {
            size_bytes,
            taken: Mutex::default(),
            reserved_bytes: metrics::gauge!("datacovey_engine_memory_reserved_bytes"),
        }
    }

    /// The lock is held over every change, so that two operators never both take the last bytes.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one of the operators that can spill may hold `held` bytes, all of them `together`.
    fn admits(&self, spillers: usize, held: usize, together: usize) -> bool {
        let divided = self.size_bytes / 4 * 3;
        let early = held <= divided / FEW && together <= self.size_bytes / 2;
        together <= divided && (held <= divided / spillers.max(1) || early)
    }
}

impl fmt::Display for JobMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job({} bytes)", self.size_bytes)
    }
}

impl MemoryPool for JobMemory {
    fn name(&self) -> &str {
        "job"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.taken().spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut taken = self.taken();
        taken.spillers = taken.spillers.saturating_sub(usize::from(consumer.can_spill()));
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut taken = self.taken();
        let of = taken.of(reservation.consumer());
        *of = of.saturating_add(additional);
        self.reserved_bytes.increment(additional as f64);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut taken = self.taken();
        let of = taken.of(reservation.consumer());
        *of = of.saturating_sub(shrink);
        self.reserved_bytes.decrement(shrink as f64);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut taken = self.taken();
        let consumer = reservation.consumer();
        let held = reservation.size().saturating_add(additional);
        let together = taken.by_spillers.saturating_add(additional);
        let fits = taken.all().saturating_add(additional) <= self.size_bytes;
        if !fits || consumer.can_spill() && !self.admits(taken.spillers, held, together) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} asks for {additional} bytes beside {}; {} of {} are taken",
                consumer.name(),
                reservation.size(),
                taken.all(),
                self.size_bytes
            )));
        }
        *taken.of(consumer) += additional;
        self.reserved_bytes.increment(additional as f64);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.taken().all()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pool() -> Arc<dyn MemoryPool> {
        Arc::new(JobMemory::new(400))
    }

    #[test]
    fn sorts_leave_a_quarter_to_what_cannot_spill() {
        let pool = pool();
        let sort = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        assert!(sort.try_grow(301).is_err());
        sort.try_grow(300).unwrap();
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(100).unwrap();
        assert!(merge.try_grow(1).is_err());
        assert_eq!(pool.reserved(), 400);
    }

    #[test]
    fn one_of_many_takes_more_while_there_is_much_left() {
        let pool = pool();
        let named = |name: String| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let all: Vec<_> = (0..10).map(|number| named(number.to_string())).collect();
        // One of four takes 75, one of ten 30.
        all[0].try_grow(75).unwrap();
        assert!(all[0].try_grow(1).is_err());
        all[1].try_grow(75).unwrap();
        all[2].try_grow(50).unwrap();
        assert!(all[2].try_grow(1).is_err());
        for other in &all[3..6] {
            other.try_grow(30).unwrap();
            assert!(other.try_grow(1).is_err());
        }
        all[6].try_grow(10).unwrap();
        assert!(all[6].try_grow(1).is_err());
        let merge = MemoryConsumer::new("merge").register(&pool);
        merge.try_grow(100).unwrap();
    }

    #[test]
    fn what_is_left_is_free_for_all_and_comes_back() {
        let pool = pool();
        let join = MemoryConsumer::new("join").register(&pool);
        join.try_grow(350).unwrap();
        let sort = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        assert!(sort.try_grow(51).is_err());
        sort.try_grow(50).unwrap();
        drop((join, sort));
        assert_eq!(pool.reserved(), 0);
    }
}
