use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};

pub(crate) type Polled = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

/// What a layer does to a reply while it is sent, frame by frame: a call is not over when its
/// handler returns, but when its stream ends or its caller leaves.
pub(crate) trait Watch: Unpin + Send + 'static {
    fn poll(&mut self, body: Pin<&mut Body>, cx: &mut Context<'_>) -> Polled;
}

struct Watched<W> {
    body: Body,
    watch: W,
}

impl<W: Watch> http_body::Body for Watched<W> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        this.watch.poll(Pin::new(&mut this.body), cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The reply, its body watched.
pub(crate) fn watched<W: Watch>(response: Response<Body>, watch: W) -> Response<Body> {
    response.map(|body| Body::new(Watched { body, watch }))
}
