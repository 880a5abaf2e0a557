use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_error::Error;

use super::{Shared, is_public};
use crate::frames::{Held, watched};
use crate::reply::{is_grpc, refusal};

/// Answers at once that there are too many calls, rather than let all of them become slow.
pub(super) async fn layer(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if is_public(request.uri().path()) {
        return next.run(request).await;
    }
    match Arc::clone(&shared.calls).try_acquire_owned() {
        Ok(permit) => watched(next.run(request).await, Held(permit)),
        Err(_) => {
            let error = Error::overloaded("the service has as many calls as it can serve; retry later");
            refusal(is_grpc(&request), error)
        }
    }
}
