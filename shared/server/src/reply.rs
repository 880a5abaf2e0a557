//! The words of a reply that says no: ours, whatever part of the stack says it.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse as _;
use datacovey_error::{DOMAIN, Error, ErrorReason};
use http::{HeaderMap, Request, Response, header};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How tonic and prost begin what they say of bytes that are no message. They answer INTERNAL,
/// as if it were our fault. A test over a real connection pins each of these.
const MALFORMED: [&str; 5] = [
    "failed to decode Protobuf message",
    "protocol error: received message with",
    "Unexpected EOF decoding stream",
    "Missing request message",
    "Error decompressing",
];

/// Whether the caller speaks gRPC, or plain HTTP.
pub(crate) fn is_grpc<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"))
}

/// The reply to a call that goes no further, in the protocol of its caller: when to come back is told in
/// `RetryInfo` or in `Retry-After`.
pub(crate) fn refusal(grpc: bool, error: Error) -> Response<Body> {
    if grpc {
        return Status::from(error).into_http();
    }
    http_refusal(error)
}

/// The error that an answer in plain HTTP says, left with it: for the log, and for whoever says it in the
/// words of another protocol.
#[derive(Clone, Debug)]
pub struct Refusal(pub Arc<Error>);

/// The same in plain HTTP, for handlers that speak it: an object with `code`, `message`, `details` and `hint`.
/// Its [`Refusal`] is among the extensions.
#[must_use]
pub fn http_refusal(error: Error) -> Response<Body> {
    let body = json!({
        "code": error.reason_name(), "message": error.message(), "details": error.listed_violations(), "hint": null,
    });
    let status = error.kind().http();
    let mut response = (status, axum::Json(body)).into_response();
    if status == http::StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            header::HeaderValue::from_static("Bearer"),
        );
    }
    if let Some(delay) = error.retry_delay() {
        // In whole seconds, which are never too few.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response.extensions_mut().insert(Refusal(Arc::new(error)));
    response
}

/// The status of a reply, if its headers or trailers carry one.
pub(crate) fn status_of(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers)
}

/// Replaces the status in headers or trailers.
pub(crate) fn write_status(headers: &mut HeaderMap, status: &Status) {
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        headers.remove(name);
    }
    // Fails only for a message that no header can hold, and tonic percent-encodes all of ours.
    if status.add_header(headers).is_err() {
        headers.insert("grpc-status", header::HeaderValue::from_static("13"));
    }
}

/// What the caller is told: a status in our words, and nothing of what happened inside.
///
/// None where the status already is one of ours.
pub(crate) fn in_our_words(status: &Status, method: &str, request_id: &str) -> Option<Status> {
    let message = status.message();
    let ours = status
        .get_details_error_info()
        .is_some_and(|info| info.domain == DOMAIN);
    let reason = match status.code() {
        Code::Ok => return None,
        Code::Internal if !ours && MALFORMED.iter().any(|it| message.starts_with(it)) => {
            let what = format!("the request is no well-formed message: {message}");
            return Some(Error::invalid_field("", what).into());
        }
        Code::Internal | Code::Unknown | Code::DataLoss => return Some(masked(request_id)),
        _ if ours => return None,
        Code::OutOfRange | Code::ResourceExhausted if is_oversize(message) => {
            return Some(Error::too_large(format!("the message is too large: {message}")).into());
        }
        Code::Unimplemented if message.is_empty() => {
            return Some(Error::unknown_method(method).into());
        }
        Code::Unimplemented => ErrorReason::NotImplemented,
        Code::InvalidArgument | Code::OutOfRange => ErrorReason::InvalidField,
        Code::NotFound => ErrorReason::NotFound,
        Code::AlreadyExists => ErrorReason::AlreadyExists,
        Code::PermissionDenied => ErrorReason::PermissionDenied,
        Code::Unauthenticated => ErrorReason::CredentialsInvalid,
        Code::FailedPrecondition => ErrorReason::WrongState,
        Code::Aborted => ErrorReason::Conflict,
        Code::ResourceExhausted => ErrorReason::Overloaded,
        Code::Unavailable => ErrorReason::Unavailable,
        Code::DeadlineExceeded => ErrorReason::DeadlineExceeded,
        Code::Cancelled => ErrorReason::Cancelled,
    };
    Some(with_reason(status.code(), message, reason, HashMap::new()))
}

/// A fault of ours, of which the caller learns the request's name and nothing else.
fn masked(request_id: &str) -> Status {
    let metadata = HashMap::from([("request_id".to_owned(), request_id.to_owned())]);
    let message = format!("internal error; the request is {request_id}");
    with_reason(Code::Internal, &message, ErrorReason::Internal, metadata)
}

fn with_reason(code: Code, message: &str, reason: ErrorReason, metadata: HashMap<String, String>) -> Status {
    let name = reason.as_str_name();
    let name = name.strip_prefix("ERROR_REASON_").unwrap_or(name);
    Status::with_error_details(
        code,
        message,
        ErrorDetails::with_error_info(name, DOMAIN, metadata),
    )
}

/// Whether tonic refuses a message for its size; a test over a real connection pins its words.
pub(crate) fn is_oversize(message: &str) -> bool {
    message.contains("message length too large") || message.starts_with("Error decompressing: size limit")
}

/// An error with all that caused it, for the log.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn reworded(status: &Status) -> (Code, String, String) {
        let status = in_our_words(status, "/a.B/C", "request-1").unwrap();
        let reason = status.get_details_error_info().unwrap().reason;
        (status.code(), status.message().to_owned(), reason)
    }

    #[test]
    fn our_own_words_stay() {
        assert!(in_our_words(&Error::not_found("table", "x").into(), "", "").is_none());
        assert!(in_our_words(&Status::ok(""), "", "").is_none());
    }

    #[test]
    fn a_fault_is_masked_and_names_its_request() {
        for status in [
            Error::internal("column x does not exist").into(),
            Status::internal("column x does not exist"),
            Status::unknown("column x does not exist"),
            Status::data_loss("column x does not exist"),
        ] {
            let (code, message, reason) = reworded(&status);
            assert_eq!(
                (code, message.as_str(), reason.as_str()),
                (
                    Code::Internal,
                    "internal error; the request is request-1",
                    "INTERNAL"
                )
            );
        }
    }

    #[test]
    fn plain_http_is_told_when_to_come_back() {
        let after = |error| refusal(false, error).headers().get(header::RETRY_AFTER).cloned();
        let limited = |millis| Error::rate_limited("tenant", "too often", Duration::from_millis(millis));
        for (millis, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
            assert_eq!(after(limited(millis)).unwrap(), seconds, "{millis} ms");
        }
        assert_eq!(after(Error::unavailable("the database")).unwrap(), "1");
        assert_eq!(after(Error::not_found("table", "x")), None);
    }

    #[test]
    fn every_status_carries_a_reason() {
        for code in (1..=16).map(Code::from_i32) {
            let (_, _, reason) = reworded(&Status::new(code, "as the library says it"));
            assert!(!reason.is_empty(), "{code}");
        }
        assert_eq!(
            reworded(&Status::unimplemented("")).1,
            "there is no method /a.B/C; reflection lists those that there are"
        );
    }
}
