//! The layers that every call passes, each a function from a call to its reply.

mod authentication;
mod catch_panic;
mod deadline;
mod load_shed;
mod observe;
mod request_id;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::sync::Semaphore;

pub use authentication::Authentication;
pub use deadline::{GRPC_TIMEOUT, write as write_timeout};
pub use request_id::REQUEST_ID;

/// What the layers of one server share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) service: &'static str,
    pub(crate) authentication: Arc<Authentication>,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) max_call: Duration,
}

/// The layers, outermost first. Each relies on those before it: whatever happens inside is
/// logged under a request id; a panic is caught before it can take the access log with it; a call
/// that is shed costs no deadline and no verification; and a caller whose verification hangs
/// still gets an answer in time.
pub const LAYERS: [&str; 6] = [
    "request id and trace",
    "access log, metrics, error log",
    "catch panic",
    "load shed",
    "deadline",
    "authentication",
];

type Add = fn(Router, &Shared) -> Router;

/// What each name in [`LAYERS`] stands for, in the same order.
const ADD: [Add; LAYERS.len()] = [
    |routes, shared| routes.layer(from_fn_with_state(shared.clone(), request_id::layer)),
    |routes, shared| routes.layer(from_fn_with_state(shared.clone(), observe::layer)),
    |routes, shared| routes.layer(from_fn_with_state(shared.clone(), catch_panic::layer)),
    |routes, shared| routes.layer(from_fn_with_state(shared.clone(), load_shed::layer)),
    |routes, shared| routes.layer(from_fn_with_state(shared.clone(), deadline::layer)),
    |routes, shared| routes.layer(from_fn_with_state(shared.clone(), authentication::layer)),
];

/// The routes within all layers.
pub(crate) fn within_layers(routes: Router, shared: &Shared) -> Router {
    ADD.iter().rev().fold(routes, |inner, add| add(inner, shared))
}

/// Health and reflection answer everybody, always: a probe has no token, and under load it must
/// not be told that the service is dead.
fn is_public(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/") || path.starts_with("/grpc.reflection.")
}
