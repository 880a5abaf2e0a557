//! A process of a service as far as its callers can tell: gRPC by hand, so that a test decides how
//! each call fails.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use datacovey_server::{Balanced, ReplyBody, Resolve};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::body::Body;

use crate::fixture::frame;

/// A method that is declared to be without side effects, and one that is not.
pub(crate) const READ: &str = "/datacovey.identity.v1.UserService/WhoAmI";
pub(crate) const WRITE: &str = "/datacovey.identity.v1.UserService/CreateUser";

/// What a node does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Answer,
    /// Refuses the stream, without having looked at it.
    Refuse,
    /// Answers UNAVAILABLE.
    Unavailable,
    /// Reads the whole call and hangs up.
    HangUp,
    /// Sends a first message, and ends when the node is told to.
    Stream,
}

#[derive(Default)]
struct Counts {
    /// How often each request was read whole.
    read: HashMap<String, usize>,
    refused: usize,
}

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    does: Arc<Mutex<Does>>,
    counts: Arc<Mutex<Counts>>,
    /// Ends streams.
    pub(crate) end: Arc<Notify>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Node {
    pub(crate) async fn start(does: Does) -> Self {
        Self::start_over(does, None).await
    }

    /// Over TLS, where there is an acceptor.
    pub(crate) async fn start_over(does: Does, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Self {
            address: listener.local_addr().unwrap(),
            does: Arc::new(Mutex::new(does)),
            counts: Arc::default(),
            end: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let (does, counts, end) = (node.does.clone(), node.counts.clone(), node.end.clone());
        let (stop, tasks) = (node.stop.clone(), node.tasks.clone());
        node.tasks.spawn(async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                let hang_up = stop.child_token();
                let (does, counts, end) = (does.clone(), counts.clone(), end.clone());
                let hanging_up = hang_up.clone();
                let service = hyper::service::service_fn(move |request| {
                    let does = *does.lock().unwrap();
                    handle(does, request, counts.clone(), end.clone(), hang_up.clone())
                });
                let tls = tls.clone();
                tasks.spawn(hanging_up.run_until_cancelled_owned(async move {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let stream = match tls {
                        None => Either::Left(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Either::Right(stream),
                            Err(_) => return,
                        },
                    };
                    let connection = builder.serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                }));
            }
        });
        node
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// How many calls it has read.
    pub(crate) fn calls(&self) -> usize {
        self.counts.lock().unwrap().read.values().sum()
    }

    /// How often it has read this one.
    pub(crate) fn read(&self, id: &str) -> usize {
        self.counts
            .lock()
            .unwrap()
            .read
            .get(id)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn refused(&self) -> usize {
        self.counts.lock().unwrap().refused
    }

    /// Hangs up on everybody and frees the port.
    pub(crate) async fn kill(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn handle(
    does: Does,
    request: Request<Incoming>,
    counts: Arc<Mutex<Counts>>,
    end: Arc<Notify>,
    hang_up: CancellationToken,
) -> Result<Response<Body>, h2::Error> {
    if does == Does::Refuse {
        counts.lock().unwrap().refused += 1;
        return Err(h2::Reason::REFUSED_STREAM.into());
    }
    let (head, body) = request.into_parts();
    if let Ok(collected) = body.collect().await {
        assert!(!collected.to_bytes().is_empty());
        let id = head.headers["x-request-id"].to_str().unwrap().to_owned();
        *counts.lock().unwrap().read.entry(id).or_default() += 1;
    }
    let message = Frame::data(frame(0, 0, b""));
    let answer = Response::builder().header("content-type", "application/grpc");
    let body = match does {
        Does::Refuse => unreachable!("it has refused"),
        Does::Answer => {
            let frames = [message, Frame::trailers(status(0))].map(Ok::<_, Status>);
            Body::new(StreamBody::new(futures::stream::iter(frames)))
        }
        Does::Unavailable => return Ok(Status::unavailable("of the node").into_http()),
        Does::HangUp => {
            hang_up.cancel();
            std::future::pending().await
        }
        Does::Stream => {
            let ending = futures::stream::once(async move {
                end.notified().await;
                Ok(Frame::trailers(status(0)))
            });
            let first = futures::stream::iter([Ok::<_, Status>(message)]);
            Body::new(StreamBody::new(futures::StreamExt::chain(first, ending)))
        }
    };
    Ok(answer.body(body).unwrap())
}

fn status(code: u16) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from(code),
    )])
}

/// Begins a call; the error is what the client made of its end.
pub(crate) async fn begin(
    client: &Balanced,
    path: &str,
    id: &str,
    deadline: Option<Instant>,
) -> Result<ReplyBody, Status> {
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-request-id", id)
        .body(Body::new(Full::new(frame(0, 0, b""))))
        .unwrap();
    let response = client.send(request, deadline).await?;
    match Status::from_header_map(response.headers()) {
        Some(status) => Err(status),
        None => Ok(response.into_body()),
    }
}

/// Reads an answer to its end.
pub(crate) async fn finish(body: ReplyBody) -> Result<Bytes, Status> {
    let collected = body.collect().await?;
    match collected.trailers().and_then(Status::from_header_map) {
        Some(status) if status.code() == tonic::Code::Ok => Ok(collected.to_bytes()),
        Some(status) => Err(status),
        None => panic!("an answer has ended without a status"),
    }
}

pub(crate) async fn call(client: &Balanced, path: &str, id: &str) -> Result<Bytes, Status> {
    finish(begin(client, path, id, None).await?).await
}

/// One name, and the addresses that it stands for; none is a failure.
#[derive(Default)]
pub(crate) struct Names {
    addresses: Mutex<Vec<SocketAddr>>,
    lookups: AtomicUsize,
}

impl Names {
    pub(crate) fn of(nodes: &[&Node]) -> Arc<Self> {
        let names = Arc::new(Self::default());
        names.are(nodes.iter().map(|node| node.address));
        names
    }

    pub(crate) fn are(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        *self.addresses.lock().unwrap() = addresses.into_iter().collect();
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let addresses = self.addresses.lock().unwrap().clone();
        self.lookups.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if addresses.is_empty() {
                return Err(io::Error::other("nobody knows that name"));
            }
            Ok(addresses)
        })
    }
}
