//! An upstream that runs as several processes, one of which goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use http_body::Frame;
use tonic::Code;

use crate::fake::{Fake, frame_bytes, streamed, unary};
use crate::suite::{ANSWERS, Reply, Suite, UNARY, one_message, soon};

/// Counts the calls that it answers.
fn counted(fake: &Fake, path: &'static str) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    fake.answer(path, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { unary(&()) })
    });
    calls
}

#[tokio::test]
async fn calls_are_spread_and_the_loss_of_a_process_costs_no_reading() {
    let other = Fake::start().await;
    let suite = Suite::start_beside(&[&other]).await;
    let (of_one, of_other) = (counted(&suite.query, UNARY), counted(&other, UNARY));
    let spread = async {
        while of_one.load(Ordering::SeqCst) == 0 || of_other.load(Ordering::SeqCst) == 0 {
            assert_eq!(suite.call(suite.request(UNARY)).await.status.code(), Code::Ok);
        }
    };
    soon(spread).await;

    let answered = AtomicUsize::new(0);
    let worker = async || {
        for _ in 0..50 {
            let reply = suite.call(suite.request(UNARY)).await;
            assert_eq!(reply.status.code(), Code::Ok, "{reply:?}");
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    let killer = async {
        while answered.load(Ordering::SeqCst) < 50 {
            tokio::task::yield_now().await;
        }
        other.stop().await;
        of_other.load(Ordering::SeqCst)
    };
    let (_, at_the_kill) = soon(futures::future::join(join_all((0..4).map(|_| worker())), killer)).await;
    assert_eq!(of_other.load(Ordering::SeqCst), at_the_kill);
    assert_eq!(answered.load(Ordering::SeqCst), 200);
}

/// What has begun is not begun again: whoever reads would get it twice.
#[tokio::test]
async fn an_answer_that_has_begun_ends_with_its_process() {
    let other = Fake::start().await;
    let suite = Suite::start_beside(&[&other]).await;
    let begun = Arc::new(AtomicUsize::new(0));
    for fake in [&suite.query, &other] {
        let begun = begun.clone();
        fake.answer(ANSWERS, move |_| {
            let begun = begun.clone();
            Box::pin(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                let (frames, answer) = streamed();
                frames.send(Frame::data(frame_bytes(b"first"))).await.unwrap();
                tokio::spawn(async move { frames.closed().await });
                answer
            })
        });
    }
    let response = suite
        .send(suite.request(ANSWERS).body(one_message()).unwrap())
        .await;
    suite.query.stop().await;
    other.stop().await;
    let reply = soon(Reply::read(response)).await;
    reply.expect(Code::Unavailable, "UNAVAILABLE");
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}
