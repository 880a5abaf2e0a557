//! Queries: SQL that may be run.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_list::{Field, Fields, Kind, Listing, Page, check_etag};
use datacovey_types::{Ctx, new_id};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use super::lifecycle::lifecycle;
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::query;
use crate::{Conn, Database, listing};

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

/// What to change; none leaves a column as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = query)]
pub struct QueryChanges {
    pub query_text: Option<String>,
}

/// What lists of queries are filtered and ordered by.
pub const QUERY_FIELDS: Fields = Fields {
    relation: "query",
    all: &[
        ID,
        Field::new("project_id", Kind::Id),
        Field::new("query_text", Kind::Text),
        Field::optional("created_at", Kind::Time),
        Field::optional("archived_at", Kind::Time),
    ],
    sortable: &["id", "created_at"],
    key: ID,
};
const ID: Field = Field::new("id", Kind::Id);

lifecycle!(
    query,
    "query",
    QueryRow,
    query_archive,
    query_restore,
    query_delete
);

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

    /// The queries of the caller's tenant, of one project or all.
    pub async fn query_list(
        &self,
        ctx: &Ctx,
        project_id: Option<Uuid>,
        show_archived: bool,
        listing: &Listing,
    ) -> Result<Page<QueryRow>> {
        let of_all = project_id.is_none().into_sql::<Bool>();
        let statement = query::table
            .filter(query::tenant_id.eq(ctx.tenant_id()))
            .filter(query::project_id.eq(project_id.unwrap_or_default()).or(of_all))
            .filter(query::archived_at.is_null().or(show_archived.into_sql::<Bool>()))
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit())
            .select(QueryRow::as_select());
        listing.page_within(answer(self.fetch(ctx, statement).await)?, |row| {
            row.query_text.len()
        })
    }

    /// Changes a query of the caller's tenant; its jobs keep the text that they ran. ABORTED where `etag`
    /// is not that of its present state.
    pub async fn query_update(
        &self,
        ctx: &Ctx,
        id: Uuid,
        etag: &str,
        changes: QueryChanges,
        replay: Option<Replay>,
    ) -> Result<QueryRow> {
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = lock(id, conn).await?;
            check_etag(etag, &row, "query", id)?;
            if changes == QueryChanges::default() {
                return Ok(row);
            }
            let row = diesel::update(query::table.find(id))
                .set(changes.clone())
                .returning(QueryRow::as_returning())
                .get_result(conn)
                .await?;
            Ok(row)
        })
        .await
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

/// Who sees a query may lock it: its tenant.
async fn lock(id: Uuid, conn: &mut Conn<'_>) -> Result<QueryRow, Failure> {
    let query = query::table
        .find(id)
        .select(QueryRow::as_select())
        .for_no_key_update();
    query.first(conn).await.or_not_found("query", id)
}
