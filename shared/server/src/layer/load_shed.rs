use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_error::Error;
use tokio::sync::OwnedSemaphorePermit;

use super::{Shared, is_public};
use crate::reply::{is_grpc, refusal};

/// What a call takes of the server. The next layer holds it, which knows when the call is over,
/// even where nobody reads its reply.
#[derive(Clone)]
pub(super) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Answers at once that there are too many calls, rather than let all of them become slow.
///
/// Calls of nobody in particular have places of their own: they keep no user out, and no number
/// of users keeps a probe out.
pub(super) async fn layer(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let places = if is_public(request.uri().path()) {
        shared.public_calls
    } else {
        shared.calls
    };
    let Ok(permit) = places.try_acquire_owned() else {
        let error = Error::overloaded("the service has as many calls as it can serve; retry later");
        return refusal(is_grpc(&request), error);
    };
    let _permit = Arc::new(permit);
    request.extensions_mut().insert(Place { _permit });
    next.run(request).await
}
