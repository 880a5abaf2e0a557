//! What changes carry beside their values: the idempotency key.

use datacovey_error::Violations;
use datacovey_persistence::Replay;
use prost::Message;

const MAX_REQUEST_ID: usize = 64;

/// The key under which a repeat of the request is answered with the same resource; none if the
/// caller sent no `request_id`.
pub(super) fn replay(
    method: &'static str,
    request_id: &str,
    request: &impl Message,
    violations: &mut Violations,
) -> Option<Replay> {
    if request_id.is_empty() {
        return None;
    }
    if request_id.len() > MAX_REQUEST_ID || !request_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        violations.add(
            "request_id",
            format!("must have at most {MAX_REQUEST_ID} printable ASCII characters"),
        );
        return None;
    }
    Some(Replay::new(method, request_id, &request.encode_to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_printable() {
        let mut violations = Violations::new();
        assert!(replay("M", "", &(), &mut violations).is_none());
        assert!(replay("M", "a-1", &(), &mut violations).is_some());
        assert!(violations.is_empty());
        assert!(replay("M", &"a".repeat(65), &(), &mut violations).is_none());
        assert!(replay("M", "a b", &(), &mut violations).is_none());
        assert_eq!(violations.into_vec().len(), 2);
    }
}
