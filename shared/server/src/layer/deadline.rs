use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use datacovey_error::Error;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tracing::Instrument as _;

use super::load_shed::Place;
use super::{Shared, is_public};
use crate::context::CallContext;
use crate::descriptor::Pace;
use crate::frames::Polled;
use crate::reply::{is_grpc, refusal, write_status};

/// The header by which a caller says how long it waits.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A probe has been sent and answered by then.
const PROBE_WITHIN: Duration = Duration::from_secs(10);

/// Ends a call when its caller stops waiting for it, and in any case after the longest time that
/// the configuration allows. Whoever watches the health of a service is let go when it leaves,
/// too: it would watch for ever.
pub(super) async fn layer(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let place = request.extensions_mut().remove::<Place>();
    let grpc = is_grpc(&request);
    let asked = match request.headers().get(GRPC_TIMEOUT).map(read) {
        Some(None) => {
            let what = "is no timeout: at most eight digits and one of H, M, S, m, u, n are expected";
            return refusal(grpc, Error::invalid_field("grpc-timeout", what));
        }
        Some(asked) => asked,
        None => None,
    };
    let timeout = time_for(request.uri().path(), asked, shared.max_call);
    let deadline = Instant::now() + timeout;
    if let Some(call) = request.extensions_mut().get_mut::<CallContext>() {
        call.deadline = Some(deadline.into_std());
    }
    let leaving = is_public(request.uri().path()).then(|| shared.leaving.clone());
    let mut end: BoxFuture<'static, Error> = Box::pin(end(deadline, leaving));
    let response = tokio::select! {
        biased;
        response = next.run(request) => response,
        error = &mut end => return refusal(grpc, error),
    };
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|body| Body::new(Timed::new(body, place, grpc, deadline, end)))
}

/// How long a call may take: no longer than its caller waits.
fn time_for(path: &str, asked: Option<Duration>, most: Duration) -> Duration {
    // Whoever sends half of a probe holds a place of those that nobody vouches for.
    let is_probe = is_public(path) && Pace::of_path(path) == Pace::Prompt;
    let most = if is_probe { most.min(PROBE_WITHIN) } else { most };
    asked.map_or(most, |asked| asked.min(most))
}

/// Why a call ends that does not end by itself, when that time has come.
async fn end(deadline: Instant, leaving: Option<CancellationToken>) -> Error {
    let left = async {
        match leaving {
            Some(leaving) => leaving.cancelled_owned().await,
            None => std::future::pending().await,
        }
    };
    match timeout_at(deadline, left).await {
        Ok(()) => Error::unavailable("the service"),
        Err(_) => Error::deadline_exceeded(),
    }
}

/// A reply that ends in time, whether or not somebody reads it. hyper asks for the next frame only
/// when the caller takes more, so a task of its own gives up what the call holds.
struct Timed {
    grpc: bool,
    deadline: Instant,
    sending: Arc<Mutex<Sending>>,
    _end: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Sending {
    /// None once it has ended.
    body: Option<Body>,
    place: Option<Place>,
    /// Whoever waits for the next frame.
    reader: Option<Waker>,
    /// What the reader is yet to be told.
    ended_by: Option<Error>,
}

impl Timed {
    fn new(
        body: Body,
        place: Option<Place>,
        grpc: bool,
        deadline: Instant,
        end: BoxFuture<'static, Error>,
    ) -> Self {
        let sending = Arc::new(Mutex::new(Sending {
            body: Some(body),
            place,
            ..Sending::default()
        }));
        let ended = Arc::downgrade(&sending);
        let ending = async move {
            let error = end.await;
            if let Some(sending) = ended.upgrade() {
                lock(&sending).end(error);
            }
        };
        Self {
            grpc,
            deadline,
            sending,
            _end: AbortOnDropHandle::new(tokio::spawn(ending.in_current_span())),
        }
    }
}

impl Sending {
    fn end(&mut self, error: Error) {
        if self.body.take().is_none() {
            return;
        }
        self.place = None;
        self.ended_by = Some(error);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

fn lock(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    // Poisoned by a panic of the body, which is the layers' outside of this one to tell.
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let mut sending = lock(&self.sending);
        // A body that always has more would otherwise win over the clock.
        if Instant::now() >= self.deadline {
            sending.end(Error::deadline_exceeded());
        }
        if let Some(error) = sending.ended_by.take() {
            return Poll::Ready(Some(last_frame(self.grpc, error)));
        }
        let Some(body) = &mut sending.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if polled.is_pending() {
            sending.reader = Some(cx.waker().clone());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let sending = lock(&self.sending);
        match &sending.body {
            Some(body) => body.is_end_stream(),
            None => sending.ended_by.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let sending = lock(&self.sending);
        sending.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

fn last_frame(grpc: bool, error: Error) -> Result<Frame<Bytes>, axum::Error> {
    if !grpc {
        return Err(axum::Error::new(error));
    }
    let mut trailers = HeaderMap::new();
    write_status(&mut trailers, &Status::from(error));
    Ok(Frame::trailers(trailers))
}

/// Reads `grpc-timeout` as the protocol writes it: at most eight digits and a unit.
#[must_use]
pub fn read(value: &HeaderValue) -> Option<Duration> {
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

    fn of(text: &str) -> Option<Duration> {
        read(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        assert_eq!(of("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(of("2M"), Some(Duration::from_secs(120)));
        assert_eq!(of("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(of("5m"), Some(Duration::from_millis(5)));
        assert_eq!(of("5u"), Some(Duration::from_micros(5)));
        assert_eq!(of("5n"), Some(Duration::from_nanos(5)));
        for wrong in ["", "S", "5", "-5S", "5s", "1.5S", "999999999S", "5 S"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_call_takes_as_long_as_its_caller_waits_and_a_probe_not_long() {
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        let second = Duration::from_secs(1);
        let who = "/datacovey.identity.v1.UserService/WhoAmI";
        assert_eq!(time_for(who, None, hour), hour);
        assert_eq!(time_for(who, Some(day), hour), hour);
        assert_eq!(time_for(who, Some(second), hour), second);
        let check = "/grpc.health.v1.Health/Check";
        assert_eq!(time_for(check, None, hour), PROBE_WITHIN);
        assert_eq!(time_for(check, Some(day), hour), PROBE_WITHIN);
        assert_eq!(time_for(check, Some(second), hour), second);
        assert_eq!(time_for("/grpc.health.v1.Health/Watch", None, hour), hour);
    }

    #[test]
    fn what_is_written_is_read() {
        for left in [
            Duration::ZERO,
            Duration::from_millis(1),
            Duration::from_secs(86_400),
        ] {
            assert_eq!(read(&write(left)), Some(left));
        }
        assert_eq!(read(&write(Duration::MAX)), Some(Duration::from_secs(99_999_999)));
    }
}
