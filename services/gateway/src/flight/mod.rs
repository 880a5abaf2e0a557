//! Arrow Flight, so that its clients move data without ours: DoPut into a table, DoGet of an export or of
//! the result of a query.
//!
//! An adapter before the same jobs that everybody has: it decodes the first descriptor or the ticket, and
//! puts the bytes of messages into other frames. No column is looked at, and no batch is held.

mod asked;
pub mod framing;
mod from_flight;
mod get;
mod head;
mod importing;
mod info;
mod jobs;
mod json;
mod names;
mod put;
#[cfg(test)]
mod stream_tests;
mod to_flight;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_flight::{ActionType, FlightDescriptor, SchemaResult};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_types::Ctx;
use futures::{Stream, StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::proxy::not_grpc;
use crate::services::Services;

/// The service `arrow.flight.protocol.FlightService`.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    services: Services,
    /// Of one request, and of the header of one message of DoPut; bodies may be of any length.
    max_message_bytes: usize,
}

impl NamedService for Flight {
    const NAME: &'static str = "arrow.flight.protocol.FlightService";
}

impl Flight {
    pub(crate) const NAME: &'static str = <Self as NamedService>::NAME;

    pub(crate) const fn new(services: Services, max_message_bytes: usize) -> Self {
        Self {
            services,
            max_message_bytes,
        }
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        if let Some(refusal) = not_grpc(&request) {
            return refusal;
        }
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        match method {
            "DoPut" => put::answer(self, request).await,
            "DoGet" => get::answer(self, request).await,
            "GetFlightInfo" => {
                let info = |flight: Self, ctx: Ctx, asked: FlightDescriptor| async move {
                    flight.flight_info(&ctx, asked).await
                };
                Box::pin(self.unary(request, info)).await
            }
            "GetSchema" => {
                let schema = |flight: Self, ctx: Ctx, asked: FlightDescriptor| async move {
                    let schema = flight.schema(&ctx, &asked).await?;
                    Ok(SchemaResult { schema })
                };
                Box::pin(self.unary(request, schema)).await
            }
            "ListFlights" => info::list(self, request).await,
            "ListActions" => self.no_actions(request).await,
            "Handshake" => Status::unimplemented(
                "Handshake is not needed: send the header \"authorization: Bearer <token>\" with each call, as \
                 FlightCallOptions(headers=[(b\"authorization\", b\"Bearer <token>\")]) does",
            )
            .into_http(),
            "PollFlightInfo" => {
                Status::unimplemented("PollFlightInfo is not served; GetFlightInfo waits for the job").into_http()
            }
            "DoExchange" | "DoAction" => {
                Status::unimplemented("of Arrow Flight, only DoPut, DoGet and what tells of them is served").into_http()
            }
            // Without words of its own, as of any server; the layers outside find them.
            _ => Status::unimplemented("").into_http(),
        }
    }

    /// A call of one request and one answer.
    async fn unary<Q, A, H, F>(self, request: Request<Body>, mut handler: H) -> Response<Body>
    where
        Q: Message + Default + Send + 'static,
        A: Message + Send + 'static,
        H: FnMut(Self, Ctx, Q) -> F + Send,
        F: Future<Output = Result<A>> + Send,
    {
        let mut grpc =
            Grpc::new(ProstCodec::<A, Q>::default()).max_decoding_message_size(self.max_message_bytes);
        let handle = service_fn(|request: tonic::Request<Q>| {
            let ctx = datacovey_server::ctx(&request);
            let answer = ctx.map(|ctx| handler(self.clone(), ctx, request.into_inner()));
            async move { Ok(tonic::Response::new(answer?.await?)) }
        });
        grpc.unary(handle, request).await
    }

    /// What there is to do is done by the methods of the suite.
    async fn no_actions(self, request: Request<Body>) -> Response<Body> {
        let mut grpc = Grpc::new(ProstCodec::<ActionType, arrow_flight::Empty>::default())
            .max_decoding_message_size(self.max_message_bytes);
        let handle = service_fn(|_: tonic::Request<arrow_flight::Empty>| async {
            Ok::<_, Status>(tonic::Response::new(stream::empty().boxed()))
        });
        grpc.server_streaming(handle, request).await
    }
}

impl Service<Request<Body>> for Flight {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = Box::pin(self.clone().answer(request));
        Box::pin(async move { Ok(answer.await.into_response()) })
    }
}

/// Who asks.
fn caller<B>(request: &Request<B>) -> Result<Ctx> {
    let ctx = request.extensions().get::<Ctx>().cloned();
    ctx.ok_or_else(Error::credentials_missing)
}

/// An answer of gRPC that begins with OK.
fn streamed(frames: impl Stream<Item = Frame<Bytes>> + Send + 'static) -> Response<Body> {
    let body = StreamBody::new(frames.map(Ok::<_, Infallible>));
    let mut response = Response::new(Body::new(body));
    let grpc = const { HeaderValue::from_static("application/grpc") };
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}
