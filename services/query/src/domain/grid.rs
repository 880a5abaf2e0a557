//! When a query over others' tables may be seen to end.
//!
//! How long a query ran depends on rows. Its end is moved to the next step of a coarse grid, so that
//! the time tells no more than the number of the step.

use std::time::Duration;

const FLOOR: Duration = Duration::from_millis(50);
const STEP: f64 = 1.25;

/// The first step of the grid that is not before `elapsed`.
#[must_use]
pub(crate) fn next_step(elapsed: Duration) -> Duration {
    let mut step = FLOOR;
    while step < elapsed {
        step = step.mul_f64(STEP);
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_fall_on_steps() {
        assert_eq!(next_step(Duration::ZERO), FLOOR);
        assert_eq!(next_step(FLOOR), FLOOR);
        assert_eq!(
            next_step(Duration::from_millis(51)),
            Duration::from_micros(62_500)
        );
        let hour = Duration::from_secs(3600);
        assert!(next_step(hour) >= hour && next_step(hour) < hour.mul_f64(STEP));
        // Two runs within one step end alike.
        assert_eq!(
            next_step(Duration::from_millis(63)),
            next_step(Duration::from_millis(78))
        );
    }
}
