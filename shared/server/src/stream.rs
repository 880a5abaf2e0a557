use std::pin::Pin;

use datacovey_error::{Error, Kind};
use futures::{Stream, StreamExt as _};
use tonic::Status;

/// The reply of a streaming method.
pub fn reply_stream<T: 'static>(
    stream: impl Stream<Item = Result<T, Error>> + Send + 'static,
) -> Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>> {
    Box::pin(stream.map(|item| item.map_err(stream_status)))
}

/// The status that ends a stream.
///
/// It travels in trailers, where the cause of an error is lost; so the cause of a fault of ours is logged
/// here.
#[must_use]
pub fn stream_status(error: Error) -> Status {
    if error.kind() == Kind::Internal {
        tracing::error!(
            cause = crate::reply::causes(&error),
            "a stream ended by a fault of ours"
        );
    }
    Status::from(error)
}
