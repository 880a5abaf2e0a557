use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use super::Shared;
use crate::context::{CallContext, Who};
use crate::descriptor::known_method;
use crate::trace_context::{set_parent_from_headers, trace_id};

/// The header that names a request, in calls and in replies.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 64;

/// Gives the call a name and a span; the name is in every log line, in an INTERNAL error and in
/// the reply, and goes with the calls that this call makes.
pub(super) async fn layer(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let (request_id, span) = begin(shared.service, &mut request);
    let mut response = next.run(request).instrument(span).await;
    name_reply(&mut response, &request_id);
    response
}

/// Every reply that has passed the layers is named.
pub(super) fn name_reply(response: &mut Response, request_id: &str) {
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// Names the request, and leaves the name for what comes after.
pub(super) fn begin(service: &'static str, request: &mut Request) -> (Arc<str>, Span) {
    let request_id = request_id(request.headers());
    let span = span(service, request, &request_id);
    request.extensions_mut().insert(CallContext {
        request_id: Arc::clone(&request_id),
        deadline: None,
    });
    request.extensions_mut().insert(Who::default());
    (request_id, span)
}

/// The caller's name for the request, if it can be written into a log as it is; else a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-_.:".contains(&it);
    if (1..=MAX_LENGTH).contains(&given.len()) && given.bytes().all(is_plain) {
        given.into()
    } else {
        uuid::Uuid::now_v7().to_string().into()
    }
}

fn span(service: &'static str, request: &Request, request_id: &str) -> Span {
    let span = info_span!(
        "call",
        otel.name = known_method(request.uri().path()).trim_start_matches('/'),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.grpc.status_code = Empty,
        http.request.method = Empty,
        service,
        request_id,
        trace_id = Empty,
    );
    // Of gRPC it says nothing.
    if request.method() != Method::POST {
        span.record("http.request.method", request.method().as_str());
    }
    set_parent_from_headers(&span, request.headers());
    if let Some(trace_id) = trace_id(&span) {
        span.record("trace_id", trace_id);
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(id: &[u8]) -> String {
        let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(id).unwrap())]);
        request_id(&headers).to_string()
    }

    #[test]
    fn a_plain_id_is_kept_and_any_other_replaced() {
        assert_eq!(given(b"0192-ab_C.d:e"), "0192-ab_C.d:e");
        for id in [&b""[..], b"a b", b"a\"b", b"{\"level\"}", b"\xff", &[b'a'; 65]] {
            assert!(uuid::Uuid::try_parse(&given(id)).is_ok());
        }
    }
}
