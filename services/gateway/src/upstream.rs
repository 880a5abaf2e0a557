use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use datacovey_error::{Error, Violation};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::body::Body;
use tower::Service;

/// Connections to one upstream: enough that one that stalls or reconnects is not all of them.
const CONNECTIONS: usize = 4;

/// What one call may have in flight towards the gateway before somebody reads it.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Calls share a connection, and what one of them does not read counts against the window of the
/// connection. It is as large as the protocol allows, so that callers who stop reading stop
/// nobody else; memory is bounded by [`STREAM_WINDOW_BYTES`] for each call.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_RESPONSE_HEADER_BYTES: u32 = 64 * 1024;

/// A service of the suite: its name, and connections to it that are made when they are needed.
///
/// Requests and answers pass through as they are; how much is in flight is decided by who reads.
#[derive(Clone)]
pub(crate) struct Upstream {
    name: &'static str,
    authority: Authority,
    clients: Arc<[Client<HttpConnector, Body>]>,
    next: Arc<AtomicUsize>,
}

impl Upstream {
    /// The service `name` at `address`, as in `http://catalog:50052`.
    pub(crate) fn new(name: &'static str, address: &Uri) -> Result<Self, Violation> {
        let wrong = |why: &str| Violation::new(format!("upstreams.{name}"), format!("\"{address}\" {why}"));
        if address.scheme() != Some(&Scheme::HTTP) {
            return Err(wrong("does not begin with http://"));
        }
        if !["", "/"].contains(&address.path()) || address.query().is_some() {
            return Err(wrong("has a path; http://host:port is all"));
        }
        let authority = address.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("holds credentials"));
        }
        let clients = (0..CONNECTIONS).map(|_| client()).collect();
        Ok(Self {
            name,
            authority: authority.clone(),
            clients,
            next: Arc::default(),
        })
    }

    #[must_use]
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Sends a request and answers with the head of the response; its body goes on arriving.
    /// Dropping either ends the call at the upstream, too.
    ///
    /// UNAVAILABLE if the upstream cannot be reached or hangs up.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let path = request.uri().path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = path;
        *request.uri_mut() = Uri::from_parts(parts).map_err(Error::internal)?;
        *request.version_mut() = Version::HTTP_2;
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let client = self
            .clients
            .get(turn % CONNECTIONS)
            .ok_or_else(|| Error::internal("no connections"))?;
        client.request(request).await.map_err(|error| self.away(error))
    }

    /// The upstream cannot be reached, or hung up.
    pub(crate) fn away(&self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::unavailable(&format!("the {} service", self.name)).caused_by(cause)
    }
}

fn client() -> Client<HttpConnector, Body> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_only(true)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(MAX_RESPONSE_HEADER_BYTES)
        .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .build(connector)
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// So that generated clients call it, too.
impl Service<Request<Body>> for Upstream {
    type Response = Response<Incoming>;
    type Error = tonic::Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async move { upstream.send(request).await.map_err(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port() {
        for right in [
            "http://127.0.0.1:50051",
            "http://catalog:50052/",
            "http://[::1]:1",
        ] {
            assert!(
                Upstream::new("catalog", &right.parse().unwrap()).is_ok(),
                "{right}"
            );
        }
        for wrong in [
            "https://catalog:1",
            "catalog:1",
            "/path",
            "http://catalog:1/path",
            "http://a:b@catalog:1",
        ] {
            let violation = Upstream::new("catalog", &wrong.parse().unwrap()).unwrap_err();
            assert_eq!(violation.field, "upstreams.catalog", "{wrong}");
        }
    }
}
