//! What changes carry beside their values: the row meant, its state, the idempotency key.

use datacovey_error::{Result, Violations};
use datacovey_persistence::Replay;
use prost::Message;
use uuid::Uuid;

use super::field;

/// The key under which a repeat of the request is answered with the same resource; none if the
/// caller sent no `request_id`.
pub(super) fn replay(
    method: &'static str,
    request_id: &str,
    request: &impl Message,
    violations: &mut Violations,
) -> Option<Replay> {
    Replay::read(method, request_id, &request.encode_to_vec(), violations)
}

/// The row that a request without values is about.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: Uuid,
    /// Of the state that the caller saw; empty for any.
    pub(super) etag: String,
    pub(super) replay: Option<Replay>,
}

/// Reads a request that names a row in `field` and holds nothing else but `etag` and `request_id`.
pub(super) fn target(
    method: &'static str,
    (field, id): (&str, &str),
    etag: &str,
    request_id: &str,
    request: &impl Message,
) -> Result<Target> {
    let mut violations = Violations::new();
    let replay = replay(method, request_id, request, &mut violations);
    let id = field::id(field, id, &mut violations);
    field::finish(
        violations,
        id.map(|id| Target {
            id,
            etag: etag.to_owned(),
            replay,
        }),
    )
}
