use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderValue;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tonic::Code;

use crate::fake::{self, frame_bytes, streamed, trailers};
use crate::suite::{ANSWERS, Body, Reply, Suite, UNARY, UPLOAD, client, one_message, soon};

/// A body that is sent frame by frame; it ends when the sender is dropped.
fn upload() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let frames = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let frames = futures::StreamExt::map(frames, |bytes| Ok(Frame::data(bytes)));
    (sender, BodyExt::boxed(http_body_util::StreamBody::new(frames)))
}

/// Sends back what comes, as it comes.
fn echo(fake: &fake::Fake) {
    fake.answer(UPLOAD, |request| {
        Box::pin(async move {
            let (frames, answer) = streamed();
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    if frames.send(frame.unwrap()).await.is_err() {
                        return;
                    }
                }
                let mut end = trailers(0);
                end.insert("of-the-upstream", HeaderValue::from_static("kept"));
                frames.send(Frame::trailers(end)).await.unwrap();
            });
            answer
        })
    });
}

/// Each message arrives before the next is sent, so nothing on the way waits for more.
#[tokio::test]
async fn messages_pass_both_ways_as_they_come() {
    let suite = Suite::start().await;
    echo(&suite.transfer);
    let (sender, body) = upload();
    let response = suite.send(suite.request(UPLOAD).body(body).unwrap()).await;
    let mut answers = response.into_body();
    for message in [&b"one"[..], b"", b"three"] {
        let sent = frame_bytes(message);
        sender.send(sent.clone()).await.unwrap();
        let received = soon(answers.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(received, sent);
    }
    drop(sender);
    let end = answers.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(
        (&end["grpc-status"], &end["of-the-upstream"]),
        (&HeaderValue::from(0), &HeaderValue::from_static("kept"))
    );
    assert!(answers.frame().await.is_none());
}

#[tokio::test]
async fn a_large_message_passes_whole() {
    let suite = Suite::start().await;
    echo(&suite.transfer);
    let message: Vec<u8> = (0..32 * 1024 * 1024_u32).map(|i| (i ^ (i >> 11)) as u8).collect();
    let sent = frame_bytes(&message);
    let (sender, body) = upload();
    let pieces = sent.clone();
    let sending = tokio::spawn(async move {
        for start in (0..pieces.len()).step_by(100_000) {
            sender
                .send(pieces.slice(start..pieces.len().min(start + 100_000)))
                .await
                .unwrap();
        }
    });
    let reply = Reply::read(suite.send(suite.request(UPLOAD).body(body).unwrap()).await).await;
    sending.await.unwrap();
    assert_eq!(reply.status.code(), Code::Ok);
    assert!(
        reply.body == sent,
        "{} bytes of {} came back",
        reply.body.len(),
        sent.len()
    );
}

/// Whoever does not read is not read for: the upstream stops sending, and other calls over the
/// same connections go on.
#[tokio::test]
async fn a_caller_that_does_not_read_stops_its_own_call_only() {
    const MIB: usize = 1024 * 1024;
    let suite = Suite::start().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    suite.query.answer(ANSWERS, move |_| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            let (frames, answer) = streamed();
            tokio::spawn(async move {
                let piece = frame_bytes(&vec![7; MIB / 16]);
                while frames.send(Frame::data(piece.clone())).await.is_ok() {
                    count.fetch_add(piece.len(), Ordering::SeqCst);
                }
            });
            answer
        })
    });

    let mut stalled = Vec::new();
    for _ in 0..40 {
        let request = suite.request(ANSWERS).body(one_message()).unwrap();
        stalled.push(client().request(request).await.unwrap());
    }
    // Each of the gateway's connections to the upstream is used by some of these.
    let mut read = 0;
    for _ in 0..8 {
        let request = suite.request(ANSWERS).body(one_message()).unwrap();
        let mut body = client().request(request).await.unwrap().into_body();
        let end = read + 16 * MIB;
        while read < end {
            read += soon(body.frame())
                .await
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap()
                .len();
        }
    }
    let unread = sent.load(Ordering::SeqCst) - read;
    assert!(unread < 48 * 4 * MIB, "{unread} bytes were taken for nobody");

    // A stalled call goes on when it is read.
    let mut body = stalled.pop().unwrap().into_body();
    let mut read = 0;
    while read < 16 * MIB {
        read += soon(body.frame())
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .len();
    }
}

/// An upstream may have heard enough before everything is said.
#[tokio::test]
async fn an_answer_may_come_before_the_end_of_the_request() {
    let suite = Suite::start().await;
    suite.transfer.answer(UPLOAD, |request| {
        Box::pin(async move {
            let mut body = request.into_body();
            body.frame().await.unwrap().unwrap();
            fake::status_only(9)
        })
    });
    let (sender, body) = upload();
    sender.send(frame_bytes(b"the first of many")).await.unwrap();
    let reply = Reply::read(suite.send(suite.request(UPLOAD).body(body).unwrap()).await).await;
    assert_eq!(reply.status.code(), Code::FailedPrecondition);
    // Nobody reads on: the sender learns of it.
    soon(sender.closed()).await;
}

/// The other way round: what an upstream does not read stops no other call of the same caller.
#[tokio::test]
async fn an_upload_that_is_not_read_stops_itself_only() {
    let suite = Suite::start().await;
    suite.transfer.answer(UPLOAD, |request| {
        Box::pin(async move {
            let _unread = request;
            std::future::pending().await
        })
    });
    suite.query.answer(UNARY, |request| {
        Box::pin(async move {
            fake::read::<()>(request.into_body()).await;
            fake::unary(&())
        })
    });
    let caller = client();
    let mut senders = Vec::new();
    for _ in 0..20 {
        let (sender, body) = upload();
        tokio::spawn(caller.request(suite.request(UPLOAD).body(body).unwrap()));
        // The second is taken only after the first is on its way.
        for _ in 0..2 {
            soon(sender.send(Bytes::from_static(&[0; 1024 * 1024])))
                .await
                .unwrap();
        }
        senders.push(sender);
    }
    let request = suite.request(UNARY).body(one_message()).unwrap();
    let reply = Reply::read(soon(caller.request(request)).await.unwrap()).await;
    assert_eq!(reply.status.code(), Code::Ok);
}
