use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use super::observe::observe_outside;
use super::request_id::{REQUEST_ID, begin, name_reply};

/// Gives what is answered outside of the layers, as a preflight or in refusal of another protocol, the name
/// and the line in the access log that all else has.
pub(super) async fn layer(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let mut head = Request::new(Body::empty());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    if let Some(name) = request.headers().get(REQUEST_ID) {
        head.headers_mut().insert(REQUEST_ID, name.clone());
    }
    let response = next.run(request).await;
    // What has a name has passed the layers, and is in the log.
    if response.headers().contains_key(REQUEST_ID) {
        return response;
    }
    let (request_id, span) = begin(shared.service, &mut head);
    let mut response = span.in_scope(|| observe_outside(shared.service, &head, begun, response));
    name_reply(&mut response, &request_id);
    response
}
