//! What is routed where, and which headers go along.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use http::{Method, Request, StatusCode};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::Code;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::callers::keep_headers;
use crate::fake;
use crate::suite::{RESOLVE, Suite, UNARY, one_message};

#[tokio::test]
async fn each_package_goes_to_its_service() {
    let suite = Suite::start().await;
    for (fake, path) in [
        (&suite.identity, "/datacovey.identity.v1.UserService/WhoAmI"),
        (&suite.catalog, "/datacovey.catalog.v1.TableService/GetTable"),
        (&suite.query, "/datacovey.query.v1.QueryService/CheckQuery"),
        (
            &suite.transfer,
            "/datacovey.transfer.v1.VersionService/ListTableVersions",
        ),
    ] {
        fake.answer(path, |_| Box::pin(async { fake::unary(&()) }));
        assert_eq!(
            suite.call(suite.request(path)).await.status.code(),
            Code::Ok,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_internal_is_not_routed() {
    let suite = Suite::start().await;
    for path in [RESOLVE, "/datacovey.internal.rows.v1.RowService/Select"] {
        suite
            .call(suite.anonymous(path))
            .await
            .expect(Code::Unauthenticated, "CREDENTIALS_MISSING");
        suite
            .call(suite.request(path))
            .await
            .expect(Code::PermissionDenied, "PERMISSION_DENIED");
    }
    assert_eq!(suite.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_there_is_not_is_told_so() {
    let suite = Suite::start().await;
    for path in [
        "/datacovey.identity.v1.UserService/Unknown",
        "/datacovey.identity.v1.UserService",
        "/datacovey.identity.v1.UserService/WhoAmI/",
        "//datacovey.identity.v1.UserService/WhoAmI",
        "/datacovey.identity.v1.UserService/%57hoAmI",
        "/datacovey.identity.v1.Userservice/WhoAmI",
        "/weather.v1.ForecastService/Tomorrow",
        "/",
    ] {
        suite
            .call(suite.request(path))
            .await
            .expect(Code::Unimplemented, "UNKNOWN_METHOD");
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_answered_in_http() {
    let suite = Suite::start().await;
    let uri = format!("http://{}{UNARY}", suite.gateway);
    let token = format!("Bearer {}", suite.token("known user", ""));
    let post = |content_type: &str| {
        let request = Request::post(&uri)
            .header("authorization", &token)
            .header("content-type", content_type);
        suite.send(request.body(one_message()).unwrap())
    };
    for content_type in [
        "application/json",
        "application/grpcx",
        "application/grpc-web+json",
    ] {
        assert_eq!(
            post(content_type).await.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
    }
    let get = suite
        .request(UNARY)
        .method(Method::GET)
        .body(one_message())
        .unwrap();
    assert_eq!(suite.send(get).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn metadata_go_on_and_what_only_the_gateway_may_say_does_not() {
    let suite = Suite::start().await;
    let headers = keep_headers(&suite.query);
    let request = suite
        .request(UNARY)
        .header("x-datacovey-tenant", "another")
        .header("cookie", "secret=1")
        .header("metadata", "one")
        .header("metadata", "two")
        .header("blob-bin", "AAEC")
        .header("user-agent", "grpc-go/1.0")
        .header("grpc-timeout", "10S")
        .header("grpc-encoding", "identity");
    assert_eq!(suite.call(request).await.status.code(), Code::Ok);
    let headers = headers.lock().unwrap().pop().unwrap();
    assert!(headers.get("x-datacovey-tenant").is_none());
    assert!(headers.get("cookie").is_none());
    assert_eq!(
        headers.get_all("metadata").iter().collect::<Vec<_>>(),
        ["one", "two"]
    );
    for (name, value) in [
        ("blob-bin", "AAEC"),
        ("user-agent", "grpc-go/1.0"),
        ("te", "trailers"),
        ("grpc-encoding", "identity"),
    ] {
        assert_eq!(headers[name], value);
    }
    let timeout = headers["grpc-timeout"].to_str().unwrap();
    let millis: u64 = timeout.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..10_000).contains(&millis), "{timeout}");
}

#[tokio::test]
async fn a_request_has_one_id_everywhere() {
    let suite = Suite::start().await;
    let headers = keep_headers(&suite.query);
    let given = suite
        .call(suite.request(UNARY).header("x-request-id", "order-42.a_b"))
        .await;
    assert_eq!(given.head.headers["x-request-id"], "order-42.a_b");
    assert_eq!(
        headers.lock().unwrap().pop().unwrap()["x-request-id"],
        "order-42.a_b"
    );

    for bad in ["", "two words", "a\"b", &"x".repeat(500)] {
        let reply = suite.call(suite.request(UNARY).header("x-request-id", bad)).await;
        let id = &reply.head.headers["x-request-id"];
        assert!(!id.is_empty() && *id != bad && id.len() <= 64, "{id:?}");
        assert_eq!(headers.lock().unwrap().pop().unwrap()["x-request-id"], *id);
    }
    let refused = suite.call(suite.anonymous(UNARY)).await;
    assert!(refused.head.headers.contains_key("x-request-id"));
}

/// One for the process: spans have ids only where something listens to them.
static TRACING: LazyLock<()> = LazyLock::new(|| {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let spans = tracing_opentelemetry::layer().with_tracer(tracer);
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(spans)
        .init();
});

/// The trace is the caller's, the parent is the gateway's own span.
#[tokio::test]
async fn a_trace_goes_on_with_the_gateways_span() {
    LazyLock::force(&TRACING);
    let suite = Suite::start().await;
    let headers = keep_headers(&suite.query);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    assert_eq!(
        suite
            .call(suite.request(UNARY).header("traceparent", &parent))
            .await
            .status
            .code(),
        Code::Ok
    );
    let sent = headers.lock().unwrap().pop().unwrap();
    let sent = sent["traceparent"].to_str().unwrap();
    assert_eq!(sent.split('-').nth(1), Some(trace));
    assert_ne!(sent, parent);
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused_and_the_gateway_stays() {
    let suite = Suite::start().await;
    let _headers = keep_headers(&suite.query);
    let mut request = suite.request(UNARY);
    for i in 0..20 {
        request = request.header(format!("metadata-{i}"), "x".repeat(10_000));
    }
    let refused = crate::suite::client()
        .request(request.body(one_message()).unwrap())
        .await;
    assert!(refused.is_err() || refused.unwrap().status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(suite.call(suite.request(UNARY)).await.status.code(), Code::Ok);
}
