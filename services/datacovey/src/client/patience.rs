use std::time::Duration;

use tonic::Code;

/// Times in a row that something broken is taken up again: twenty seconds, in which a service restarts.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a call that broke is made again before it is given up.
#[derive(Debug, Default)]
pub(super) struct Patience {
    tried: u32,
}

impl Patience {
    /// It went on: what breaks next is another break.
    pub(super) const fn restore(&mut self) {
        self.tried = 0;
    }

    /// Waits a little longer than the last time, or gives the error back.
    pub(super) async fn after(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        if self.tried >= TRIES || !is_transient(&error) {
            return Err(error);
        }
        tokio::time::sleep(pause(self.tried)).await;
        self.tried += 1;
        Ok(())
    }
}

fn pause(tried: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << tried).min(LONGEST_PAUSE)
}

/// Whether it may pass. No service of ours answers UNKNOWN: so the transport calls a connection that broke.
pub fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref::<tonic::Status>().is_some_and(|status| {
        matches!(
            status.code(),
            Code::Unavailable
                | Code::OutOfRange
                | Code::Aborted
                | Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Unknown
        )
    })
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_until_patience_ends() {
        let mut patience = Patience::default();
        for _ in 0..2 {
            for _ in 0..TRIES {
                let late = Status::deadline_exceeded("late");
                patience.after(late.into()).await.unwrap();
            }
            patience.restore();
        }
        for _ in 0..TRIES {
            patience.after(Status::unavailable("away").into()).await.unwrap();
        }
        assert!(patience.after(Status::unavailable("away").into()).await.is_err());
    }

    #[tokio::test]
    async fn what_stays_wrong_is_not_tried_again() {
        let refused = Status::permission_denied("no").into();
        assert!(Patience::default().after(refused).await.is_err());
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        assert_eq!(pause(0), FIRST_PAUSE);
        assert_eq!(pause(1), FIRST_PAUSE * 2);
        assert_eq!(pause(TRIES), LONGEST_PAUSE);
    }
}
