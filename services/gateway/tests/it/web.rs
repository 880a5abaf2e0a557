//! gRPC-Web: what a page sends reaches the upstream as gRPC, and whatever answers, upstream or
//! layer, reaches the page as gRPC-Web.

use bytes::Bytes;
use datacovey_error::Error;
use http::{HeaderValue, Request};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt as _;

use crate::browser::{BINARY, Http, Page, Part, TEXT, WAYS};
use crate::callers::keep_headers;
use crate::ending::{begin, never};
use crate::fake::{self, Fake, frame_bytes, trailers};
use crate::suite::{ANSWERS, Suite, UNARY, UPLOAD, one_message, soon};

const WATCH: &str = "/grpc.health.v1.Health/Watch";
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Answers with what it was sent.
fn echo(fake: &Fake, path: &'static str) {
    fake.answer(path, |request| {
        Box::pin(async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut end = trailers(0);
            end.append("of-the-upstream", HeaderValue::from_static("one"));
            end.append("of-the-upstream", HeaderValue::from_static("two"));
            let body = Full::new(body).with_trailers(async { Some(Ok(end)) });
            http::Response::builder()
                .header("content-type", "application/grpc")
                .header("metadata", "kept")
                .body(body.boxed())
                .unwrap()
        })
    });
}

#[tokio::test]
async fn a_call_goes_on_as_grpc_and_comes_back_as_it_was_asked() {
    let suite = Suite::start().await;
    for way in WAYS {
        let headers = keep_headers(&suite.query);
        let page = Page::open(&suite, way);
        let call = page
            .request(UNARY)
            .header("x-request-id", "page-1")
            .header("grpc-timeout", "10S");
        let reply = page.call(call, &frame_bytes(b"")).await;
        assert_eq!(reply.status().code(), Code::Ok, "{way:?}");
        assert_eq!(reply.messages, [Bytes::new()], "{way:?}");
        assert_eq!(reply.head.headers["content-type"], way.1);
        assert_eq!(reply.head.headers["x-request-id"], "page-1");

        let sent = headers.lock().unwrap().pop().unwrap();
        assert_eq!(sent["content-type"], "application/grpc");
        assert_eq!(sent["te"], "trailers");
        assert_eq!(sent["x-request-id"], "page-1");
        assert!(sent.contains_key("grpc-timeout"));
        let principal = suite.verify("query", &sent).principal.unwrap();
        assert_eq!(principal.user_id, suite.user_id);
    }
}

#[tokio::test]
async fn messages_and_trailers_are_those_of_the_upstream() {
    let suite = Suite::start().await;
    echo(&suite.query, UNARY);
    // Of lengths that base64 pads in each way, and more than one buffer holds.
    let lengths = [0, 1, 2, 3, 1024 * 1024 + 1];
    for way in WAYS {
        let page = Page::open(&suite, way);
        for length in lengths {
            let message: Vec<u8> = (0..length).map(|i: u32| (i ^ (i >> 9)) as u8).collect();
            let reply = page.call(page.request(UNARY), &frame_bytes(&message)).await;
            assert!(reply.messages == [Bytes::from(message)], "{way:?}: {length}");
            assert_eq!(reply.head.headers["metadata"], "kept");
            let end = reply.trailers.unwrap();
            assert_eq!(end["grpc-status"], "0");
            let more: Vec<_> = end.get_all("of-the-upstream").iter().collect();
            assert_eq!(more, ["one", "two"]);
        }
    }
}

/// Browsers cannot send while they read, but a whole upload may be one body.
#[tokio::test]
async fn a_body_may_hold_several_messages() {
    let suite = Suite::start().await;
    echo(&suite.transfer, UPLOAD);
    for way in WAYS {
        let page = Page::open(&suite, way);
        let body = [frame_bytes(b"one"), frame_bytes(b""), frame_bytes(b"three")].concat();
        let reply = page.call(page.request(UPLOAD), &body).await;
        assert_eq!(reply.messages, [&b"one"[..], b"", b"three"], "{way:?}");
    }
}

