//! Content over plain HTTP, for people with curl: uploads that can be resumed, downloads in ranges.
//!
//! It goes over the same streams that gRPC has, in pieces as they come, so that no more than a few of
//! them are ever held here, and whoever is slow slows down the other side.

mod download;
mod format;
pub(crate) mod offer;
mod range;
mod rejected;
mod sent;
mod settings;
mod upload;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use axum::routing::{get, put};
use datacovey_error::{Error, ErrorReason, Result};
use datacovey_server::http_refusal;
use datacovey_types::Ctx;
use http::{Extensions, HeaderName};

use crate::services::Services;

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const UPLOAD_LIMIT: HeaderName = HeaderName::from_static("upload-limit");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");

/// Headers of content that a page may send …
pub(crate) const SENT: [HeaderName; 6] = [
    http::header::CONTENT_RANGE,
    http::header::RANGE,
    http::header::IF_RANGE,
    REPR_DIGEST,
    CONTENT_DIGEST,
    CONTENT_SHA256,
];
/// … and read.
pub(crate) const TOLD: [HeaderName; 7] = [
    UPLOAD_OFFSET,
    UPLOAD_COMPLETE,
    REPR_DIGEST,
    http::header::CONTENT_RANGE,
    http::header::CONTENT_DISPOSITION,
    http::header::ACCEPT_RANGES,
    http::header::ETAG,
];

/// The routes of content, to be served within the layers.
pub(crate) fn routes(services: Services) -> Router {
    Router::new()
        .route("/import_job/{id}/content", put(upload::put).head(upload::head))
        .route("/import_job/{id}/rejected_rows", get(rejected::get))
        .route("/export_job/{id}/content", get(download::export))
        .route("/query_job/{id}/content", get(download::query_result))
        .with_state(services)
}

/// Who asks.
pub(crate) fn caller(extensions: &Extensions) -> Result<Ctx> {
    extensions
        .get::<Ctx>()
        .cloned()
        .ok_or_else(Error::credentials_missing)
}

/// An error as an answer.
fn refuse(error: Error) -> Response<Body> {
    let too_large = error.reason() == ErrorReason::TooLarge;
    let offset = error.metadata().get("expected_offset").cloned();
    let mut response = http_refusal(error);
    if too_large {
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    }
    if let Some(Ok(offset)) = offset.map(|it| it.parse::<u64>()) {
        response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
    }
    response
}
