use bytes::Bytes;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_server::Limits;
use tonic::Code;

use crate::fixture::{call, frame, get, http1, limits, reason, send, start, start_with};

const METHOD: &str = "/datacovey.query.v1.AuditService/ListReleases";

#[tokio::test]
async fn what_is_no_message_is_the_callers_mistake() {
    let running = start().await;
    let cases = [
        ("no message", Bytes::new()),
        ("half a header", Bytes::from_static(&[0, 0, 0])),
        ("less than announced", frame(0, 10, b"abc")),
        ("an unknown flag", frame(2, 0, b"")),
        ("compressed, by nobody knows what", frame(1, 0, b"")),
        ("an unknown wire type", frame(0, 1, &[0x27])),
        ("a length beyond the end", frame(0, 2, &[0x22, 0x7f])),
        ("text that is no UTF-8", frame(0, 3, &[0x22, 0x01, 0xff])),
    ];
    for (what, body) in cases {
        let status = send(&running, METHOD, &[], body).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_eq!(reason(&status), "INVALID_FIELD", "{what}");
        assert!(
            status
                .message()
                .starts_with("the request is no well-formed message: "),
            "{what}"
        );
    }
    // The message that none of these is.
    assert_eq!(
        send(&running, METHOD, &[], frame(0, 0, b"")).await.code(),
        Code::Ok
    );
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_too_large() {
    let running = start_with(
        Limits {
            max_message_bytes: 1024,
            ..limits()
        },
        None,
    )
    .await;
    // Announced only; what is refused need not be sent.
    let status = send(&running, METHOD, &[], frame(0, 1025, b"abc")).await;
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_LARGE")
    );
    // And sent in full.
    let mut client = AuditServiceClient::new(running.channel());
    let status = client
        .list_releases(call(&"x".repeat(2_000), &running.token("a")))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_LARGE")
    );
}

#[tokio::test]
async fn a_compression_nobody_offered_is_refused_with_a_reason() {
    let running = start().await;
    let status = send(&running, METHOD, &[("grpc-encoding", "gzip")], frame(1, 0, b"")).await;
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unimplemented, "NOT_IMPLEMENTED")
    );
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_said_so() {
    let running = start().await;
    for path in [
        "/datacovey.query.v1.AuditService/Nothing",
        "/datacovey.query.v1.Nobody/Nothing",
        "/",
    ] {
        let status = send(&running, path, &[], frame(0, 0, b"")).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unimplemented, "UNKNOWN_METHOD"),
            "{path}"
        );
        assert!(status.message().contains(path));
    }
}

#[tokio::test]
async fn what_a_caller_makes_up_is_not_said_back_at_length() {
    let running = start().await;
    let path = format!("/{}/Nothing", "x".repeat(8_000));
    let status = send(&running, &path, &[], frame(0, 0, b"")).await;
    assert_eq!(reason(&status), "UNKNOWN_METHOD");
    assert!(status.message().len() < 200, "{}", status.message());
}

/// Its status would travel in trailers, which no client of HTTP/1.1 looks for.
#[tokio::test]
async fn grpc_is_not_served_below_http_2() {
    let running = start().await;
    let token = running.token("a");
    let request = format!(
        "POST {METHOD} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/grpc\r\n\
         authorization: Bearer {token}\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0"
    );
    let reply = http1(running.address, request.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 505 "), "{reply}");
}

#[tokio::test]
async fn plain_http_is_answered_in_its_own_words() {
    let running = start().await;
    let reply = get(running.address, "/tenant").await;
    assert!(reply.starts_with("HTTP/1.1 401"), "{reply}");
    assert!(reply.contains("www-authenticate: Bearer"), "{reply}");
    assert!(reply.contains(r#""code":"CREDENTIALS_MISSING""#), "{reply}");
}