/// Each message is read before the next is sent, so nothing on the way waits for more.
#[tokio::test]
async fn messages_of_a_stream_arrive_one_by_one() {
    let suite = Suite::start().await;
    for way in WAYS {
        let senders = begin(&suite.query);
        let page = Page::open(&suite, way);
        let mut answer = page.send(page.request(ANSWERS), &frame_bytes(b"")).await;
        let frames = senders.lock().await.recv().await.unwrap();
        assert_eq!(answer.next().await, Some(Part::Message(Bytes::from("first"))));
        for message in [&b"second"[..], b"", b"fourth"] {
            frames.send(Frame::data(frame_bytes(message))).await.unwrap();
            let part = answer.next().await;
            assert_eq!(part, Some(Part::Message(Bytes::from(message))), "{way:?}");
        }
        frames.send(Frame::trailers(trailers(0))).await.unwrap();
        assert_eq!(answer.next().await, Some(Part::Trailers(trailers(0))));
        assert_eq!(answer.next().await, None);
    }
}

#[tokio::test]
async fn what_a_layer_answers_is_grpc_web() {
    let suite = Suite::start().await;
    let message = frame_bytes(b"");
    for way in WAYS {
        let page = Page::open(&suite, way);
        page.call(page.anonymous(UNARY), &message)
            .await
            .expect(Code::Unauthenticated, "CREDENTIALS_MISSING");
        let call = page
            .anonymous(UNARY)
            .header("authorization", "Bearer of bad news");
        page.call(call, &message)
            .await
            .expect(Code::Unauthenticated, "CREDENTIALS_INVALID");
        page.call(page.request(UNARY).header("grpc-timeout", "soon"), &message)
            .await
            .expect(Code::InvalidArgument, "INVALID_FIELD");
        page.call(page.request("/datacovey.query.v1.QueryService/Nothing"), &message)
            .await
            .expect(Code::Unimplemented, "UNKNOWN_METHOD");
    }
}

#[tokio::test]
async fn a_gateway_that_is_full_says_so_in_grpc_web() {
    let suite = Suite::configured(&[], |it| it.server.limits.max_streams = 1).await;
    let (begun, _) = never(&suite.query, UNARY);
    let page = Page::open(&suite, (Http::One, BINARY));
    let message = frame_bytes(b"");
    let held = page.send(page.request(UNARY), &message);
    tokio::select! {
        _ = held => panic!("nobody answered"),
        () = async {
            soon(begun.cancelled()).await;
            for way in WAYS {
                let page = Page::open(&suite, way);
                let reply = page.call(page.request(ANSWERS), &message).await;
                reply.expect(Code::ResourceExhausted, "OVERLOADED");
                assert!(reply.status().get_error_details().retry_info().is_some());
            }
        } => {}
    }
}

#[tokio::test]
async fn what_an_upstream_answers_is_grpc_web_with_its_details() {
    let suite = Suite::start().await;
    suite.query.answer(UNARY, |_| {
        Box::pin(async { fake::refused(Error::not_found("query job", "grün")) })
    });
    for way in WAYS {
        let page = Page::open(&suite, way);
        let reply = page.call(page.request(UNARY), &frame_bytes(b"")).await;
        reply.expect(Code::NotFound, "NOT_FOUND");
        assert_eq!(reply.status().message(), "there is no query job \"grün\"");
        let details = reply.status().get_error_details();
        assert_eq!(details.resource_info().unwrap().resource_name, "grün");
    }
    suite.query.stop().await;
    for way in WAYS {
        let page = Page::open(&suite, way);
        let reply = page.call(page.request(UNARY), &frame_bytes(b"")).await;
        reply.expect(Code::Unavailable, "UNAVAILABLE");
    }
}

