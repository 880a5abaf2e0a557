//! What changes carry beside their values: the idempotency key.

use datacovey_error::Violations;
use datacovey_persistence::Replay;
use prost::Message;

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
