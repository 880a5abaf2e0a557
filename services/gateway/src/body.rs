use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use datacovey_server::{Balanced, ReplyBody};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio_util::sync::{DropGuard, WaitForCancellationFutureOwned};
use tonic::Status;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the request's body cannot be read, once that is known; it is the caller's fault, and what
/// the upstream makes of a broken body is not.
pub(crate) type Fault = Arc<OnceLock<Status>>;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// A request's body on its way to the upstream. It ends with its call: once the answer is
/// complete or given up, nobody waits for the rest.
pub(crate) struct RequestBody<B> {
    inner: B,
    fault: Fault,
    call_over: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<B> RequestBody<B> {
    pub(crate) fn new(inner: B, fault: Fault, call_over: WaitForCancellationFutureOwned) -> Self {
        Self {
            inner,
            fault,
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
            return Poll::Ready(Some(Err(cancel())));
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        polled.map_err(|error| {
            let error = error.into();
            let Some(status) = status_within(error.as_ref()) else {
                return error;
            };
            let _ = self.fault.set(status.clone());
            cancel()
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The reason is what the upstream is told: the caller does not wait any more.
fn cancel() -> BoxError {
    h2::Error::from(h2::Reason::CANCEL).into()
}

/// The status that a body's error is or comes from.
pub(crate) fn status_within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Status> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|it| it.downcast_ref())
}

/// A response's body on its way to the caller. However the upstream ends it, the caller gets
/// trailers with a status.
pub(crate) struct ResponseBody {
    /// None once it has ended.
    inner: Option<ReplyBody>,
    upstream: Balanced,
    fault: Fault,
    /// Whether the head had the status already, so that no trailers follow.
    ended_in_head: bool,
    /// Ends the request's body with this one.
    _call: DropGuard,
}

impl ResponseBody {
    pub(crate) fn new(
        inner: ReplyBody,
        head: &HeaderMap,
        upstream: Balanced,
        fault: Fault,
        call: DropGuard,
    ) -> Self {
        let ended_in_head = head.contains_key(GRPC_STATUS);
        Self {
            inner: Some(inner),
            upstream,
            fault,
            ended_in_head,
            _call: call,
        }
    }

    fn cut_off(&mut self, cause: impl Into<BoxError>) -> Frame<Bytes> {
        self.inner = None;
        let status = self.fault.get().cloned().unwrap_or_else(|| {
            let error = self.upstream.away(cause);
            // Trailers carry no cause to the layer that logs.
            let cause = std::error::Error::source(&error);
            tracing::warn!(cause, "an answer was cut off: {error}");
            error.into()
        });
        Frame::trailers(trailers(&status))
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
            Poll::Ready(Some(Err(cause))) => Poll::Ready(Some(Ok(self.cut_off(cause)))),
            Poll::Ready(None) if self.ended_in_head => {
                self.inner = None;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                let end = self.cut_off("the answer ended without a status");
                Poll::Ready(Some(Ok(end)))
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

/// A status as the end of an answer that has begun.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // 14 is UNAVAILABLE: all that can be said if the details are no header.
        trailers.insert(GRPC_STATUS, const { HeaderValue::from_static("14") });
    }
    trailers
}
