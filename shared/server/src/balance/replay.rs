use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// What is kept of a request to send it again; one that is larger is sent once.
const MAX_KEPT_BYTES: usize = 64 * 1024;
const MAX_KEPT_FRAMES: usize = 64;

/// The body of a request, and what has been read of it as long as it may have to be sent again.
pub(super) struct Replay(Arc<Mutex<Kept>>);

struct Kept {
    body: Body,
    /// All that has been read of it, while it is `whole`.
    frames: Vec<Bytes>,
    bytes: usize,
    /// Whether what is read is kept.
    keeps: bool,
    whole: bool,
    ended: bool,
    /// Which sending of it is the one that counts.
    turn: usize,
}

/// One sending of a body.
pub(super) struct ReplayBody {
    kept: Arc<Mutex<Kept>>,
    turn: usize,
    /// Frames of what is kept that have been sent.
    sent: usize,
}

impl Replay {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Kept {
            body,
            frames: Vec::new(),
            bytes: 0,
            keeps: true,
            whole: true,
            ended: false,
            turn: 0,
        })))
    }

    /// The body from its beginning; what is left of an earlier sending ends.
    pub(super) fn body(&self) -> ReplayBody {
        let mut kept = lock(&self.0);
        kept.turn += 1;
        ReplayBody {
            kept: Arc::clone(&self.0),
            turn: kept.turn,
            sent: 0,
        }
    }

    /// Whether it can be sent from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        lock(&self.0).whole
    }

    /// It will not be sent again: what has been read needs not be kept any more.
    pub(super) fn release(&self) {
        let mut kept = lock(&self.0);
        kept.keeps = false;
        // A later sending may have some of it before it yet.
        if kept.turn <= 1 {
            kept.forget();
        }
    }
}

impl Kept {
    fn forget(&mut self) {
        self.keeps = false;
        self.whole = false;
        self.frames = Vec::new();
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else {
            return self.forget();
        };
        self.bytes += data.len();
        if self.bytes > MAX_KEPT_BYTES || self.frames.len() >= MAX_KEPT_FRAMES {
            return self.forget();
        }
        self.frames.push(data.clone());
    }
}

impl HttpBody for ReplayBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let mut kept = lock(&this.kept);
        if kept.turn != this.turn {
            return Poll::Ready(Some(Err(Status::cancelled("the request is sent again"))));
        }
        if let Some(frame) = kept.frames.get(this.sent) {
            this.sent += 1;
            return Poll::Ready(Some(Ok(Frame::data(frame.clone()))));
        }
        if kept.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut kept.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) if kept.keeps => {
                kept.keep(frame);
                this.sent += 1;
            }
            // What went by unkept is missing, and what failed has no end.
            Poll::Ready(Some(_)) => kept.forget(),
            Poll::Ready(None) => kept.ended = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let kept = lock(&self.kept);
        kept.turn == self.turn && self.sent >= kept.frames.len() && (kept.ended || kept.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let kept = lock(&self.kept);
        if kept.frames.is_empty() && !kept.ended {
            kept.body.size_hint()
        } else {
            SizeHint::default()
        }
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // Poisoned by a panic of the body, whose call has failed by that.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn of(pieces: Vec<Bytes>) -> Replay {
        let frames = futures::stream::iter(pieces).map(|piece| Ok::<_, Status>(Frame::data(piece)));
        Replay::new(Body::new(StreamBody::new(frames)))
    }

    fn pieces(count: usize, bytes: usize) -> Vec<Bytes> {
        (0..count).map(|it| vec![it as u8; bytes].into()).collect()
    }

    async fn next(body: &mut ReplayBody) -> Option<Result<Bytes, Status>> {
        Some(body.frame().await?.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn what_was_read_is_sent_again_and_then_the_rest() {
        let replay = of(pieces(3, 10));
        let mut first = replay.body();
        for piece in 0..2 {
            assert_eq!(next(&mut first).await.unwrap().unwrap(), vec![piece; 10]);
        }
        let mut second = replay.body();
        assert!(next(&mut first).await.unwrap().is_err(), "only one may read on");
        // The answer comes before the end of the request: the rest must follow all the same.
        assert_eq!(next(&mut second).await.unwrap().unwrap(), vec![0; 10]);
        replay.release();
        for piece in 1..3 {
            assert_eq!(next(&mut second).await.unwrap().unwrap(), vec![piece; 10]);
        }
        assert!(next(&mut second).await.is_none());
        assert!(!replay.is_whole(), "a piece went by after it was released");
    }

    #[tokio::test]
    async fn a_body_that_has_ended_is_sent_again() {
        let replay = of(pieces(1, 10));
        for _ in 0..3 {
            let collected = replay.body().collect().await.unwrap().to_bytes();
            assert_eq!(collected, vec![0; 10]);
            assert!(replay.is_whole());
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        for pieces in [pieces(2, MAX_KEPT_BYTES / 2 + 1), pieces(MAX_KEPT_FRAMES + 1, 1)] {
            let total: usize = pieces.iter().map(Bytes::len).sum();
            let replay = of(pieces);
            let mut body = replay.body();
            assert!(next(&mut body).await.is_some() && replay.is_whole());
            let rest = body.collect().await.unwrap().to_bytes();
            assert!(!replay.is_whole());
            assert!(rest.len() < total && lock(&replay.0).frames.is_empty());
        }
    }

    #[tokio::test]
    async fn a_body_that_fails_is_not_sent_again() {
        let frames = futures::stream::iter([Err::<Frame<Bytes>, _>(Status::cancelled("left"))]);
        let replay = Replay::new(Body::new(StreamBody::new(frames)));
        assert!(next(&mut replay.body()).await.unwrap().is_err());
        assert!(!replay.is_whole());
    }
}
