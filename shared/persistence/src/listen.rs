use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use tokio_postgres::AsyncMessage;
use uuid::Uuid;

use crate::StartError;
use crate::door::JobKind;
use crate::tls::Address;

/// The channel on which the database tells of jobs.
const CHANNEL: &str = "datacovey_job";

/// More notices than this a reader may not be behind; it is told that it missed some.
const BACKLOG: usize = 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the database has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A worker may take the job.
    Ready { kind: JobKind, job_id: Uuid },
    /// The job has this status now.
    Status {
        kind: JobKind,
        job_id: Uuid,
        status: String,
    },
    /// The connection was away: whatever one waits for may have happened.
    Missed,
}

/// The one connection of a process that listens; it comes back by itself when it is lost.
///
/// A notice is a hint and no promise. Whoever waits also looks from time to time.
#[derive(Debug)]
pub struct Listener {
    notices: broadcast::Sender<Notice>,
    task: AbortHandle,
}

impl Listener {
    /// Starts to listen. The database need not be there yet.
    pub fn start(url: &str) -> Result<Self, StartError> {
        let mut address = Address::parse(url)?;
        address.config.application_name("datacovey_listener");
        let (notices, _) = broadcast::channel(BACKLOG);
        let task = tokio::spawn(listen_for_ever(address, notices.clone())).abort_handle();
        Ok(Self { notices, task })
    }

    /// The notices from now on. A receiver that lags takes `RecvError::Lagged` as [`Notice::Missed`].
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen_for_ever(address: Address, notices: broadcast::Sender<Notice>) {
    let mut pause = Duration::from_millis(50);
    loop {
        match listen(&address, &notices).await {
            Ok(()) => pause = Duration::from_millis(50),
            Err(error) => {
                tracing::warn!(%error, "the listening connection is away");
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Listens until the connection ends.
async fn listen(address: &Address, notices: &broadcast::Sender<Notice>) -> Result<(), BoxError> {
    let (client, mut connection) = address.connect().await?;
    let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
    let command = format!("LISTEN {CHANNEL}");
    let begin = async {
        client.batch_execute(&command).await?;
        // Only now nothing is missed any more; nobody may be there to hear it.
        let _ = notices.send(Notice::Missed);
        // The client is the connection's life.
        std::future::pending::<Result<(), BoxError>>().await
    };
    let read = async {
        while let Some(message) = messages.next().await {
            if let AsyncMessage::Notification(it) = message?
                && let Some(notice) = parse(it.payload())
            {
                let _ = notices.send(notice);
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = begin => ended,
        ended = read => ended,
    }
}

/// `<kind> <job id> <status>`; `ready` in place of a status.
fn parse(payload: &str) -> Option<Notice> {
    let mut words = payload.splitn(3, ' ');
    let kind = words.next()?.parse().ok()?;
    let job_id = words.next()?.parse().ok()?;
    match words.next()? {
        "ready" => Some(Notice::Ready { kind, job_id }),
        status => Some(Notice::Status {
            kind,
            job_id,
            status: status.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_as_the_triggers_write_them() {
        let job_id = Uuid::from_u128(7);
        let kind = JobKind::Import;
        assert_eq!(
            parse(&format!("import {job_id} ready")),
            Some(Notice::Ready { kind, job_id })
        );
        let status = "running".to_owned();
        assert_eq!(
            parse(&format!("import {job_id} running")),
            Some(Notice::Status { kind, job_id, status })
        );
        for junk in [
            "",
            "import",
            "import x ready",
            "other 00000000-0000-0000-0000-000000000007 ready",
        ] {
            assert_eq!(parse(junk), None, "{junk}");
        }
    }
}
