use std::time::Duration;

use datacovey_persistence::{JobKind, Listener, Notice};
use datacovey_types::{QueryJobStatus, TransferJobStatus};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use uuid::Uuid;

/// Waits for something to happen to jobs: told by the database, and looking from time to time
/// whether it told.
#[derive(Debug)]
pub struct Lookout {
    notices: Option<broadcast::Receiver<Notice>>,
}

impl Lookout {
    /// Hears what the listener hears from now on. Without a listener there is only the time.
    #[must_use]
    pub fn new(listener: Option<&Listener>) -> Self {
        Self {
            notices: listener.map(Listener::subscribe),
        }
    }

    /// Returns when a worker may take a job of the kind, or one has ended and made room for another
    /// of its tenant; or after `at_most`.
    pub async fn ready(&mut self, kind: JobKind, at_most: Duration) {
        self.until(at_most, |notice| match notice {
            Notice::Ready { kind: of, .. } => *of == kind,
            Notice::Status { kind: of, status, .. } => *of == kind && is_final(status),
            Notice::Missed => false,
        })
        .await;
    }

    /// Returns when something happened to the job, or after `at_most`.
    pub async fn change(&mut self, kind: JobKind, job_id: Uuid, at_most: Duration) {
        let is_job = |notice: &Notice| match notice {
            Notice::Ready { kind: of, job_id: id }
            | Notice::Status {
                kind: of, job_id: id, ..
            } => (*of, *id) == (kind, job_id),
            Notice::Missed => false,
        };
        self.until(at_most, is_job).await;
    }

    /// Returns when the job has ended, or after `at_most`: what its worker waits for, which knows the rest. True where
    /// something was told of.
    pub(crate) async fn end(&mut self, kind: JobKind, job_id: Uuid, at_most: Duration) -> bool {
        self.until(at_most, |notice| match notice {
            Notice::Status {
                kind: of,
                job_id: id,
                status,
            } => (*of, *id) == (kind, job_id) && is_final(status),
            Notice::Ready { .. } | Notice::Missed => false,
        })
        .await
    }

    async fn until(&mut self, at_most: Duration, awaited: impl Fn(&Notice) -> bool + Send + Sync) -> bool {
        let told = async {
            while let Some(notices) = &mut self.notices {
                match notices.recv().await {
                    // After a gap, what is awaited may have happened in it.
                    Ok(Notice::Missed) | Err(RecvError::Lagged(_)) => return,
                    Ok(notice) if awaited(&notice) => return,
                    Ok(_) => {}
                    Err(RecvError::Closed) => self.notices = None,
                }
            }
            std::future::pending::<()>().await;
        };
        timeout(at_most, told).await.is_ok()
    }
}

fn is_final(status: &str) -> bool {
    let of_transfer = status.parse().map(TransferJobStatus::is_final);
    let of_query = status.parse().map(QueryJobStatus::is_final);
    of_transfer.or(of_query).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_one_in_the_words_of_either_kind() {
        assert!(["completed", "failed", "DONE", "ERROR"].into_iter().all(is_final));
        assert!(
            !["pending", "running", "PENDING", "RUNNING", "else"]
                .into_iter()
                .any(is_final)
        );
    }
}
