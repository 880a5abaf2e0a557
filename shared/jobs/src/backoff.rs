use std::time::Duration;

/// The first retry waits about this long, each further one twice as long.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(60);

/// How long to wait before the attempt after `attempt` (from 1): spread over a quarter, by a number
/// of the job's own, so that jobs that failed together do not come back together.
pub(crate) fn after(attempt: i32, spread: u64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(MOST);
    full - full.mul_f64((spread % 256) as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let waits: Vec<u64> = [1, 2, 3, 7, 100]
            .map(|attempt| after(attempt, 0).as_secs())
            .to_vec();
        assert_eq!(waits, [1, 2, 4, 60, 60]);
        for spread in 0..1000 {
            let wait = after(2, spread);
            assert!(wait > Duration::from_millis(1500) && wait <= Duration::from_secs(2));
        }
        assert_eq!(after(i32::MIN, 0), FIRST);
    }
}
