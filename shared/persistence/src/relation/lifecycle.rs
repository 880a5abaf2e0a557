//! How every resource is archived, restored and removed: the same rules, kept by the same lines.

/// Store functions of a relation's module, which has `find` and `lock` of its own.
///
/// Archiving what is archived and restoring what is not change nothing. ABORTED where `etag` is not that
/// of the present state. Restoring is ARCHIVED where something above is, and ALREADY_EXISTS where another
/// row has taken the name. Removing is HAS_CHILDREN where something is below that stays.
macro_rules! lifecycle {
    ($table:ident, $kind:literal, $row:ident, $archive:ident, $restore:ident, $delete:ident) => {
        impl crate::Database {
            #[doc = concat!("Takes a ", $kind, " out of use; it and what is below takes part in nothing.")]
            pub async fn $archive(
                &self,
                ctx: &datacovey_types::Ctx,
                id: uuid::Uuid,
                etag: &str,
                replay: Option<crate::Replay>,
            ) -> datacovey_error::Result<$row> {
                set_archived(self, ctx, id, true, etag, replay).await
            }

            #[doc = concat!("Puts an archived ", $kind, " into use again.")]
            pub async fn $restore(
                &self,
                ctx: &datacovey_types::Ctx,
                id: uuid::Uuid,
                etag: &str,
                replay: Option<crate::Replay>,
            ) -> datacovey_error::Result<$row> {
                set_archived(self, ctx, id, false, etag, replay).await
            }

            #[doc = concat!("Removes a ", $kind, " for good; with `force` everything below it, files included.")]
            pub async fn $delete(
                &self,
                ctx: &datacovey_types::Ctx,
                id: uuid::Uuid,
                etag: &str,
                force: bool,
                replay: Option<crate::Replay>,
            ) -> datacovey_error::Result<()> {
                self.transaction(ctx, async |conn| {
                    if crate::Replay::begin(replay.as_ref(), ctx, id, conn).await?.is_some() {
                        return Ok(());
                    }
                    let row = lock(id, conn).await?;
                    datacovey_list::check_etag(etag, &row, $kind, id)?;
                    crate::door::purge::purge($kind, id, force, conn).await
                })
                .await
            }
        }

        async fn set_archived(
            database: &crate::Database,
            ctx: &datacovey_types::Ctx,
            id: uuid::Uuid,
            archived: bool,
            etag: &str,
            replay: Option<crate::Replay>,
        ) -> datacovey_error::Result<$row> {
            database
                .transaction(ctx, async |conn| {
                    if let Some(first) = crate::Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                        return find(first, conn).await;
                    }
                    let row = lock(id, conn).await?;
                    datacovey_list::check_etag(etag, &row, $kind, id)?;
                    if row.archived_at.is_some() == archived {
                        return Ok(row);
                    }
                    let at = archived.then(crate::utc_now);
                    let row = diesel::update($table::table.find(id))
                        .set($table::archived_at.eq(at))
                        .returning($row::as_returning())
                        .get_result(conn)
                        .await?;
                    Ok(row)
                })
                .await
        }
    };
}

pub(super) use lifecycle;
