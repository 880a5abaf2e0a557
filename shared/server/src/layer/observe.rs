use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::Body as _;
use metrics::{counter, gauge, histogram};
use tonic::{Code, Status};
use tracing::Span;

use super::{Shared, is_public};
use crate::context::{CallContext, Who};
use crate::descriptor::{known_method, shown};
use crate::frames::{Polled, Watch, watched};
use crate::reply::{Refusal, causes, in_our_words, status_of, write_status};

/// Counts the call and writes its line when it is over, with what was wrong; and lets no status
/// out that is not in our words.
pub(super) async fn layer(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let call = Call::begin(shared.service, &request);
    call.observe(next.run(request).await)
}

/// The same of a request that was answered outside of the layers, and has called no method.
pub(super) fn observe_outside(
    service: &'static str,
    request: &Request,
    begun: Instant,
    response: Response,
) -> Response {
    let mut call = Call::begin(service, request);
    call.method = "none".into();
    call.started = begun;
    call.observe(response)
}

/// One call, from its first byte to its last. Dropped before its end, its caller has left.
struct Call {
    service: &'static str,
    /// Of methods that nobody has only the beginning.
    path: String,
    method: Arc<str>,
    request_id: Arc<str>,
    who: Who,
    span: Span,
    started: Instant,
    /// Where a reply is plain HTTP, what its status says.
    http_code: Code,
    ended: bool,
}

impl Call {
    fn begin(service: &'static str, request: &Request) -> Self {
        let extensions = request.extensions();
        let method = known_method(request.uri().path());
        gauge!("datacovey_calls_in_flight", "service" => service).increment(1.0);
        Self {
            service,
            path: shown(request.uri().path()).to_owned(),
            method,
            request_id: extensions
                .get::<CallContext>()
                .map(|it| it.request_id.clone())
                .unwrap_or_default(),
            who: extensions.get::<Who>().cloned().unwrap_or_default(),
            span: Span::current(),
            started: Instant::now(),
            http_code: Code::Ok,
            ended: false,
        }
    }

    /// Watches the reply to its end.
    fn observe(mut self, mut response: Response) -> Response {
        // Where there is no message, the status is in the headers; the extension has its cause, too.
        let status = response
            .extensions_mut()
            .remove::<Status>()
            .or_else(|| status_of(response.headers()));
        if let Some(status) = status {
            let told = self.settle(&status);
            write_status(response.headers_mut(), told.as_ref().unwrap_or(&status));
            return response;
        }
        self.http_code = http_code(&response);
        if let Some(Refusal(error)) = response.extensions().get() {
            let cause = std::error::Error::source(&**error).map(causes);
            self.end(self.http_code, cause);
            return response;
        }
        if response.body().is_end_stream() {
            self.end(self.http_code, None);
            return response;
        }
        watched(response, self)
    }

    /// Ends the call with a status, and gives the one to send instead, if it must be another.
    fn settle(&mut self, status: &Status) -> Option<Status> {
        let told = in_our_words(status, &self.path, &self.request_id);
        let code = told.as_ref().map_or(status.code(), Status::code);
        let cause = match std::error::Error::source(status) {
            Some(cause) => Some(causes(cause)),
            // Masked: what it said is worth a line.
            None if code == Code::Internal => Some(status.message().to_owned()),
            None => None,
        };
        self.end(code, cause);
        told
    }

    fn end(&mut self, code: Code, cause: Option<String>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let name = code_name(code);
        let labels = [
            ("service", self.service.to_owned()),
            ("method", self.method.to_string()),
        ];
        gauge!("datacovey_calls_in_flight", "service" => self.service).decrement(1.0);
        histogram!("datacovey_call_seconds", &labels).record(seconds);
        let [service, method] = labels;
        counter!(
            "datacovey_calls_total",
            &[service, method, ("code", name.to_owned())]
        )
        .increment(1);

        let _in_span = self.span.enter();
        self.span.record("rpc.grpc.status_code", code as i32);
        let duration_ms = seconds * 1000.0;
        let who = self.who.0.get();
        let tenant_id = who.map(|it| tracing::field::display(it.tenant_id));
        let user_id = who.map(|it| tracing::field::display(it.user_id));
        match code {
            Code::Internal => {
                self.span.record("otel.status_code", "ERROR");
                tracing::error!(
                    method = self.path,
                    code = name,
                    duration_ms,
                    tenant_id,
                    user_id,
                    cause,
                    "call"
                );
            }
            _ if is_public(&self.path) => {
                tracing::debug!(method = self.path, code = name, duration_ms, "call");
            }
            Code::Unavailable => {
                self.span.record("otel.status_code", "ERROR");
                tracing::warn!(
                    method = self.path,
                    code = name,
                    duration_ms,
                    tenant_id,
                    user_id,
                    cause,
                    "call"
                );
            }
            _ => tracing::info!(
                method = self.path,
                code = name,
                duration_ms,
                tenant_id,
                user_id,
                cause,
                "call"
            ),
        }
    }
}

impl Watch for Call {
    fn poll(&mut self, mut body: Pin<&mut Body>, cx: &mut Context<'_>) -> Polled {
        let polled = {
            let _in_span = self.span.clone().entered();
            body.as_mut().poll_frame(cx)
        };
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    match status_of(trailers) {
                        Some(status) => {
                            if let Some(told) = self.settle(&status) {
                                write_status(trailers, &told);
                            }
                        }
                        None => self.end(self.http_code, None),
                    }
                } else if body.is_end_stream() {
                    self.end(self.http_code, None);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.end(self.http_code, None);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.end(Code::Internal, Some(causes(&error)));
                Poll::Ready(Some(Err(error)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled, None);
    }
}

/// What the status of a plain HTTP reply counts as.
fn http_code(response: &Response) -> Code {
    match response.status().as_u16() {
        ..400 => Code::Ok,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        505 => Code::Unimplemented,
        400..=499 => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

/// The code as the API writes it.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
