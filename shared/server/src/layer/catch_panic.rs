use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_error::Error;
use futures::FutureExt as _;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tonic::Status;

use super::Shared;
use crate::frames::{Polled, Watch, watched};
use crate::reply::{is_grpc, panic_text, refusal, write_status};

/// Turns a panic, of a handler or of the stream it answers with, into an INTERNAL error of that
/// one call.
pub(super) async fn layer(State(_): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let grpc = is_grpc(&request);
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => watched(response, CatchPanic { grpc, over: false }),
        Err(panic) => refusal(grpc, error_of(panic.as_ref())),
    }
}

struct CatchPanic {
    grpc: bool,
    over: bool,
}

impl Watch for CatchPanic {
    fn poll(&mut self, body: Pin<&mut Body>, cx: &mut Context<'_>) -> Polled {
        if self.over {
            return Poll::Ready(None);
        }
        let panic = match catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx))) {
            Ok(polled) => return polled,
            Err(panic) => panic,
        };
        self.over = true;
        let error = error_of(panic.as_ref());
        if !self.grpc {
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        let mut trailers = HeaderMap::new();
        write_status(&mut trailers, &Status::from(error));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

/// What the panic said is a cause, for the log only.
fn error_of(panic: &(dyn Any + Send)) -> Error {
    Error::internal(format!("panic: {}", panic_text(panic)))
}
