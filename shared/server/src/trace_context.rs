//! W3C trace context, in and out of headers and of a job's row.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// Makes the span a child of the one that the caller's headers name, if they name one.
pub(crate) fn set_parent_from_headers(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    if parent.span().span_context().is_valid() {
        // Fails where no telemetry is installed: then there is no trace to join.
        let _ = span.set_parent(parent);
    }
}

/// Tells whom we call which span calls. Without telemetry, what is in the headers stays.
pub fn inject_span(span: &Span, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&span.context(), &mut HeadersMut(headers));
}

/// The trace of a span, as logs name it; None where no telemetry is installed.
pub(crate) fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// The `traceparent` of the current span, to be kept with a job so that its worker's spans join
/// the trace of the call that made it.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    let mut headers = HeaderMap::new();
    inject_span(&Span::current(), &mut headers);
    headers.get("traceparent")?.to_str().ok().map(ToOwned::to_owned)
}

/// Makes the span a child of the one that a `traceparent` names. What is no `traceparent` changes
/// nothing.
pub fn set_parent_from_traceparent(span: &Span, traceparent: &str) {
    if let Ok(value) = HeaderValue::try_from(traceparent) {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("traceparent"), value)]);
        set_parent_from_headers(span, &headers);
    }
}
