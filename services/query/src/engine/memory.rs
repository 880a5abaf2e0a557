//! The memory of one job.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Divides three quarters of a job's memory among operators that can spill, and keeps the rest for
/// those that cannot, which may also take what the others leave.
///
/// [`FairSpillPool`] alone gives all of it to the sorts, so that the merge above them fails.
#[derive(Debug)]
pub(super) struct JobMemory {
    size_bytes: usize,
    spillable: FairSpillPool,
    fixed_bytes: Mutex<usize>,
    /// What all jobs of the process have reserved.
    reserved_bytes: metrics::Gauge,
}

impl JobMemory {
    pub(super) fn new(size_bytes: usize) -> Self {
        Self {
            size_bytes,
            spillable: FairSpillPool::new(size_bytes / 4 * 3),
            fixed_bytes: Mutex::new(0),
            reserved_bytes: metrics::gauge!("datacovey_engine_memory_reserved_bytes"),
        }
    }

    /// The lock is held over every change, so that two operators never both take the last bytes.
    fn fixed(&self) -> MutexGuard<'_, usize> {
        self.fixed_bytes.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.spillable.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.spillable.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut fixed = self.fixed();
        if reservation.consumer().can_spill() {
            self.spillable.grow(reservation, additional);
        } else {
            *fixed = fixed.saturating_add(additional);
        }
        self.reserved_bytes.increment(additional as f64);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut fixed = self.fixed();
        if reservation.consumer().can_spill() {
            self.spillable.shrink(reservation, shrink);
        } else {
            *fixed = fixed.saturating_sub(shrink);
        }
        self.reserved_bytes.decrement(shrink as f64);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut fixed = self.fixed();
        let taken = fixed.saturating_add(self.spillable.reserved());
        if taken.saturating_add(additional) > self.size_bytes {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} asks for {additional} bytes; {taken} of {} are taken",
                reservation.consumer().name(),
                self.size_bytes
            )));
        }
        if reservation.consumer().can_spill() {
            self.spillable.try_grow(reservation, additional)?;
        } else {
            *fixed = fixed.saturating_add(additional);
        }
        self.reserved_bytes.increment(additional as f64);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.fixed().saturating_add(self.spillable.reserved())
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
