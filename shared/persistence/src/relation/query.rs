//! Queries: SQL that may be run.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_list::{Page, Paging};
use datacovey_types::{Ctx, new_id};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::query;
use crate::{Conn, Database};

/// A query.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = query, check_for_backend(diesel::pg::Pg))]
pub struct QueryRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub project_id: Uuid,
    pub query_text: String,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

#[derive(Clone, Debug)]
pub struct NewQuery {
    pub project_id: Uuid,
    pub query_text: String,
}

impl Database {
    /// Creates a query of the caller's tenant. NOT_FOUND for a project that the caller does not see,
    /// PERMISSION_DENIED where its tenant may not query it, FAILED_PRECONDITION where it is archived.
    pub async fn query_create(&self, ctx: &Ctx, new: NewQuery, replay: Option<Replay>) -> Result<QueryRow> {
        let id = new_id();
        self.transaction(ctx, async |conn| {
            match Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                Some(first) => find(first, conn).await,
                None => insert(ctx, id, new.clone(), conn).await,
            }
        })
        .await
    }

    /// NOT_FOUND where there is no such query of the caller's tenant.
    pub async fn query_get(&self, ctx: &Ctx, id: Uuid) -> Result<QueryRow> {
        let statement = query::table.find(id).select(QueryRow::as_select());
        answer(self.fetch_one(ctx, statement).await.or_not_found("query", id))
    }

    /// The queries of the caller's tenant, of one project or all, by id.
    pub async fn query_list(
        &self,
        ctx: &Ctx,
        project_id: Option<Uuid>,
        show_archived: bool,
        paging: &Paging<Uuid>,
    ) -> Result<Page<QueryRow>> {
        let of_all = project_id.is_none().into_sql::<Bool>();
        let statement = query::table
            .filter(query::tenant_id.eq(ctx.tenant_id()))
            .filter(query::project_id.eq(project_id.unwrap_or_default()).or(of_all))
            .filter(query::archived_at.is_null().or(show_archived.into_sql::<Bool>()))
            // No id that we or a client choose is the nil id.
            .filter(query::id.gt(paging.after.unwrap_or_default()))
            .order(query::id)
            .limit(paging.limit())
            .select(QueryRow::as_select());
        paging.page(answer(self.fetch(ctx, statement).await)?, |row| row.id)
    }
}

pub(super) async fn insert(
    ctx: &Ctx,
    id: Uuid,
    new: NewQuery,
    conn: &mut Conn<'_>,
) -> Result<QueryRow, Failure> {
    let row = diesel::insert_into(query::table)
        .values((
            query::id.eq(id),
            query::tenant_id.eq(ctx.tenant_id()),
            query::project_id.eq(new.project_id),
            query::query_text.eq(new.query_text),
        ))
        .returning(QueryRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row)
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<QueryRow, Failure> {
    query::table
        .find(id)
        .select(QueryRow::as_select())
        .first(conn)
        .await
        .or_not_found("query", id)
}
