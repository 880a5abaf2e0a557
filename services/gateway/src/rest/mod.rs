//! The REST API of the contract, as PostgREST 13 answers it.
//!
//! `datacovey_rest` reads requests and words answers; here is what it takes to serve them: bodies within
//! bounds, the service that owns a relation, and rows that pass in pieces as they come. The one rule: a name
//! in a request chooses among relations that there are, and all else of it goes on as data.

pub(crate) mod address;
mod answer;
mod body;
mod docs;
mod edge;
mod refusal;
mod select;
mod write;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use datacovey_error::Error;
use datacovey_rest::{Address, Call, Head, Plan, Relations, Settings, openapi};
use futures::future::BoxFuture;
use http::Method;
use tower::Service;

pub(crate) use docs::with_docs;
pub(crate) use edge::{Edge, layer};

use crate::content::caller;
use crate::services::Services;
use body::Room;
use refusal::Refused;

/// A longer body is read beside what answers requests: this much takes about a millisecond.
const PLANNED_HERE_BYTES: usize = 256 << 10;

/// Answers requests of the REST API.
#[derive(Clone, Debug)]
pub(crate) struct Rest(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    services: Services,
    settings: Settings,
    /// Where clients reach the gateway, if that is not as they name it.
    public: Option<Address>,
    /// `http` or `https`, as the gateway itself is spoken to.
    scheme: &'static str,
    room: Room,
}

impl Rest {
    pub(crate) fn new(services: Services, public: Option<Address>, scheme: &'static str) -> Self {
        Self(Arc::new(Inner {
            services,
            settings: Settings::default(),
            public,
            scheme,
            room: Room::default(),
        }))
    }
}

impl Inner {
    async fn answer(&self, request: Request) -> Result<Response, Refused> {
        let (parts, body) = request.into_parts();
        let asked = datacovey_rest::Request {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
        };
        let head = Head::read(asked, &self.settings)?;
        // Its room is given back when the service has answered.
        let (body, _room) = if head.takes_body() {
            body::read(body, &parts.headers, head.max_body_bytes(), &self.room).await?
        } else {
            (Bytes::new(), None)
        };
        let Plan { call, answering } = planned(head, body).await?;
        match call {
            Call::Document => {
                let address = self.public.clone();
                let address = address.unwrap_or_else(|| address::named(&parts, self.scheme));
                let document = openapi(Relations::contract(), &address);
                Ok(answer::whole(answering.answer_document(&document)))
            }
            Call::Options => Ok(answer::whole(answering.answer_options())),
            Call::Rows(relation, rows) => {
                let ctx = caller(&parts.extensions)?;
                let peer = self.services.of(relation.service);
                match *rows {
                    datacovey_rest::Rows::Select(asked) => select::run(peer, &ctx, asked, &answering).await,
                    other => write::run(peer, &ctx, other, &answering).await,
                }
            }
        }
    }
}

/// Looks up what a request names. Reading a long body takes long, and nobody else is to wait for it.
async fn planned(head: Head, body: Bytes) -> Result<Plan<'static>, Refused> {
    if body.len() <= PLANNED_HERE_BYTES {
        return Ok(head.plan(Relations::contract(), &body)?);
    }
    let planned = tokio::task::spawn_blocking(move || head.plan(Relations::contract(), &body));
    Ok(planned.await.map_err(Error::internal)??)
}

/// Answers what is the REST API's, and leaves all else to what it stands before.
#[derive(Clone, Debug)]
pub(crate) struct Before<S> {
    rest: Rest,
    other: S,
}

impl<S> Before<S> {
    pub(crate) const fn new(rest: Rest, other: S) -> Self {
        Self { rest, other }
    }
}

impl<S> Service<Request> for Before<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.other.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if owns(&request) {
            let Rest(rest) = self.rest.clone();
            return Box::pin(async move {
                let is_head = request.method() == Method::HEAD;
                let answered = rest.answer(request).await;
                Ok(answered.unwrap_or_else(|refused| refused.response(is_head)))
            });
        }
        let answer = self.other.call(request);
        Box::pin(async { Ok(answer.await?.into_response()) })
    }
}

/// Whether a request is one of the REST API: all that is neither gRPC nor content of a job.
pub(crate) fn owns<B>(request: &http::Request<B>) -> bool {
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    if content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc")) {
        return false;
    }
    let path = request.uri().path();
    let segments: Vec<_> = path.split('/').skip(1).take(4).collect();
    match segments.as_slice() {
        // A method of gRPC; its package has a dot.
        [service, _] => !service.contains('.'),
        [
            "import_job" | "export_job" | "query_job",
            _,
            "content" | "rejected_rows",
        ] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_grpc_nor_content_is_of_the_rest_api() {
        let of = |path: &str| owns(&http::Request::get(path).body(()).unwrap());
        for path in [
            "/",
            "/project",
            "/x.y.z",
            "/rpc/x",
            "/a/b",
            "/project/",
            "//project",
            "/a/b/c",
            "/import_job/1",
        ] {
            assert!(of(path), "{path}");
        }
        for path in [
            "/datacovey.identity.v1.UserService/WhoAmI",
            "/import_job/1/content",
            "/import_job/1/rejected_rows",
            "/query_job/1/content",
        ] {
            assert!(!of(path), "{path}");
        }
        let grpc = http::Request::post("/project").header("content-type", "application/grpc-web+proto");
        assert!(!owns(&grpc.body(()).unwrap()));
    }
}
