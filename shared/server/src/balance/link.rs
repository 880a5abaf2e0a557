use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::SendRequest;
use metrics::gauge;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::connect::connect;
use super::pace::Pace;
use super::replay::ReplayBody;
use super::urls::Target;
use crate::reply::causes;
use crate::tls::ClientTls;

/// A connection that ends sooner has not been one: the next is made after a pause.
const STEADY: Duration = Duration::from_secs(5);

/// A connection to one address, made again whenever it is lost. Calls that run when it is dropped
/// go on over what is left of it.
pub(super) struct Link {
    line: Arc<Line>,
    _keeper: AbortOnDropHandle<()>,
}

/// What a link and the calls over it share.
struct Line {
    site: Site,
    running: AtomicUsize,
    state: Mutex<State>,
}

/// One process of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) address: SocketAddr,
    /// The URL that it was found by.
    pub(super) target: Target,
}

enum State {
    Connected(SendRequest<ReplayBody>),
    Away {
        /// When the last try began that failed; None if none has since it was connected.
        tried: Option<Instant>,
        why: String,
    },
}

impl Link {
    pub(super) fn new(
        peer: &'static str,
        site: Site,
        tls: Option<ClientTls>,
        wanted: watch::Receiver<Instant>,
        changes: watch::Sender<()>,
    ) -> Self {
        let line = Arc::new(Line {
            site,
            running: AtomicUsize::new(0),
            state: Mutex::new(State::Away {
                tried: None,
                why: "there is no connection yet".to_owned(),
            }),
        });
        let keeper = tokio::spawn(keep(peer, Arc::clone(&line), tls, wanted, changes));
        Self {
            line,
            _keeper: AbortOnDropHandle::new(keeper),
        }
    }

    pub(super) fn site(&self) -> &Site {
        &self.line.site
    }

    pub(super) fn is_connected(&self) -> bool {
        self.line
            .with(|state| matches!(state, State::Connected(sender) if !sender.is_closed()))
    }

    pub(super) fn running(&self) -> usize {
        self.line.running.load(Ordering::Relaxed)
    }

    /// Why there is no connection, if a try that began at `since` or later has failed.
    pub(super) fn failed_since(&self, since: Instant) -> Option<String> {
        self.line.with(|state| match state {
            State::Away {
                tried: Some(tried),
                why,
            } if *tried >= since => Some(format!("{}: {why}", self.line.site.address)),
            _ => None,
        })
    }

    /// A place for one call; None if there is no connection.
    pub(super) fn take(&self) -> Option<Place> {
        let sender = self.line.with(|state| match state {
            State::Connected(sender) => Some(sender.clone()),
            State::Away { .. } => None,
        })?;
        self.line.running.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            sender,
            running: Running(Arc::clone(&self.line)),
        })
    }
}

impl Line {
    fn with<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn becomes(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Where one call is sent.
pub(super) struct Place {
    sender: SendRequest<ReplayBody>,
    running: Running,
}

/// A call that runs; it counts as the load of its link until it is dropped.
pub(super) struct Running(Arc<Line>);

impl Place {
    pub(super) fn site(&self) -> &Site {
        &self.running.0.site
    }

    /// Sends the request; an error holds it if nothing of it was sent.
    pub(super) async fn send(
        mut self,
        request: Request<ReplayBody>,
    ) -> Result<(Response<Incoming>, Running), TrySendError<Request<ReplayBody>>> {
        let response = self.sender.try_send_request(request).await?;
        Ok((response, self.running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connects, waits until the connection takes no more calls, and connects again.
async fn keep(
    peer: &'static str,
    line: Arc<Line>,
    tls: Option<ClientTls>,
    wanted: watch::Receiver<Instant>,
    changes: watch::Sender<()>,
) {
    let mut pace = Pace::new(wanted);
    loop {
        let begun = pace.begin();
        match connect(&line.site, tls.as_ref()).await {
            Ok((sender, connection)) => {
                let connected = Connected::new(peer);
                line.becomes(State::Connected(sender));
                changes.send_replace(());
                let ended = connection.await;
                drop(connected);
                let why = match ended {
                    Ok(Err(error)) => causes(&error),
                    Ok(Ok(())) => "it takes no more calls".to_owned(),
                    Err(error) => error.to_string(),
                };
                tracing::debug!(peer, address = %line.site.address, why, "a connection has ended");
                line.becomes(State::Away { tried: None, why });
                changes.send_replace(());
                if begun.elapsed() >= STEADY {
                    pace.succeeded();
                    pace.rest(Duration::ZERO).await;
                } else {
                    pace.back_off().await;
                }
            }
            Err(error) => {
                let why = causes(error.as_ref());
                tracing::debug!(peer, address = %line.site.address, why, "no connection is made");
                let tried = Some(begun);
                line.becomes(State::Away { tried, why });
                changes.send_replace(());
                pace.back_off().await;
            }
        }
    }
}

/// Counts a connection for as long as it takes calls.
struct Connected(metrics::Gauge);

impl Connected {
    fn new(peer: &'static str) -> Self {
        let connections = gauge!("datacovey_upstream_connections", "peer" => peer);
        connections.increment(1.0);
        Self(connections)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
