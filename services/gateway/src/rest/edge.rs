//! The outermost of the REST API: browsers' questions, and what the layers refuse in its words.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_rest::{Origins, add_cors, preflight};
use datacovey_server::{REQUEST_ID, Refusal};
use http::Method;
use http::header::RETRY_AFTER;

use super::{answer, owns, refusal};

/// Whose pages may call.
pub(crate) type Edge = std::sync::Arc<Origins>;

/// Answers preflights before anybody is asked who calls, and makes of every answer one that the original's
/// clients understand; requests that are not of the REST API pass.
pub(crate) async fn layer(State(origins): State<Edge>, request: Request, next: Next) -> Response {
    if !owns(&request) {
        return next.run(request).await;
    }
    if let Some(answer) = preflight(request.method(), request.headers(), &origins) {
        return answer::whole(answer);
    }
    let is_head = request.method() == Method::HEAD;
    let asked = request.headers().clone();
    let mut response = next.run(request).await;
    if let Some(Refusal(error)) = response.extensions_mut().remove() {
        let name = response.headers().get(REQUEST_ID).cloned();
        let request_id = name.as_ref().and_then(|it| it.to_str().ok()).unwrap_or_default();
        let worded = refusal::in_words_of_rest(&error, request_id).answer(is_head);
        let retry_after = response.headers().get(RETRY_AFTER).cloned();
        response = answer::whole(worded);
        let headers = response.headers_mut();
        if let Some(name) = name {
            headers.insert(REQUEST_ID, name);
        }
        if let Some(retry_after) = retry_after {
            headers.insert(RETRY_AFTER, retry_after);
        }
    }
    add_cors(&asked, &origins, response.headers_mut());
    response
}
