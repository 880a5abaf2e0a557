//! Which request made which resource, written in the transaction that made it.

use datacovey_error::{Error, ErrorReason, Result, Violations};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::failure::Failure;
use crate::schema::idempotency;
use crate::{Conn, Database};

/// The idempotency key of a request: a repeat of it answers with the same resource.
///
/// The sweep forgets a key after 24 hours; after that a repeat is a request like any other.
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
        loop {
            if replay.insert(ctx, resource_id, conn).await? == 1 {
                return Ok(None);
            }
            // None where the sweep has forgotten the first run between the two statements.
            if let Some((method, request_hash, first)) = replay.first(ctx, conn).await? {
                return replay.check(&method, &request_hash).map(|()| Some(first));
            }
        }
    }

    async fn insert(&self, ctx: &Ctx, resource_id: Uuid, conn: &mut Conn<'_>) -> Result<usize, Failure> {
        let inserted = diesel::insert_into(idempotency::table)
            .values((
                idempotency::tenant_id.eq(ctx.tenant_id()),
                idempotency::request_id.eq(self.request_id.clone()),
                idempotency::method.eq(self.method),
                idempotency::request_hash.eq(self.request_hash.clone()),
                idempotency::resource_id.eq(resource_id),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
        Ok(inserted)
    }

    async fn first(
        &self,
        ctx: &Ctx,
        conn: &mut Conn<'_>,
    ) -> Result<Option<(String, Vec<u8>, Uuid)>, Failure> {
        let first = idempotency::table
            .find((ctx.tenant_id(), self.request_id.clone()))
            .select((
                idempotency::method,
                idempotency::request_hash,
                idempotency::resource_id,
            ))
            .first(conn)
            .await
            .optional()?;
        Ok(first)
    }

    fn check(&self, method: &str, request_hash: &[u8]) -> Result<(), Failure> {
        if method == self.method && request_hash == self.request_hash {
            return Ok(());
        }
        let message = format!(
            "the request_id \"{}\" was used for another request",
            self.request_id
        );
        Err(Error::precondition(ErrorReason::WrongState, message).into())
    }
}

impl Database {
    /// The resource of the first run where this request is a repeat.
    ///
    /// FAILED_PRECONDITION where the key was used for another request.
    pub async fn replayed(&self, ctx: &Ctx, replay: Option<&Replay>) -> Result<Option<Uuid>> {
        let Some(replay) = replay else { return Ok(None) };
        self.transaction(ctx, async |conn| match replay.first(ctx, conn).await? {
            Some((method, request_hash, first)) => replay.check(&method, &request_hash).map(|()| Some(first)),
            None => Ok(None),
        })
        .await
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
