//! The layers that every call passes, each a function from a call to its reply.

mod adaptive;
mod authentication;
mod catch_panic;
mod deadline;
mod load_shed;
mod observe;
mod outside;
mod protocol;
mod rate_limit;
mod request_id;
mod strangers;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

pub use authentication::Authentication;
pub use deadline::{GRPC_TIMEOUT, read as read_timeout, write as write_timeout};
pub(crate) use load_shed::{Connection, MAX_PUBLIC_CALLS, Places};
pub(crate) use rate_limit::{FORGET_EVERY, Tenants};
pub use request_id::REQUEST_ID;

/// What the layers of one server share.
pub(crate) struct Shared {
    pub(crate) service: &'static str,
    pub(crate) authentication: Arc<Authentication>,
    pub(crate) places: Arc<Places>,
    /// None where tenants are not limited.
    pub(crate) tenants: Option<Arc<Tenants>>,
    pub(crate) max_call: Duration,
    /// Cancelled when the server waits only for the calls that run.
    pub(crate) leaving: CancellationToken,
}

/// The routes within all layers.
///
/// The layers, outermost first. Each relies on those before it: whatever happens inside is logged under a request
/// id; a panic is caught before it can take the access log with it; a call that is shed costs no deadline and no
/// verification; a caller whose verification hangs still gets an answer in time; and whose call it is, is known
/// before its tenant's calls are counted.
///
/// They are added as one: of layers that are added each by itself, every call copies all that are within each.
pub(crate) fn within_layers(routes: Router, shared: &Arc<Shared>) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(shared.clone(), request_id::layer))
            .layer(from_fn_with_state(shared.clone(), observe::layer))
            .layer(from_fn_with_state(shared.clone(), catch_panic::layer))
            .layer(from_fn(protocol::layer))
            .layer(from_fn_with_state(shared.clone(), load_shed::layer))
            .layer(from_fn_with_state(shared.clone(), deadline::layer))
            .layer(from_fn_with_state(shared.clone(), authentication::layer))
            .layer(from_fn_with_state(shared.clone(), rate_limit::layer)),
    )
}

/// What wraps the layers, within the one that tells of what it answers by itself.
pub(crate) fn within_outside(routes: Router, shared: &Arc<Shared>) -> Router {
    routes.layer(from_fn_with_state(shared.clone(), outside::layer))
}

/// Health and reflection answer everybody, always: a probe has no token, and under load it must
/// not be told that the service is dead.
fn is_public(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/") || path.starts_with("/grpc.reflection.")
}
