//! Headers of calls, and what peers answer.

use std::time::Duration;

use datacovey_error::{DOMAIN, Kind};
use datacovey_server::{
    current_traceparent, error_of_peer, read_timeout, set_parent_from_traceparent, write_timeout,
};
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What clients take of headers, each with 32 bytes of its own (RFC 9113, 6.5.2), but for those that are
/// not the status.
const MAX_HEADER_BYTES: usize = 8000;

/// `grpc-timeout` is what the protocol says it is, and what is written is read again without the call
/// getting more time than there was; any `traceparent` is one or changes nothing.
pub fn headers(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let timeout = read_timeout(&value);
    assert_eq!(timeout, as_the_protocol_says(bytes));
    if let Some(timeout) = timeout {
        let written = write_timeout(timeout);
        let again = read_timeout(&written).expect("what was written");
        // Milliseconds are written, and seconds where those have more than eight digits.
        let lost = timeout - again;
        let few = timeout.as_millis() < 100_000_000;
        assert!(
            lost < if few {
                Duration::from_millis(1)
            } else {
                Duration::from_secs(1)
            } || is_most(&written)
        );
        assert_eq!(write_timeout(again), written);
    }
    if let Ok(text) = value.to_str() {
        set_parent_from_traceparent(&tracing_span(), text);
        assert_eq!(
            current_traceparent(),
            None,
            "another span than the one that was meant"
        );
    }
}

/// More time than eight digits of seconds is written as those.
fn is_most(written: &HeaderValue) -> bool {
    written == "99999999S"
}

fn tracing_span() -> tracing::Span {
    tracing::info_span!("call")
}

/// TimeoutValue (1 to 8 digits) TimeoutUnit, by
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
fn as_the_protocol_says(bytes: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (value, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if value.len() > 8 || value.is_empty() || value.contains(|it: char| !it.is_ascii_digit()) {
        return None;
    }
    let value: u32 = value.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(3600) * value),
        "M" => Some(Duration::from_secs(60) * value),
        "S" => Some(Duration::from_secs(1) * value),
        "m" => Some(Duration::from_millis(1) * value),
        "u" => Some(Duration::from_micros(1) * value),
        "n" => Some(Duration::from_nanos(1) * value),
        _ => None,
    }
}

/// Whatever status a peer answers, with whatever bytes as its details: the caller gets one in the words of
/// the suite, that fits its headers, tells nothing of a fault inside, and means the same one hop further.
///
/// A byte for the code, a line for the message, and the details.
pub fn peer_status(bytes: &[u8]) {
    let Some((code, rest)) = bytes.split_first() else {
        return;
    };
    let end = rest.iter().position(|it| *it == b'\n').unwrap_or(rest.len());
    let message = String::from_utf8_lossy(&rest[..end]);
    let details = rest.get(end + 1..).unwrap_or_default().to_vec();
    let code = Code::from_i32(i32::from(code % 17));
    let status = Status::with_details(code, message.clone(), details.into());

    let error = error_of_peer("the catalog service", status);
    let (kind, reason) = (error.kind(), error.reason());
    let violations = error.violations().len();
    let ours = Status::from(error);
    assert_eq!(ours.code(), kind.grpc());
    assert_ne!(ours.code(), Code::Ok);
    let mut headers = HeaderMap::new();
    ours.add_header(&mut headers).expect("a status that headers hold");
    let bytes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32);
    assert!(bytes.sum::<usize>() <= MAX_HEADER_BYTES, "{headers:?}");
    let details = ours.get_error_details();
    let info = details.error_info().expect("a reason");
    assert_eq!(info.domain, DOMAIN);
    assert!(!info.reason.is_empty());
    if kind == Kind::Internal {
        assert_eq!(ours.message(), "internal error");
    }
    if kind == Kind::InvalidArgument {
        assert!(violations > 0);
    }
    if matches!(kind, Kind::Unavailable) {
        assert!(details.retry_info().is_some());
    }

    let again = error_of_peer(
        "the catalog service",
        Status::with_details(ours.code(), ours.message(), ours.details().to_vec().into()),
    );
    assert_eq!((again.kind(), again.reason()), (kind, reason));
}
