//! Calls to a service that runs as several processes, which come and go.
//!
//! A [`Balanced`] client keeps connections to all of them, sends each call to one that is not busy,
//! and sends again only what is safe to. The rule: what may have been done once is not done twice.
//! A call is repeated if it certainly has reached no application, and otherwise only if its method
//! is declared to be without side effects.
//!
//! The connections are hyper's own. tower's balancer and tonic's channel over it queue calls before
//! one worker, and what fails in it does not come back to be sent elsewhere; hyper's pooled client
//! knows names and not addresses.

mod connect;
mod link;
mod pace;
mod pool;
mod replay;
mod reply;
mod resolve;
mod retry;
mod urls;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use datacovey_error::Error;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri, Version};
use metrics::counter;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tonic::body::Body;
use tower::retry::budget::{Budget as _, TpsBudget};

use self::link::{Place, Site};
use self::pace::jittered;
use self::pool::Pool;
use self::replay::Replay;
pub use self::reply::ReplyBody;
use self::reply::away;
pub use self::resolve::Resolve;
use self::resolve::{SystemResolver, follow};
use self::retry::{Failure, PAUSE};
pub use self::urls::{BadPeerUrls, PeerUrls};
use crate::descriptor::has_no_side_effects;
use crate::layer::{GRPC_TIMEOUT, write_timeout};
use crate::tls::ClientTls;

/// Calls to one service of the suite, whichever of its processes answers. Clones share
/// connections, which end with the last.
#[derive(Clone)]
pub struct Balanced(Arc<Inner>);

struct Inner {
    peer: &'static str,
    pool: Arc<Pool>,
    budget: TpsBudget,
    _followers: Vec<AbortOnDropHandle<()>>,
}

impl Balanced {
    /// The service `peer` at `urls`. Connections are made at once, in tasks of the runtime that
    /// this is called in, and again whenever they are lost; with `tls` to those whose URL begins with
    /// https, which cannot be reached without it.
    #[must_use]
    pub fn new(peer: &'static str, urls: &PeerUrls, tls: Option<ClientTls>) -> Self {
        Self::with_resolver(peer, urls, tls, Arc::new(SystemResolver))
    }

    /// As [`Self::new`], with names looked up by `resolver`.
    #[must_use]
    pub fn with_resolver(
        peer: &'static str,
        urls: &PeerUrls,
        tls: Option<ClientTls>,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        let pool = Arc::new(Pool::new(peer, urls, tls));
        let targets = urls.targets().iter().cloned().enumerate();
        let followers = targets.map(|(index, target)| {
            let following = follow(Arc::clone(&pool), index, target, Arc::clone(&resolver));
            AbortOnDropHandle::new(tokio::spawn(following))
        });
        let followers = followers.collect();
        Self(Arc::new(Inner {
            peer,
            pool,
            budget: retry::budget(),
            _followers: followers,
        }))
    }

    /// The service's name.
    #[must_use]
    pub fn peer(&self) -> &'static str {
        self.0.peer
    }

    /// Sends a request and answers with the head of the response; its body goes on arriving.
    /// Dropping either ends the call at the service, too. Scheme and host of the request's URI are
    /// replaced, and `grpc-timeout` where it is sent again and there is a `deadline`.
    ///
    /// UNAVAILABLE if no process can be reached or one hangs up; DEADLINE_EXCEEDED if there is no
    /// head by the deadline.
    pub async fn send(
        &self,
        request: Request<Body>,
        deadline: Option<Instant>,
    ) -> Result<Response<ReplyBody>, Error> {
        let sending = self.0.send(request, deadline);
        match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), sending)
                .await
                .unwrap_or_else(|_| Err(Error::deadline_exceeded())),
            None => sending.await,
        }
    }

    /// The service cannot be reached, or hung up.
    pub fn away(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        away(self.0.peer, cause)
    }
}

impl Inner {
    async fn send(
        &self,
        request: Request<Body>,
        deadline: Option<Instant>,
    ) -> Result<Response<ReplyBody>, Error> {
        let (mut head, body) = request.into_parts();
        head.version = Version::HTTP_2;
        // Nothing in it is sent.
        head.extensions.clear();
        let path = head.uri.path_and_query().cloned();
        let no_side_effects = has_no_side_effects(head.uri.path());
        let body = Replay::new(body);
        self.budget.deposit();
        let mut tried = Vec::new();
        for sends in 1.. {
            let place = self.pool.place(&tried).await;
            let place = place.map_err(|why| away(self.peer, why))?;
            let address = place.site().address;
            let mut head = head.clone();
            head.uri = uri(place.site(), path.clone())?;
            if let Some(deadline) = deadline
                && sends > 1
            {
                let left = deadline.saturating_duration_since(Instant::now());
                head.headers.insert(GRPC_TIMEOUT, write_timeout(left));
            }
            let failure = match self.send_to(place, Request::from_parts(head, body.body())).await {
                Ok(response) if no_side_effects && retry::is_unavailable(response.headers()) => {
                    Failure::Unavailable(Box::new(response))
                }
                Ok(response) => {
                    body.release();
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            let repeat = body.is_whole()
                && failure.may_repeat(sends, no_side_effects)
                && (!failure.is_a_load() || self.budget.withdraw());
            if !repeat {
                body.release();
                return self.give_up(failure);
            }
            let reason = failure.reason();
            tracing::debug!(peer = self.peer, %address, reason, "a call is sent again");
            counter!("datacovey_upstream_retries_total", "peer" => self.peer, "reason" => reason)
                .increment(1);
            if failure.is_a_load() {
                let times = u32::try_from(sends).unwrap_or(u32::MAX);
                tokio::time::sleep(jittered(PAUSE.saturating_mul(times))).await;
            }
            tried.push(address);
        }
        Err(Error::internal("sending has no end"))
    }

    async fn send_to(
        &self,
        place: Place,
        request: Request<replay::ReplayBody>,
    ) -> Result<Response<ReplyBody>, Failure> {
        let (response, running) = place.send(request).await.map_err(Failure::of)?;
        Ok(response.map(|body| ReplyBody::new(body, self.peer, running)))
    }

    fn give_up(&self, failure: Failure) -> Result<Response<ReplyBody>, Error> {
        match failure {
            Failure::Unsent(cause) | Failure::Refused(cause) | Failure::Lost(cause) => {
                Err(away(self.peer, cause))
            }
            // In its own words.
            Failure::Unavailable(response) => Ok(*response),
        }
    }
}

fn uri(site: &Site, path: Option<PathAndQuery>) -> Result<Uri, Error> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(site.target.scheme());
    parts.authority = Some(site.target.authority.clone());
    parts.path_and_query = path;
    Uri::from_parts(parts).map_err(Error::internal)
}

impl std::fmt::Debug for Balanced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Balanced")
            .field("peer", &self.0.peer)
            .finish_non_exhaustive()
    }
}

/// So that generated clients call it, too.
impl tower::Service<Request<Body>> for Balanced {
    type Response = Response<ReplyBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Each call waits for itself, so that none waits for another.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.send(request, None).await.map_err(Into::into) })
    }
}
