use std::sync::{Arc, OnceLock};
use std::time::Instant;

use datacovey_auth::InternalCaller;
use datacovey_error::Error;
use datacovey_types::{Ctx, Principal};

/// What is known of a call before its caller is: its name in the logs, and until when to answer.
#[derive(Clone, Debug)]
pub struct CallContext {
    pub request_id: Arc<str>,
    pub deadline: Option<Instant>,
}

/// Filled in by the authentication for the layers outside of it, which write the access log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who(pub(crate) Arc<OnceLock<Principal>>);

/// The context of a call: the first movement of every handler.
///
/// UNAUTHENTICATED for a service that speaks for itself where a user is needed.
pub fn ctx<T>(request: &tonic::Request<T>) -> Result<Ctx, Error> {
    request
        .extensions()
        .get::<Ctx>()
        .cloned()
        .ok_or_else(|| Error::credentials_invalid("the credentials name no user, and this call needs one"))
}

/// What is known of a call that may have no user.
#[must_use]
pub fn call_context<T>(request: &tonic::Request<T>) -> CallContext {
    let known = request.extensions().get::<CallContext>().cloned();
    known.unwrap_or_else(|| CallContext {
        request_id: "".into(),
        deadline: None,
    })
}

/// The service that calls, for methods of `datacovey.internal.*`.
pub fn internal_caller<T>(request: &tonic::Request<T>) -> Result<InternalCaller, Error> {
    request
        .extensions()
        .get::<InternalCaller>()
        .cloned()
        .ok_or_else(|| Error::credentials_invalid("only services of the suite may call this"))
}
