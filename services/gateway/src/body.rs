use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use datacovey_error::Error;
use datacovey_server::{Balanced, ReplyBody};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio_util::sync::{DropGuard, WaitForCancellationFutureOwned};
use tonic::Status;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// A request's body on its way to the upstream. It ends with its call: once the answer is
/// complete or given up, nobody waits for the rest.
pub(crate) struct RequestBody<B> {
    inner: B,
    call_over: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<B> RequestBody<B> {
    pub(crate) fn new(inner: B, call_over: WaitForCancellationFutureOwned) -> Self {
        Self {
            inner,
            call_over: Box::pin(call_over),
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.call_over.as_mut().poll(cx).is_ready() {
            // The reason is what the upstream is told: the caller does not wait any more.
            return Poll::Ready(Some(Err(h2::Error::from(h2::Reason::CANCEL).into())));
        }
        Pin::new(&mut self.inner).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body on its way to the caller. However the upstream ends it, the caller gets
/// trailers with a status.
pub(crate) struct ResponseBody {
    /// None once it has ended.
    inner: Option<ReplyBody>,
    upstream: Balanced,
    /// Whether the head had the status already, so that no trailers follow.
    ended_in_head: bool,
    /// Ends the request's body with this one.
    _call: DropGuard,
}

impl ResponseBody {
    pub(crate) fn new(inner: ReplyBody, head: &HeaderMap, upstream: Balanced, call: DropGuard) -> Self {
        let ended_in_head = head.contains_key(GRPC_STATUS);
        Self {
            inner: Some(inner),
            upstream,
            ended_in_head,
            _call: call,
        }
    }

    fn end_with(&mut self, error: Error) -> Frame<Bytes> {
        self.inner = None;
        Frame::trailers(trailers(error))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Ready(None);
        };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if frame.is_trailers() {
                    self.inner = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(cause))) => {
                let error = self.upstream.away(cause);
                Poll::Ready(Some(Ok(self.end_with(error))))
            }
            Poll::Ready(None) if self.ended_in_head => {
                self.inner = None;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                let error = self.upstream.away("the answer ended without a status");
                Poll::Ready(Some(Ok(self.end_with(error))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            None => true,
            Some(inner) => self.ended_in_head && inner.is_end_stream(),
        }
    }
}

/// An error as the end of an answer that has begun.
fn trailers(error: Error) -> HeaderMap {
    // Trailers carry no cause to the layer that logs.
    let cause = std::error::Error::source(&error);
    tracing::warn!(cause, "an answer was cut off: {error}");
    let mut trailers = HeaderMap::new();
    if Status::from(error).add_header(&mut trailers).is_err() {
        // 14 is UNAVAILABLE: all that can be said if the details are no header.
        trailers.insert(GRPC_STATUS, const { HeaderValue::from_static("14") });
    }
    trailers
}