/// Long enough for a call to reach its upstream on a busy machine.
#[tokio::test]
async fn a_deadline_ends_a_call_before_and_within_its_answer() {
    let ended = WAYS.map(|way| async move {
        let suite = Suite::start().await;
        let page = Page::open(&suite, way);
        let (begun, given_up) = never(&suite.query, UNARY);
        let call = page.request(UNARY).header("grpc-timeout", "3S");
        let reply = page.call(call, &frame_bytes(b"")).await;
        reply.expect(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        assert!(begun.is_cancelled());
        soon(given_up.cancelled()).await;

        let senders = begin(&suite.query);
        let call = page.request(ANSWERS).header("grpc-timeout", "3S");
        let reply = page.call(call, &frame_bytes(b"")).await;
        reply.expect(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        assert_eq!(reply.messages, ["first"]);
        soon(senders.lock().await.recv().await.unwrap().closed()).await;
    });
    futures::future::join_all(ended).await;
}

/// The page is closed, or the call is aborted.
#[tokio::test]
async fn a_page_that_goes_away_ends_the_call_of_the_upstream() {
    let suite = Suite::start().await;
    for way in WAYS {
        let (begun, given_up) = never(&suite.query, UNARY);
        let page = Page::open(&suite, way);
        let message = frame_bytes(b"");
        tokio::select! {
            _ = page.send(page.request(UNARY), &message) => panic!("nobody answered"),
            () = soon(begun.cancelled()) => {}
        }
        drop(page);
        soon(given_up.cancelled()).await;

        let senders = begin(&suite.query);
        let page = Page::open(&suite, way);
        let mut answer = page.send(page.request(ANSWERS), &message).await;
        let frames = senders.lock().await.recv().await.unwrap();
        assert_eq!(answer.next().await, Some(Part::Message(Bytes::from("first"))));
        drop((answer, page));
        soon(frames.closed()).await;
    }
}

#[tokio::test]
async fn health_can_be_watched_without_credentials() {
    let suite = Suite::start().await;
    let mut asked = HealthCheckRequest::default();
    for way in WAYS {
        let page = Page::open(&suite, way);
        asked.service = "gateway".to_owned();
        let mut answer = page.send(page.anonymous(WATCH), &fake::frame(&asked)).await;
        let Some(Part::Message(first)) = answer.next().await else {
            panic!("no message");
        };
        let first = HealthCheckResponse::decode(first).unwrap();
        assert_ne!(first.status, 0, "{way:?}");
        drop(answer);

        asked.service = "weather".to_owned();
        let reply = page.call(page.anonymous(CHECK), &fake::frame(&asked)).await;
        reply.expect(Code::NotFound, "NOT_FOUND");
    }
}

/// As the older client library does it: sends and takes text, and says so.
#[tokio::test]
async fn an_answer_is_in_the_way_that_is_accepted_by_name() {
    let suite = Suite::start().await;
    keep_headers(&suite.query);
    for (content_type, accept, answered) in [
        ("application/grpc-web-text", "application/grpc-web-text", TEXT),
        ("application/grpc-web-text", "*/*", TEXT),
        ("application/grpc-web; charset=utf-8", "*/*", BINARY),
        ("application/grpc-web", "application/grpc-web-text", TEXT),
        ("application/grpc-web-text", "application/grpc-web+proto", BINARY),
    ] {
        let (token, body) = (suite.token("known user", ""), frame_bytes(b""));
        let body = match content_type.contains("-text") {
            true => Bytes::from_static(b"AAAAAAA="),
            false => body,
        };
        let request = Request::post(format!("http://{}{UNARY}", suite.gateway))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", content_type)
            .header("accept", accept)
            .body(Full::new(body).boxed())
            .unwrap();
        let answer = soon(crate::suite::client().request(request)).await.unwrap();
        assert_eq!(
            answer.headers()["content-type"],
            answered,
            "{content_type}, {accept}"
        );
    }
}

/// Beside pages, programs go on as before over the same port.
#[tokio::test]
async fn grpc_passes_as_it_is() {
    let suite = Suite::start().await;
    echo(&suite.query, UNARY);
    let request = suite.request(UNARY).body(one_message()).unwrap();
    let reply = crate::suite::Reply::read(suite.send(request).await).await;
    assert_eq!(reply.body, frame_bytes(b""));
    assert_eq!(reply.head.headers["content-type"], "application/grpc");
    let cors = reply
        .head
        .headers
        .keys()
        .find(|it| it.as_str().starts_with("access-control"));
    assert_eq!(cors, None);
}
