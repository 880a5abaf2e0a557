use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_error::Error;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame};
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::{Shared, is_public};
use crate::context::CallContext;
use crate::frames::{Polled, Watch, watched};
use crate::reply::{is_grpc, refusal, write_status};

/// The header by which a caller says how long it waits.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Ends a call when its caller stops waiting for it, and in any case after the longest time that
/// the configuration allows.
pub(super) async fn layer(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    // Somebody watches the health of a service for as long as it lives.
    if is_public(request.uri().path()) {
        return next.run(request).await;
    }
    let grpc = is_grpc(&request);
    let timeout = match request.headers().get(GRPC_TIMEOUT).map(parse) {
        Some(None) => {
            let what = "is no timeout: at most eight digits and one of H, M, S, m, u, n are expected";
            return refusal(grpc, Error::invalid_field("grpc-timeout", what));
        }
        Some(Some(timeout)) => timeout.min(shared.max_call),
        None => shared.max_call,
    };
    let deadline = Instant::now() + timeout;
    if let Some(call) = request.extensions_mut().get_mut::<CallContext>() {
        call.deadline = Some(deadline.into_std());
    }
    match tokio::time::timeout_at(deadline, next.run(request)).await {
        Ok(response) => {
            let sleep = Box::pin(tokio::time::sleep_until(deadline));
            watched(
                response,
                Deadline {
                    grpc,
                    sleep,
                    over: false,
                },
            )
        }
        Err(_) => refusal(grpc, Error::deadline_exceeded()),
    }
}

struct Deadline {
    grpc: bool,
    sleep: Pin<Box<Sleep>>,
    over: bool,
}

impl Watch for Deadline {
    fn poll(&mut self, body: Pin<&mut Body>, cx: &mut Context<'_>) -> Polled {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = body.poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if self.sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.over = true;
        if !self.grpc {
            return Poll::Ready(Some(Err(axum::Error::new(Error::deadline_exceeded()))));
        }
        let mut trailers = HeaderMap::new();
        write_status(&mut trailers, &Status::from(Error::deadline_exceeded()));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

/// Reads `grpc-timeout` as the protocol writes it: at most eight digits and a unit.
fn parse(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits
        .iter()
        .fold(0_u64, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Writes what is left of a deadline as `grpc-timeout`; none of it is left if that is zero.
#[must_use]
pub fn write(left: Duration) -> HeaderValue {
    let millis = left.as_millis();
    let text = match millis {
        0..100_000_000 => format!("{millis}m"),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Duration> {
        parse(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("5u"), Some(Duration::from_micros(5)));
        assert_eq!(read("5n"), Some(Duration::from_nanos(5)));
        for wrong in ["", "S", "5", "-5S", "5s", "1.5S", "999999999S", "5 S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for left in [
            Duration::ZERO,
            Duration::from_millis(1),
            Duration::from_secs(86_400),
        ] {
            assert_eq!(parse(&write(left)), Some(left));
        }
        assert_eq!(
            parse(&write(Duration::MAX)),
            Some(Duration::from_secs(99_999_999))
        );
    }
}
