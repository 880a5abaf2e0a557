use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use datacovey_auth::InternalSigner;
use datacovey_error::Error;
use datacovey_server::Balanced;
use datacovey_types::Ctx;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tracing::{Instrument as _, Span, info_span};

use crate::body::{Fault, RequestBody, ResponseBody};
use crate::headers;
use crate::routes::RouteTable;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Passes calls on to the service that owns the method, and its answers back, message by message
/// as they come. No message is decoded.
///
/// Stands within the layers that every server of the suite has: who calls, under which id and
/// until when is known by the [`Ctx`] that they leave.
#[derive(Clone, Debug)]
pub(crate) struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    routes: &'static RouteTable,
    upstreams: HashMap<&'static str, Balanced>,
    signer: InternalSigner,
}

impl Proxy {
    pub(crate) fn new(routes: &'static RouteTable, upstreams: &[Balanced], signer: InternalSigner) -> Self {
        let upstreams = upstreams
            .iter()
            .map(|upstream| (upstream.peer(), upstream.clone()))
            .collect();
        Self(Arc::new(Inner {
            routes,
            upstreams,
            signer,
        }))
    }
}

impl<B> Service<Request<B>> for Proxy
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            if let Some(refusal) = not_grpc(&request) {
                return Ok(refusal);
            }
            let fault = Fault::default();
            let answer = inner.forward(request, &fault).await;
            Ok(answer.unwrap_or_else(|error| {
                let status = fault.get().cloned();
                status.unwrap_or_else(|| error.into()).into_http()
            }))
        })
    }
}

impl Inner {
    async fn forward<B>(&self, request: Request<B>, fault: &Fault) -> Result<Response<Body>, Error>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path();
        let Some(upstream) = self.routes.upstream_of(path) else {
            // Without words of its own, as of any server; the layers outside find them.
            return Ok(Status::unimplemented("").into_http());
        };
        let upstream = self
            .upstreams
            .get(upstream)
            .ok_or_else(|| Error::internal("a route leads nowhere"))?;
        let ctx = head
            .extensions
            .remove::<Ctx>()
            .ok_or_else(Error::credentials_missing)?;
        let token = self
            .signer
            .token(upstream.peer(), Some(&ctx.principal), ctx.job_id);
        let span = span(path);
        head.headers = headers::to_upstream(head.headers, &ctx, &token, &span)?;
        head.extensions.clear();

        let call = CancellationToken::new();
        let body = RequestBody::new(body, fault.clone(), call.clone().cancelled_owned());
        // From here on, dropping this future or the answer's body ends the request's body.
        let call = call.drop_guard();
        let request = Request::from_parts(head, Body::new(body));
        let response = upstream.send(request, ctx.deadline).instrument(span).await?;

        let (mut head, body) = response.into_parts();
        if head.status != StatusCode::OK || !is_grpc(&head.headers) {
            return Err(upstream.away(format!("answered {} and not in gRPC", head.status)));
        }
        head.headers = headers::to_caller(head.headers);
        let body = ResponseBody::new(body, &head.headers, upstream.clone(), fault.clone(), call);
        Ok(Response::from_parts(head, Body::new(body)))
    }
}

/// The call as the gateway makes it; the upstream's own span is its child.
fn span(path: &str) -> Span {
    info_span!(
        "pass on",
        otel.name = path.trim_start_matches('/'),
        otel.kind = "client",
        rpc.system = "grpc"
    )
}

/// What a request that is no gRPC is answered, in the words of HTTP.
pub(crate) fn not_grpc<B>(request: &Request<B>) -> Option<Response<Body>> {
    let status = if !is_grpc(request.headers()) {
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    } else if request.method() != Method::POST {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        return None;
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    Some(response)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .map(|value| value.as_bytes())
        .unwrap_or_default();
    let Some(rest) = content_type.strip_prefix(b"application/grpc") else {
        return false;
    };
    matches!(rest.first(), None | Some(b'+' | b';'))
}
