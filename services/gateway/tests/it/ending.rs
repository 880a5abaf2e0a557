//! How calls end that do not end by themselves: cancelled, out of time, cut off.
//!
//! Deadlines are long enough for a call to reach its upstream on a busy machine: one that passes
//! before leaves nothing there to end.

use std::sync::Arc;

use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::fake::{Fake, frame_bytes, streamed};
use crate::suite::{ANSWERS, Reply, Suite, UNARY, UPLOAD, one_message, soon};

/// Takes a call and never answers; a deadline has to leave it the time to begin. Tells that it has begun,
/// and when it was given up.
pub(crate) fn never(fake: &Fake, path: &'static str) -> (CancellationToken, CancellationToken) {
    let (begun, given_up) = (CancellationToken::new(), CancellationToken::new());
    let (tell, guard) = (begun.clone(), given_up.clone());
    fake.answer(path, move |_| {
        let (tell, guard) = (tell.clone(), guard.clone());
        Box::pin(async move {
            let _guard = guard.drop_guard();
            tell.cancel();
            std::future::pending().await
        })
    });
    (begun, given_up)
}

/// Begins an answer, hands out its sender, and leaves it to the test.
pub(crate) fn begin(fake: &Fake) -> Arc<Mutex<mpsc::Receiver<mpsc::Sender<Frame<bytes::Bytes>>>>> {
    let (hand_out, senders) = mpsc::channel(1);
    fake.answer(ANSWERS, move |_| {
        let hand_out = hand_out.clone();
        Box::pin(async move {
            let (frames, answer) = streamed();
            frames.send(Frame::data(frame_bytes(b"first"))).await.unwrap();
            hand_out.send(frames).await.unwrap();
            answer
        })
    });
    Arc::new(Mutex::new(senders))
}

#[tokio::test]
async fn a_caller_that_goes_away_before_the_answer_cancels_the_call() {
    let suite = Suite::start().await;
    let (begun, given_up) = never(&suite.query, UNARY);
    let call = suite.send(suite.request(UNARY).body(one_message()).unwrap());
    tokio::select! {
        _ = call => panic!("nobody answered"),
        () = soon(begun.cancelled()) => {}
    }
    soon(given_up.cancelled()).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_within_the_answer_cancels_the_call() {
    let suite = Suite::start().await;
    let senders = begin(&suite.query);
    let response = suite
        .send(suite.request(ANSWERS).body(one_message()).unwrap())
        .await;
    let frames = senders.lock().await.recv().await.unwrap();
    assert!(!frames.is_closed());
    drop(response);
    soon(frames.closed()).await;
}

#[tokio::test]
async fn a_deadline_ends_a_call_without_answer_here_and_there() {
    let suite = Suite::start().await;
    let (_, given_up) = never(&suite.query, UNARY);
    let reply = suite
        .call(suite.request(UNARY).header("grpc-timeout", "3S"))
        .await;
    reply.expect(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    soon(given_up.cancelled()).await;
}

#[tokio::test]
async fn a_deadline_ends_an_answer_that_has_begun_with_a_status() {
    let suite = Suite::start().await;
    let senders = begin(&suite.query);
    let request = suite.request(ANSWERS).header("grpc-timeout", "3S");
    let reply = suite.call(request).await;
    reply.expect(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert_eq!(reply.body, frame_bytes(b"first"));
    let frames = senders.lock().await.recv().await.unwrap();
    soon(frames.closed()).await;
}

/// The body of the request is open yet; its end must not keep the call alive.
#[tokio::test]
async fn a_deadline_ends_an_upload() {
    let suite = Suite::start().await;
    let (_, given_up) = never(&suite.transfer, UPLOAD);
    let (sender, receiver) = mpsc::channel::<Result<Frame<bytes::Bytes>, std::convert::Infallible>>(1);
    sender.send(Ok(Frame::data(frame_bytes(b"first")))).await.unwrap();
    let body = http_body_util::StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let request = suite
        .request(UPLOAD)
        .header("grpc-timeout", "3S")
        .body(BodyExt::boxed(body))
        .unwrap();
    let reply = Reply::read(suite.send(request).await).await;
    reply.expect(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    soon(given_up.cancelled()).await;
    soon(sender.closed()).await;
}

#[tokio::test]
async fn a_malformed_deadline_is_refused() {
    let suite = Suite::start().await;
    for timeout in ["soon", "1", "123456789S", "-1S"] {
        let reply = suite
            .call(suite.request(UNARY).header("grpc-timeout", timeout))
            .await;
        reply.expect(Code::InvalidArgument, "INVALID_FIELD");
        let details = reply.status.get_error_details();
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "grpc-timeout"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_up_within_its_answer_is_unavailable() {
    let suite = Suite::start().await;
    let _senders = begin(&suite.query);
    let response = suite
        .send(suite.request(ANSWERS).body(one_message()).unwrap())
        .await;
    suite.query.stop().await;
    let reply = Reply::read(response).await;
    reply.expect(Code::Unavailable, "UNAVAILABLE");
    assert!(reply.status.get_error_details().retry_info().is_some());
}

#[tokio::test]
async fn an_answer_without_a_status_gets_one() {
    let suite = Suite::start().await;
    let senders = begin(&suite.query);
    let response = suite
        .send(suite.request(ANSWERS).body(one_message()).unwrap())
        .await;
    drop(senders.lock().await.recv().await.unwrap());
    let reply = Reply::read(response).await;
    reply.expect(Code::Unavailable, "UNAVAILABLE");
    assert_eq!(reply.body, frame_bytes(b"first"));
}

#[tokio::test]
async fn an_upstream_that_is_away_is_unavailable_until_it_is_back() {
    let suite = Suite::start().await;
    suite.query.stop().await;
    let reply = suite.call(suite.request(UNARY)).await;
    reply.expect(Code::Unavailable, "UNAVAILABLE");
    assert!(reply.status.get_error_details().retry_info().is_some());
    assert!(
        !reply.status.message().contains("127.0.0.1"),
        "{}",
        reply.status.message()
    );

    let back = Fake::on(tokio::net::TcpListener::bind(suite.query.address).await.unwrap());
    back.answer(UNARY, |_| Box::pin(async { crate::fake::unary(&()) }));
    assert_eq!(suite.call(suite.request(UNARY)).await.status.code(), Code::Ok);
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_grpc_is_unavailable() {
    let suite = Suite::start().await;
    suite.query.answer(UNARY, |_| {
        Box::pin(async {
            let page = http_body_util::Full::new(bytes::Bytes::from_static(b"<html>of a stranger</html>"));
            http::Response::builder()
                .status(502)
                .body(BodyExt::boxed(page))
                .unwrap()
        })
    });
    let reply = suite.call(suite.request(UNARY)).await;
    reply.expect(Code::Unavailable, "UNAVAILABLE");
    assert!(reply.body.is_empty());
}
