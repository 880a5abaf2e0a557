//! Long answers: in pieces, no faster than they are read, and cut off where they break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;

use super::{SELECT, ask, batch, header};
use crate::fake;
use crate::suite::{Body, Suite, soon};

const ROW: usize = 1000;

fn rows(count: usize) -> datacovey_proto::internal::rows::v1::SelectResponse {
    let row = Bytes::from(format!("{{\"x\":\"{}\"}}", "x".repeat(ROW - 8)));
    batch(std::iter::repeat_n(row, count))
}

/// Reads whose frames a test sends one by one.
fn opened(suite: &Suite) -> tokio::sync::mpsc::UnboundedReceiver<Sender<Frame<Bytes>>> {
    let (sender, opened) = tokio::sync::mpsc::unbounded_channel();
    suite.catalog.answer(SELECT, move |_| {
        let (frames, answer) = fake::streamed();
        sender.send(frames).unwrap();
        Box::pin(async { answer })
    });
    opened
}

/// An answer that has begun, and the connection that it comes over.
async fn begin(suite: &Suite, path: &str) -> (http::response::Parts, Incoming) {
    let stream = TcpStream::connect(suite.gateway).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let token = suite.token("known user", "");
    let request = Request::get(path)
        .header("host", "x")
        .header("authorization", format!("Bearer {token}"))
        .header("prefer", "count=exact");
    let body: Body = http_body_util::Empty::new().boxed();
    let response = soon(sender.send_request(request.body(body).unwrap()))
        .await
        .unwrap();
    // The connection lives as long as the answer is read.
    response.into_parts()
}

async fn push(frames: &Sender<Frame<Bytes>>, message: &impl prost::Message) {
    soon(frames.send(Frame::data(fake::frame(message))))
        .await
        .unwrap();
}

#[tokio::test]
async fn up_to_a_mebibyte_has_a_length_and_more_has_not() {
    let suite = Suite::start().await;
    for (count, is_whole) in [(1000, true), (1100, false)] {
        suite.catalog.answer(SELECT, move |_| {
            let known = i64::try_from(count).unwrap();
            let parts = [header(&["x"], None, Some(known)), rows(count)];
            Box::pin(async move { fake::messages(&parts) })
        });
        let answer = ask(&suite, "GET /project", &[], "").await;
        assert_eq!(answer.json().as_array().unwrap().len(), count);
        let range = format!("0-{}/*", count - 1);
        assert_eq!(answer.header("content-range"), Some(range.as_str()));
        let length = answer.body.len().to_string();
        assert_eq!(
            answer.header("content-length"),
            is_whole.then_some(length.as_str())
        );
        assert_eq!(
            answer.header("transfer-encoding"),
            (!is_whole).then_some("chunked")
        );
    }
}

#[tokio::test]
async fn rows_pass_before_the_last_is_there() {
    let suite = Suite::start().await;
    let mut opened = opened(&suite);
    let answer = begin(&suite, "/project?limit=3000&offset=1000");
    let feed = async {
        let frames = soon(opened.recv()).await.unwrap();
        push(&frames, &header(&["x"], Some(3500), None)).await;
        push(&frames, &rows(1100)).await;
        frames
    };
    let ((head, mut body), frames) = tokio::join!(answer, feed);
    // Of the total it is known how many there will be.
    assert_eq!(head.status, 206);
    assert_eq!(head.headers["content-range"], "1000-3499/3500");
    let mut got = Vec::new();
    while got.len() < 1100 * ROW {
        got.extend_from_slice(&soon(body.frame()).await.unwrap().unwrap().into_data().unwrap());
    }
    push(&frames, &rows(1400)).await;
    soon(frames.send(Frame::trailers(fake::trailers(0))))
        .await
        .unwrap();
    drop(frames);
    while let Some(frame) = soon(body.frame()).await {
        got.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    let all: serde_json::Value = serde_json::from_slice(&got).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2500);
}

#[tokio::test]
async fn an_error_before_the_answer_begins_is_told_and_a_late_one_cuts_it_off() {
    let suite = Suite::start().await;
    let mut opened = opened(&suite);
    let failed = || {
        let status = tonic::Status::from(datacovey_error::Error::unavailable("the database"));
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        Frame::trailers(trailers)
    };
    let feed = async {
        let frames = soon(opened.recv()).await.unwrap();
        push(&frames, &header(&["x"], None, None)).await;
        push(&frames, &rows(10)).await;
        soon(frames.send(failed())).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(&suite, "GET /project", &[], ""), feed);
    assert_eq!(answer.refused(), (503, "PGRST000".to_owned()));

    for breaks in [true, false] {
        let feed = async {
            let frames = soon(opened.recv()).await.unwrap();
            push(&frames, &header(&["x"], None, None)).await;
            push(&frames, &rows(1100)).await;
            frames
        };
        let ((head, mut body), frames) = tokio::join!(begin(&suite, "/project"), feed);
        assert_eq!(head.status, 200);
        assert!(
            !head.headers.contains_key("content-range"),
            "how many come is not known"
        );
        if breaks {
            soon(frames.send(failed())).await.unwrap();
        }
        // Or the service just goes away.
        drop(frames);
        let cut = async {
            loop {
                match body.frame().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error,
                    None => panic!("the answer looks whole"),
                }
            }
        };
        soon(cut).await;
    }
}

/// Nobody reads, so the service cannot send all that it has; once somebody does, all of it comes.
#[tokio::test]
async fn whoever_reads_slowly_slows_down_the_service() {
    let suite = Suite::start().await;
    let mut opened = opened(&suite);
    let sent = Arc::new(AtomicUsize::new(0));
    const BATCHES: usize = 200;
    let feed = {
        let sent = sent.clone();
        async move {
            let frames = opened.recv().await.unwrap();
            let head = header(&["x"], Some((BATCHES * 1000) as i64), None);
            frames.send(Frame::data(fake::frame(&head))).await.unwrap();
            let batch = fake::frame(&rows(1000));
            for _ in 0..BATCHES {
                frames.send(Frame::data(batch.clone())).await.unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
            }
            frames.send(Frame::trailers(fake::trailers(0))).await.unwrap();
        }
    };
    let feed = tokio::spawn(feed);
    let (_, mut body) = begin(&suite, "/project").await;
    // Whatever buffers there are fill up, and then it stands still.
    let still = async {
        let mut before = usize::MAX;
        let mut same = 0;
        while same < 20 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            let now = sent.load(Ordering::SeqCst);
            same = if now == before { same + 1 } else { 0 };
            before = now;
        }
        before
    };
    let held = soon(still).await;
    assert!(held < BATCHES / 2, "{held} MB were taken though nobody reads");
    let mut bytes = 0;
    while let Some(frame) = soon(body.frame()).await {
        bytes += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    assert!(bytes > BATCHES * 1000 * ROW);
    feed.await.unwrap();
}

/// A caller that leaves ends the read behind it.
#[tokio::test]
async fn who_leaves_reads_no_further() {
    let suite = Suite::start().await;
    let mut opened = opened(&suite);
    let feed = async {
        let frames = soon(opened.recv()).await.unwrap();
        push(&frames, &header(&["x"], None, None)).await;
        push(&frames, &rows(1100)).await;
        frames
    };
    let ((_, body), frames) = tokio::join!(begin(&suite, "/project"), feed);
    drop(body);
    soon(frames.closed()).await;
}
