//! gRPC-Web, which is gRPC as a browser can speak it: over HTTP/1.1, too, and with the trailers at
//! the end of the body.
//!
//! `tonic-web` translates, frame by frame and without decoding a message. The one rule: this
//! stands outside of all layers, so that whatever one of them answers reaches a page as gRPC-Web.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use datacovey_error::Error;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use http_body::Frame;
use tonic::Status;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, ServiceExt as _};

/// How all content types of gRPC-Web begin.
const FAMILY: &str = "application/grpc-web";
/// Those that are understood; of `-text`, the body is base64.
const TYPES: [&str; 4] = [
    FAMILY,
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// Translates calls of gRPC-Web into gRPC, and their answers back; all others pass as they are.
pub(crate) async fn layer(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    let content_type = match content_type(headers) {
        Asked::Otherwise => return next.run(request).await,
        Asked::Unknown => return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response(),
        Asked::Web(content_type) => content_type,
    };
    // The library knows plain names only, and would answer in binary who accepts anything.
    let accepted = accepted(headers).unwrap_or(content_type);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT, HeaderValue::from_static(accepted));

    let version = request.version();
    let inside = next.map_request(|request: http::Request<tonic::body::Body>| {
        let mut request = request.map(|body| Body::new(Readable(Some(body))));
        // The layers refuse gRPC below this, for the sake of trailers, which are safe here.
        *request.version_mut() = Version::HTTP_2;
        request
    });
    match GrpcWebLayer::new().layer(inside).oneshot(request).await {
        Ok(mut response) => {
            *response.version_mut() = version;
            // Of the answer before its trailers came into the body.
            response.headers_mut().remove(CONTENT_LENGTH);
            response.map(Body::new)
        }
        Err(never) => match never {},
    }
}

/// What a content type says that the caller speaks.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// One of [`TYPES`].
    Web(&'static str),
    /// Some gRPC-Web that is not understood, as with JSON in it.
    Unknown,
    Otherwise,
}

fn content_type(headers: &HeaderMap) -> Asked {
    let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let value = value.unwrap_or_default();
    match known(value) {
        Some(it) => Asked::Web(it),
        None if is_family(value) => Asked::Unknown,
        None => Asked::Otherwise,
    }
}

fn is_family(value: &str) -> bool {
    let begin = value.trim_start().get(..FAMILY.len());
    begin.is_some_and(|it| it.eq_ignore_ascii_case(FAMILY))
}

/// The first of [`TYPES`] that the caller accepts by name.
fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',')).find_map(known)
}

/// Which of [`TYPES`] a media type is, its parameters left aside.
fn known(value: &str) -> Option<&'static str> {
    let name = value.split(';').next().unwrap_or_default().trim();
    TYPES.into_iter().find(|it| it.eq_ignore_ascii_case(name))
}

/// A request's body out of its base64. Where that is broken, the caller is told: over HTTP/1.1 it
/// waits for an answer, unlike the caller of plain gRPC whose stream has broken.
struct Readable(
    /// None once it has ended.
    Option<tonic::body::Body>,
);

impl http_body::Body for Readable {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = self.0.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        match polled {
            Poll::Ready(Some(Err(status))) => {
                self.0 = None;
                let why = status.message().trim_start_matches("tonic-web: ");
                let what = format!("the body of the request cannot be read: {why}");
                Poll::Ready(Some(Err(Error::invalid_field("", what).into())))
            }
            Poll::Ready(None) => {
                self.0 = None;
                Poll::Ready(None)
            }
            polled => polled,
        }
    }

    /// Only when that was seen: the library says so while there are letters left that are none.
    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn content_types_are_told_apart() {
        for (value, asked) in [
            ("application/grpc-web", Asked::Web(TYPES[0])),
            ("Application/gRPC-Web+proto; charset=utf-8", Asked::Web(TYPES[1])),
            ("application/grpc-web-text", Asked::Web(TYPES[2])),
            ("application/grpc-web-text+proto", Asked::Web(TYPES[3])),
            ("application/grpc-web+json", Asked::Unknown),
            ("application/grpc-website", Asked::Unknown),
            ("application/grpc", Asked::Otherwise),
            ("application/grpc+proto", Asked::Otherwise),
            ("application/json", Asked::Otherwise),
            ("", Asked::Otherwise),
        ] {
            assert_eq!(content_type(&headers(CONTENT_TYPE, value)), asked, "{value}");
        }
        assert_eq!(content_type(&HeaderMap::new()), Asked::Otherwise);
    }

    #[test]
    fn an_answer_is_of_the_kind_that_is_accepted_by_name() {
        for (value, expected) in [
            ("*/*", None),
            ("application/grpc-web-text", Some(TYPES[2])),
            ("*/*, application/grpc-web-text;q=1", Some(TYPES[2])),
            (
                "application/grpc-web+proto,application/grpc-web-text",
                Some(TYPES[1]),
            ),
        ] {
            assert_eq!(accepted(&headers(ACCEPT, value)), expected, "{value}");
        }
    }
}
