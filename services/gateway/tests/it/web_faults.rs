//! gRPC-Web that is none: what is wrong with it is the caller's fault, and the caller is told.

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;
use tonic::Code;

use crate::browser::{BINARY, Http, Page, Part, TEXT, WAYS};
use crate::callers::keep_headers;
use crate::fake::{self, frame_bytes, streamed};
use crate::suite::{Suite, UNARY, UPLOAD};

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The upstream that never reads to its end must not be what says what is wrong.
#[tokio::test]
async fn base64_that_is_none_is_the_callers_fault() {
    let suite = Suite::start().await;
    for path in [UNARY, UPLOAD] {
        for fake in [&suite.query, &suite.transfer] {
            fake.answer(path, |request| {
                Box::pin(async move {
                    match request.into_body().collect().await {
                        Ok(_) => fake::unary(&()),
                        Err(_) => std::future::pending().await,
                    }
                })
            });
        }
    }
    for http in [Http::One, Http::Two] {
        let page = Page::open(&suite, (http, TEXT));
        for body in ["!!!!", "AAAAAAA", "AAAA AAA", "AA==AAAA", "AAAAAAA=A"] {
            for path in [UNARY, UPLOAD, CHECK] {
                let reply = page.send_raw(page.request(path), Bytes::from(body)).await;
                let reply = reply.whole().await;
                reply.expect(Code::InvalidArgument, "INVALID_FIELD");
                let status = reply.status();
                assert!(
                    status
                        .message()
                        .starts_with("the body of the request cannot be read: "),
                    "{body}: {}",
                    status.message()
                );
            }
        }
    }
}

/// An upload whose first part was right and has been answered already.
#[tokio::test]
async fn base64_that_breaks_within_a_call_ends_it() {
    let suite = Suite::start().await;
    suite.transfer.answer(UPLOAD, |request| {
        Box::pin(async move {
            let (frames, answer) = streamed();
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(Ok(frame)) = body.frame().await {
                    let _ = frames.send(frame).await;
                }
                frames.closed().await;
            });
            answer
        })
    });
    let page = Page::open(&suite, (Http::Two, TEXT));
    let (sender, receiver) = mpsc::channel(1);
    let pieces = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let pieces = futures::StreamExt::map(pieces, |it: &'static str| {
        Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(it)))
    });
    let call = page.request(UPLOAD);
    sender.send("AAAAAAFB").await.unwrap();
    let mut answer = page.send_body(call, StreamBody::new(pieces).boxed()).await;
    assert_eq!(answer.next().await, Some(Part::Message(Bytes::from("A"))));
    sender.send("no base64").await.unwrap();
    let reply = answer.whole().await;
    reply.expect(Code::InvalidArgument, "INVALID_FIELD");
}

/// Nothing of a message is looked at here; whoever reads it says that it is none.
#[tokio::test]
async fn frames_that_are_none_are_the_callers_fault() {
    let suite = Suite::start().await;
    for way in WAYS {
        let page = Page::open(&suite, way);
        for body in [
            &b""[..],
            b"\0\0",
            b"\0\0\0\0\x09short",
            b"\x07\0\0\0\0",
            b"\x80\0\0\0\0",
            b"\0\0\0\0\x01\xff",
        ] {
            let reply = page.call(page.anonymous(CHECK), body).await;
            reply.expect(Code::InvalidArgument, "INVALID_FIELD");
        }
    }
}

#[tokio::test]
async fn what_is_no_grpc_web_is_answered_in_http() {
    let suite = Suite::start().await;
    keep_headers(&suite.query);
    for http in [Http::One, Http::Two] {
        for content_type in ["application/grpc-web+json", "application/grpc-web-text+thrift"] {
            let page = Page::open(&suite, (http, content_type));
            let answer = page.send(page.request(UNARY), &frame_bytes(b"")).await;
            assert_eq!(answer.head.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let page = Page::open(&suite, (http, BINARY));
        let answer = page.send(page.request(UNARY).method(Method::PUT), b"").await;
        assert_eq!(answer.head.status, StatusCode::METHOD_NOT_ALLOWED);
        let page = Page::open(&suite, (http, "application/json"));
        let answer = page.send(page.request(UNARY), b"{}").await;
        assert_eq!(answer.head.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    // Without the trailers in the body it would lose its status.
    let page = Page::open(&suite, (Http::One, "application/grpc"));
    let answer = page.send(page.request(UNARY), &frame_bytes(b"")).await;
    assert_eq!(answer.head.status, StatusCode::HTTP_VERSION_NOT_SUPPORTED);
}
