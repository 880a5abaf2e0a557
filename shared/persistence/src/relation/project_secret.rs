//! The sealed secrets of projects, for the worker of imports alone.

use datacovey_error::{Error, Result};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::failure::{Failure, OrNotFound as _};
use crate::schema::{dataset, project, project_secret, table_};
use crate::{Conn, Database};

/// A secret as the database keeps it: without the operator's key nobody can use it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = project_secret, check_for_backend(diesel::pg::Pg))]
pub struct SealedSecret {
    pub sealed: Vec<u8>,
    /// Names the secret: 16 hexadecimal digits.
    pub fingerprint: String,
}

impl Database {
    /// The project that a table is in, and its secret, if it has one already.
    ///
    /// NOT_FOUND where the table is not the caller's to see, FAILED_PRECONDITION where the caller takes no part
    /// in the project any more.
    pub async fn project_secret_of_table(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
    ) -> Result<(Uuid, Option<SealedSecret>)> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            table_::table
                .find(table_id)
                .select(table_::id)
                .first::<Uuid>(conn)
                .await
                .or_not_found("table", table_id)?;
            let in_sight = table_::table
                .inner_join(dataset::table.on(dataset::id.eq(table_::dataset_id)))
                .inner_join(project::table.on(project::id.eq(dataset::project_id)))
                .filter(table_::id.eq(table_id))
                .select(project::id);
            let project_id = in_sight.first::<Uuid>(conn).await.optional()?.ok_or_else(|| {
                Error::wrong_state(
                    "the organization takes no part any more in the project that the table is in",
                )
            })?;
            Ok((project_id, found(project_id, conn).await?))
        })
        .await
    }

    /// Keeps a secret for a project that had none, and gives back the one that counts: of several that are
    /// made at once the first.
    pub async fn project_secret_keep(
        &self,
        ctx: &Ctx,
        project_id: Uuid,
        made: &SealedSecret,
    ) -> Result<SealedSecret> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            diesel::insert_into(project_secret::table)
                .values((
                    project_secret::project_id.eq(project_id),
                    project_secret::sealed.eq(&made.sealed),
                    project_secret::fingerprint.eq(&made.fingerprint),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            // Another one's, if there is, is committed by now.
            let kept = found(project_id, conn).await?;
            kept.ok_or_else(|| Error::internal("a secret that was kept is not there").into())
        })
        .await
    }
}

async fn found(project_id: Uuid, conn: &mut Conn<'_>) -> Result<Option<SealedSecret>, Failure> {
    let one = project_secret::table
        .find(project_id)
        .select(SealedSecret::as_select());
    Ok(one.first(conn).await.optional()?)
}
