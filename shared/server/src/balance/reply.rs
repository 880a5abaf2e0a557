use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use datacovey_error::Error;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

use super::link::Running;

/// The body of an answer, as it comes. Dropping it ends the call. One that breaks off ends with
/// UNAVAILABLE.
pub struct ReplyBody {
    body: Incoming,
    peer: &'static str,
    _running: Running,
}

impl ReplyBody {
    pub(super) const fn new(body: Incoming, peer: &'static str, running: Running) -> Self {
        Self {
            body,
            peer,
            _running: running,
        }
    }
}

/// The peer cannot be reached, or hung up.
pub(super) fn away(peer: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable(&format!("the {peer} service")).caused_by(cause)
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_err(|cause| away(self.peer, cause).into())
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyBody")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
