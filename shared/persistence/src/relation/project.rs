//! Projects. The exemplar of a relation's module: row, new row, changes, and store functions that
//! name the resource first, take the context first and run one transaction.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Field, Fields, Kind, Listing, Page, check_etag};
use datacovey_types::{Ctx, new_id};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use super::lifecycle::lifecycle;
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::{project, project_participant};
use crate::{Conn, Database, listing};

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = project, check_for_backend(diesel::pg::Pg))]
pub struct ProjectRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

#[derive(Clone, Debug)]
pub struct NewProject {
    pub name: String,
    pub description: Option<String>,
}

/// What to change; none leaves a column as it is, a description of `Some(None)` is cleared.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = project)]
pub struct ProjectChanges {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
}

/// What lists of projects are filtered and ordered by.
pub const PROJECT_FIELDS: Fields = Fields {
    relation: "project",
    all: &[
        ID,
        Field::new("tenant_id", Kind::Id),
        Field::new("name", Kind::Text),
        Field::optional("description", Kind::Text),
        Field::optional("created_at", Kind::Time),
        Field::optional("archived_at", Kind::Time),
    ],
    sortable: &["id", "name", "created_at"],
    key: ID,
};
const ID: Field = Field::new("id", Kind::Id);

lifecycle!(
    project,
    "project",
    ProjectRow,
    project_archive,
    project_restore,
    project_delete
);

impl Database {
    /// Creates a project of the caller's tenant. The database makes the tenant its first participant.
    pub async fn project_create(
        &self,
        ctx: &Ctx,
        new: NewProject,
        replay: Option<Replay>,
    ) -> Result<ProjectRow> {
        let id = new_id();
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = diesel::insert_into(project::table)
                .values((
                    project::id.eq(id),
                    project::tenant_id.eq(ctx.tenant_id()),
                    project::name.eq(new.name.clone()),
                    project::description.eq(new.description.clone()),
                ))
                .returning(ProjectRow::as_returning())
                .get_result(conn)
                .await?;
            Ok(row)
        })
        .await
    }

    /// NOT_FOUND where the project is not there or not the caller's to see.
    pub async fn project_get(&self, ctx: &Ctx, id: Uuid) -> Result<ProjectRow> {
        let query = project::table.find(id).select(ProjectRow::as_select());
        answer(self.fetch_one(ctx, query).await.or_not_found("project", id))
    }

    /// The projects that the caller's tenant takes part in.
    pub async fn project_list(
        &self,
        ctx: &Ctx,
        show_archived: bool,
        listing: &Listing,
    ) -> Result<Page<ProjectRow>> {
        // By way of the participants: their index names the tenant's, and the owner is one of them.
        let query = project_participant::table
            .inner_join(project::table.on(project::id.eq(project_participant::project_id)))
            .filter(project_participant::tenant_id.eq(ctx.tenant_id()))
            .filter(project_participant::is_active)
            .filter(
                project::archived_at
                    .is_null()
                    .or(show_archived.into_sql::<diesel::sql_types::Bool>()),
            )
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit())
            .select(ProjectRow::as_select());
        listing.page(answer(self.fetch(ctx, query).await)?)
    }

    /// Changes a project of the caller's tenant. ABORTED where `etag` is not that of its present state.
    pub async fn project_update(
        &self,
        ctx: &Ctx,
        id: Uuid,
        etag: &str,
        changes: ProjectChanges,
        replay: Option<Replay>,
    ) -> Result<ProjectRow> {
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = lock(id, conn).await?;
            check_etag(etag, &row, "project", id)?;
            if changes.name.is_none() && changes.description.is_none() {
                return Ok(row);
            }
            let row = diesel::update(project::table.find(id))
                .set(changes.clone())
                .returning(ProjectRow::as_returning())
                .get_result(conn)
                .await?;
            Ok(row)
        })
        .await
    }
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<ProjectRow, Failure> {
    project::table
        .find(id)
        .select(ProjectRow::as_select())
        .first(conn)
        .await
        .or_not_found("project", id)
}

/// The row, locked for a change. One that the caller sees and does not own is PERMISSION_DENIED.
async fn lock(id: Uuid, conn: &mut Conn<'_>) -> Result<ProjectRow, Failure> {
    let own = project::table
        .find(id)
        .select(ProjectRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await;
    match own.optional()? {
        Some(row) => Ok(row),
        // Row-level security hides from a lock what the caller may not change.
        None => {
            find(id, conn).await?;
            Err(Error::permission_denied("the project belongs to another tenant").into())
        }
    }
}
