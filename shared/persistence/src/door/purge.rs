use diesel::sql_types::{Bool, Integer, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::door;
use crate::Conn;
use crate::failure::Failure;

door! {
    /// Answers nothing but that it is done.
    Purge { kind: &'static str => Text, id: Uuid => SqlUuid, force: bool => Bool }
    "SELECT 1 FROM (SELECT purge(" .. ")) AS done" -> Integer
}

/// Removes a row of the caller's tenant for good; with `force` everything below it, files included.
///
/// `kind` is the relation's name. NOT_FOUND where the row is not the caller's, HAS_CHILDREN where
/// something is below it that stays.
pub(crate) async fn purge(
    kind: &'static str,
    id: Uuid,
    force: bool,
    conn: &mut Conn<'_>,
) -> Result<(), Failure> {
    Purge { kind, id, force }.get_result::<i32>(conn).await?;
    Ok(())
}
