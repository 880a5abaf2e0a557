//! Which request made which resource, written in the transaction that made it.

use datacovey_error::{Error, ErrorReason, Violations};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::Conn;
use crate::failure::Failure;
use crate::schema::idempotency;

/// The idempotency key of a request: a repeat of it answers with the same resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    method: &'static str,
    request_id: String,
    request_hash: Vec<u8>,
}

/// Longest key, in characters.
const MAX_KEY: usize = 64;

impl Replay {
    /// Reads the key that a request brings; none where it is empty, or noted as wrong.
    pub fn read(
        method: &'static str,
        request_id: &str,
        request: &[u8],
        violations: &mut Violations,
    ) -> Option<Self> {
        if request_id.is_empty() {
            return None;
        }
        if request_id.len() > MAX_KEY || !request_id.bytes().all(|it| it.is_ascii_graphic()) {
            let rule = format!(
                "must be at most {MAX_KEY} printable ASCII characters without blanks; a UUID is recommended"
            );
            violations.add("request_id", rule);
            return None;
        }
        Some(Self::new(method, request_id, request))
    }

    /// `request` is the whole request as it was sent; the same key with another request is refused.
    #[must_use]
    pub fn new(method: &'static str, request_id: impl Into<String>, request: &[u8]) -> Self {
        Self {
            method,
            request_id: request_id.into(),
            request_hash: Sha256::digest(request).to_vec(),
        }
    }

    /// Notes that the request makes or changes `resource_id`. Answers the resource of the first run
    /// where this is a repeat: then nothing is to be done but to read it.
    ///
    /// A repeat that comes while the first run is under way waits for its end.
    pub(crate) async fn begin(
        replay: Option<&Self>,
        ctx: &Ctx,
        resource_id: Uuid,
        conn: &mut Conn<'_>,
    ) -> Result<Option<Uuid>, Failure> {
        let Some(replay) = replay else { return Ok(None) };
        let inserted = diesel::insert_into(idempotency::table)
            .values((
                idempotency::tenant_id.eq(ctx.tenant_id()),
                idempotency::request_id.eq(replay.request_id.clone()),
                idempotency::method.eq(replay.method),
                idempotency::request_hash.eq(replay.request_hash.clone()),
                idempotency::resource_id.eq(resource_id),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
        if inserted == 1 {
            return Ok(None);
        }
        let (method, request_hash, first) = idempotency::table
            .find((ctx.tenant_id(), replay.request_id.clone()))
            .select((
                idempotency::method,
                idempotency::request_hash,
                idempotency::resource_id,
            ))
            .first::<(String, Vec<u8>, Uuid)>(conn)
            .await?;
        if method != replay.method || request_hash != replay.request_hash {
            let message = format!(
                "the request_id \"{}\" was used for another request",
                replay.request_id
            );
            return Err(Error::precondition(ErrorReason::WrongState, message).into());
        }
        Ok(Some(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_printable() {
        let mut violations = Violations::new();
        let mut read = |key: &str| Replay::read("Method", key, b"", &mut violations);
        assert_eq!(read(""), None);
        assert_eq!(read("7f-1"), Some(Replay::new("Method", "7f-1", b"")));
        for bad in ["a b", "ü", "a\0", &"x".repeat(65)] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(violations.into_vec().len(), 4);
    }
}
