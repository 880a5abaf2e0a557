use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, Version};

use crate::reply::is_grpc;

/// Refuses gRPC below HTTP/2: the call would run, and its status be lost with the trailers.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    if is_grpc(&request) && request.version() < Version::HTTP_2 {
        return StatusCode::HTTP_VERSION_NOT_SUPPORTED.into_response();
    }
    next.run(request).await
}
