use std::time::Instant;

use datacovey_error::Error;
use datacovey_server::{GRPC_TIMEOUT, REQUEST_ID, inject_span, write_timeout};
use datacovey_types::Ctx;
use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, HOST, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;

/// Names that begin so are the suite's own: what a caller sends by them is not passed on, nor what
/// an upstream does.
const OWN: &str = "x-datacovey-";

/// What belongs to one connection and not to the call (RFC 9110, 7.6.1).
const OF_A_CONNECTION: [HeaderName; 6] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What a caller sends for the gateway and not for those behind it, or what the gateway says
/// itself.
const FOR_THE_GATEWAY: [HeaderName; 6] = [
    AUTHORIZATION,
    COOKIE,
    HOST,
    PROXY_AUTHORIZATION,
    GRPC_TIMEOUT,
    REQUEST_ID,
];

/// The caller's headers as the upstream gets them: with an internal token in place of the
/// caller's, what is left of the deadline, the request's id, and the span as the parent (without
/// telemetry, the caller's).
///
/// DEADLINE_EXCEEDED if nothing is left.
pub(crate) fn to_upstream(
    headers: HeaderMap,
    ctx: &Ctx,
    token: &str,
    span: &Span,
) -> Result<HeaderMap, Error> {
    let mut sent = without(headers, |name| {
        OF_A_CONNECTION.contains(name) || FOR_THE_GATEWAY.contains(name)
    });
    if let Some(deadline) = ctx.deadline {
        let left = deadline
            .checked_duration_since(Instant::now())
            .filter(|left| left.as_millis() > 0);
        sent.insert(
            GRPC_TIMEOUT,
            write_timeout(left.ok_or_else(Error::deadline_exceeded)?),
        );
    }
    let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).map_err(Error::internal)?;
    authorization.set_sensitive(true);
    sent.insert(AUTHORIZATION, authorization);
    sent.insert(
        REQUEST_ID,
        HeaderValue::try_from(&ctx.request_id).map_err(Error::internal)?,
    );
    sent.insert(TE, const { HeaderValue::from_static("trailers") });
    inject_span(span, &mut sent);
    Ok(sent)
}

/// The upstream's headers as the caller gets them.
pub(crate) fn to_caller(headers: HeaderMap) -> HeaderMap {
    without(headers, |name| OF_A_CONNECTION.contains(name))
}

/// The headers without those, and without the suite's own.
fn without(headers: HeaderMap, dropped: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let dropped = |name: &HeaderName| name.as_str().starts_with(OWN) || dropped(name);
    let mut kept = HeaderMap::with_capacity(headers.len());
    let mut current = None;
    // Of a header with several values, only the first comes with its name.
    for (name, value) in headers {
        if name.is_some() {
            current = name.filter(|name| !dropped(name));
        }
        if let Some(name) = &current {
            kept.append(name.clone(), value);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datacovey_server::GRPC_TIMEOUT;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_callers_word_on_what_the_gateway_says_is_dropped() {
        let headers = map(&[
            ("authorization", "Bearer of the caller"),
            ("x-datacovey-principal", "admin"),
            ("x-request-id", "of the caller"),
            ("grpc-timeout", "1H"),
            ("cookie", "a=b"),
            ("metadata", "one"),
            ("metadata", "two"),
            ("user-agent", "grpc-go"),
        ]);
        let sent = to_upstream(
            headers,
            &Ctx::for_tests(Uuid::nil(), Uuid::nil()),
            "internal",
            &Span::none(),
        );
        let expected = map(&[
            ("authorization", "Bearer internal"),
            ("x-request-id", "test"),
            ("metadata", "one"),
            ("metadata", "two"),
            ("user-agent", "grpc-go"),
            ("te", "trailers"),
        ]);
        assert_eq!(sent.unwrap(), expected);
    }

    #[test]
    fn a_deadline_that_has_passed_is_not_passed_on() {
        let mut ctx = Ctx::for_tests(Uuid::nil(), Uuid::nil());
        let now = Instant::now();
        ctx.deadline = Some(now + Duration::from_secs(100));
        let sent = to_upstream(HeaderMap::new(), &ctx, "internal", &Span::none()).unwrap();
        assert!(sent.contains_key(GRPC_TIMEOUT));
        ctx.deadline = Some(now);
        let error = to_upstream(HeaderMap::new(), &ctx, "internal", &Span::none()).unwrap_err();
        assert_eq!(error.reason_name(), "DEADLINE_EXCEEDED");
    }

    const NAMES: [&str; 12] = [
        "authorization",
        "x-datacovey-principal",
        "x-datacovey-",
        "te",
        "connection",
        "upgrade",
        "host",
        "grpc-timeout",
        "x-request-id",
        "traceparent",
        "metadata",
        "metadata-bin",
    ];

    proptest! {
        /// Whatever comes, what the upstream must believe is the gateway's word, once; and what is the
        /// caller's goes on as it came.
        #[test]
        fn no_headers_of_a_caller_speak_for_the_gateway(
            pairs in prop::collection::vec((prop::sample::select(&NAMES[..]), prop::collection::vec(32_u8..127, 0..8)), 0..20),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &pairs {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            let ctx = Ctx::for_tests(Uuid::nil(), Uuid::nil());
            let sent = to_upstream(headers.clone(), &ctx, "internal", &Span::none()).unwrap();
            for (name, ours) in [("authorization", "Bearer internal"), ("x-request-id", "test"), ("te", "trailers")] {
                prop_assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), [ours]);
            }
            for gone in ["connection", "upgrade", "host", "grpc-timeout"] {
                prop_assert!(!sent.contains_key(gone));
            }
            prop_assert!(!sent.keys().any(|name| name.as_str().starts_with(OWN)));
            for kept in ["metadata", "metadata-bin", "traceparent"] {
                let of = |headers: &HeaderMap| headers.get_all(kept).iter().cloned().collect::<Vec<_>>();
                prop_assert_eq!(of(&sent), of(&headers));
            }
            // The answer of an upstream tells a caller nothing of the suite's own, either.
            let answered = to_caller(headers);
            prop_assert!(!answered.keys().any(|name| name.as_str().starts_with(OWN) || name == "connection"));
        }
    }
}
