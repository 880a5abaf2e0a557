//! Whose pages a browser lets call. What is tested is what the gateway says to the browser, which
//! is who enforces it.

use datacovey_gateway::Origins;
use http::{HeaderMap, Method, StatusCode};
use tonic::Code;

use crate::browser::{BINARY, Http, Page, TEXT, WAYS};
use crate::callers::keep_headers;
use crate::fake::frame_bytes;
use crate::suite::{Suite, UNARY};

const OURS: &str = "https://app.example.com";

async fn suite(origins: &str) -> Suite {
    let origins: Origins = origins.parse().unwrap();
    let suite = Suite::configured(&[], |it| it.cors_origins = origins).await;
    keep_headers(&suite.query);
    suite
}

/// What a browser asks before a page's first call.
async fn preflight(page: &Page<'_>, origin: &str) -> HeaderMap {
    let asked = page
        .anonymous(UNARY)
        .method(Method::OPTIONS)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,x-grpc-web",
        );
    let answer = page.send_raw(asked, bytes::Bytes::new()).await;
    assert_eq!(answer.head.status, StatusCode::OK);
    answer.head.headers
}

fn listed(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    let mut names: Vec<_> = values
        .flat_map(|it| it.to_str().unwrap().split(','))
        .map(|it| it.trim().to_ascii_lowercase())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_listed_origin_may_call_and_read_how_a_call_ends() {
    let suite = suite("https://other.example, https://app.example.com").await;
    for way in WAYS {
        let page = Page::open(&suite, way);
        let allowed = preflight(&page, OURS).await;
        assert_eq!(allowed["access-control-allow-origin"], OURS);
        assert_eq!(
            listed(&allowed, "access-control-allow-methods"),
            ["get", "head", "post", "put"]
        );
        assert_eq!(
            listed(&allowed, "access-control-allow-headers"),
            [
                "authorization",
                "content-digest",
                "content-range",
                "content-type",
                "grpc-timeout",
                "if-range",
                "range",
                "repr-digest",
                "traceparent",
                "tracestate",
                "x-content-sha256",
                "x-grpc-web",
                "x-request-id",
                "x-user-agent",
            ]
        );
        assert_eq!(allowed["access-control-max-age"], "7200");
        // The answer depends on who asks, and a cache must know.
        assert!(listed(&allowed, "vary").contains(&"origin".to_owned()));
        assert!(!allowed.contains_key("access-control-allow-credentials"));

        for (call, code) in [
            (page.request(UNARY), Code::Ok),
            (page.anonymous(UNARY), Code::Unauthenticated),
        ] {
            let reply = page.call(call.header("origin", OURS), &frame_bytes(b"")).await;
            assert_eq!(reply.status().code(), code);
            let headers = &reply.head.headers;
            assert_eq!(headers["access-control-allow-origin"], OURS, "{way:?}: {code}");
            assert!(!headers.contains_key("access-control-allow-credentials"));
            assert_eq!(
                listed(headers, "access-control-expose-headers"),
                [
                    "accept-ranges",
                    "content-disposition",
                    "content-range",
                    "etag",
                    "grpc-message",
                    "grpc-status",
                    "grpc-status-details-bin",
                    "repr-digest",
                    "upload-complete",
                    "upload-offset",
                    "x-request-id"
                ]
            );
        }
    }
}

#[tokio::test]
async fn no_other_origin_may_call() {
    for (origins, other) in [
        (OURS, "https://evil.example"),
        (OURS, "http://app.example.com"),
        (OURS, "https://app.example.com:8443"),
        (OURS, "https://app.example.com.evil.example"),
        (OURS, "null"),
        ("", OURS),
    ] {
        let suite = suite(origins).await;
        let page = Page::open(&suite, (Http::One, TEXT));
        let said = preflight(&page, other).await;
        assert!(!said.contains_key("access-control-allow-origin"), "{other}");
        // Nor is what was answered readable, should it have been sent.
        let reply = page
            .call(page.request(UNARY).header("origin", other), &frame_bytes(b""))
            .await;
        assert!(!reply.head.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_star_is_everybody_and_still_without_credentials() {
    let suite = suite("*").await;
    let page = Page::open(&suite, (Http::Two, BINARY));
    let said = preflight(&page, "https://anybody.example").await;
    assert_eq!(said["access-control-allow-origin"], "*");
    assert!(!said.contains_key("access-control-allow-credentials"));
}

/// An answer in HTTP says why to the page, too, and not only that there was some failure.
#[tokio::test]
async fn answers_in_http_can_be_read_by_the_page() {
    let suite = suite(OURS).await;
    let page = Page::open(&suite, (Http::One, "application/grpc-web+json"));
    let call = page.request(UNARY).header("origin", OURS);
    let answer = page.send(call, b"{}").await;
    assert_eq!(answer.head.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.head.headers["access-control-allow-origin"], OURS);
}
