//! A service of the suite as far as the gateway can tell: gRPC by hand, so that tests decide every
//! header, frame and end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use datacovey_server::PeerUrls;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;
type Handler = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A server on a free port that answers each path as it was told, and everything else with
/// UNIMPLEMENTED.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    handlers: Arc<Mutex<Vec<(&'static str, Handler)>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener)
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let fake = Self {
            address: listener.local_addr().unwrap(),
            handlers: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        fake.answer("/grpc.health.v1.Health/Check", |_| {
            Box::pin(async {
                let serving = tonic_health::pb::HealthCheckResponse { status: 1 };
                unary(&serving)
            })
        });
        let (handlers, stop, tasks) = (fake.handlers.clone(), fake.stop.clone(), fake.tasks.clone());
        fake.tasks.spawn(async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                stream.set_nodelay(true).unwrap();
                let (handlers, stop) = (handlers.clone(), stop.clone());
                tasks.spawn(async move {
                    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                        let handler = {
                            let handlers = handlers.lock().unwrap();
                            let path = request.uri().path();
                            handlers
                                .iter()
                                .rev()
                                .find(|(it, _)| *it == path)
                                .map(|(_, handler)| handler.clone())
                        };
                        async move {
                            Ok::<_, Infallible>(match handler {
                                Some(handler) => handler(request).await,
                                None => status_only(12),
                            })
                        }
                    });
                    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // As the services of the suite do: one call that is not read stops no other.
                    builder
                        .initial_stream_window_size(64 * 1024)
                        .initial_connection_window_size((1 << 31) - 1);
                    let connection = builder.serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        _ = connection => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
        });
        fake
    }

    /// Answers the path so from now on.
    pub(crate) fn answer(
        &self,
        path: &'static str,
        handler: impl Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    ) {
        self.handlers.lock().unwrap().push((path, Arc::new(handler)));
    }

    /// Hangs up on everybody and frees the port.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Where they are, as the processes of one service.
pub(crate) fn urls<'a>(fakes: impl IntoIterator<Item = &'a Fake>) -> PeerUrls {
    let urls = fakes.into_iter().map(|fake| format!("http://{}", fake.address));
    urls.collect::<Vec<_>>().join(",").parse().unwrap()
}

/// A message as gRPC frames it.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    frame_bytes(&message.encode_to_vec())
}

pub(crate) fn frame_bytes(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(message.len() + 5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap());
    bytes.put_slice(message);
    bytes.freeze()
}

/// The one message of a body.
pub(crate) async fn read<M: Message + Default>(body: Incoming) -> M {
    let mut bytes = body.collect().await.unwrap().to_bytes();
    bytes.advance(5);
    M::decode(bytes).unwrap()
}

pub(crate) fn trailers(code: u8) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    trailers
}

fn head() -> http::response::Builder {
    Response::builder().header("content-type", "application/grpc")
}

/// One message and OK.
pub(crate) fn unary(message: &impl Message) -> Answer {
    let body = Full::new(frame(message)).with_trailers(async { Some(Ok(trailers(0))) });
    head().body(body.boxed()).unwrap()
}

/// These messages and OK.
pub(crate) fn messages(messages: &[impl Message]) -> Answer {
    let frames: Vec<_> = messages.iter().map(frame).collect();
    let body = Full::new(Bytes::from(frames.concat())).with_trailers(async { Some(Ok(trailers(0))) });
    head().body(body.boxed()).unwrap()
}

/// A status in the head and no body.
pub(crate) fn status_only(code: u8) -> Answer {
    head()
        .header("grpc-status", u16::from(code))
        .body(http_body_util::Empty::new().boxed())
        .unwrap()
}

/// An error as the services of the suite say it.
pub(crate) fn refused(error: datacovey_error::Error) -> Answer {
    tonic::Status::from(error)
        .into_http::<http_body_util::Empty<Bytes>>()
        .map(BodyExt::boxed)
}

/// An answer whose frames are sent one by one; it ends, without trailers of its own, when the
/// sender is dropped. The sender learns when nobody reads any more.
pub(crate) fn streamed() -> (mpsc::Sender<Frame<Bytes>>, Answer) {
    let (frames, receiver) = mpsc::channel(1);
    let stream = futures::StreamExt::map(tokio_stream::wrappers::ReceiverStream::new(receiver), Ok);
    (
        frames,
        head().body(BodyExt::boxed(StreamBody::new(stream))).unwrap(),
    )
}
