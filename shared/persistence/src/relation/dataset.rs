//! Datasets: tables of a project, under a name.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Field, Fields, Kind, Listing, Page, check_etag};
use datacovey_types::{Ctx, new_id};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use super::lifecycle::lifecycle;
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::{dataset, project_participant};
use crate::{Conn, Database, listing};

/// A dataset of a project.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = dataset, check_for_backend(diesel::pg::Pg))]
pub struct DatasetRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub project_id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

#[derive(Clone, Debug)]
pub struct NewDataset {
    pub project_id: Uuid,
    pub name: String,
    pub description: Option<String>,
}

/// What to change; none leaves a column as it is, a description of `Some(None)` is cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = dataset)]
pub struct DatasetChanges {
    pub project_id: Option<Uuid>,
    pub name: Option<String>,
    pub description: Option<Option<String>>,
}

/// What lists of datasets are filtered and ordered by.
pub const DATASET_FIELDS: Fields = Fields {
    relation: "dataset",
    all: &[
        ID,
        Field::new("tenant_id", Kind::Id),
        Field::new("project_id", Kind::Id),
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
    dataset,
    "dataset",
    DatasetRow,
    dataset_archive,
    dataset_restore,
    dataset_delete
);

impl Database {
    /// Creates a dataset of the caller's tenant in a project.
    ///
    /// NOT_FOUND for a project that the tenant takes no part in, PERMISSION_DENIED where it may not
    /// contribute, ARCHIVED where the project is, ALREADY_EXISTS where the name is taken.
    pub async fn dataset_create(
        &self,
        ctx: &Ctx,
        new: NewDataset,
        replay: Option<Replay>,
    ) -> Result<DatasetRow> {
        let id = new_id();
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = diesel::insert_into(dataset::table)
                .values((
                    dataset::id.eq(id),
                    dataset::tenant_id.eq(ctx.tenant_id()),
                    dataset::project_id.eq(new.project_id),
                    dataset::name.eq(new.name.clone()),
                    dataset::description.eq(new.description.clone()),
                ))
                .returning(DatasetRow::as_returning())
                .get_result(conn)
                .await?;
            Ok(row)
        })
        .await
    }

    /// NOT_FOUND where the dataset is not there or not the caller's to see.
    pub async fn dataset_get(&self, ctx: &Ctx, id: Uuid) -> Result<DatasetRow> {
        let query = dataset::table.find(id).select(DatasetRow::as_select());
        answer(self.fetch_one(ctx, query).await.or_not_found("dataset", id))
    }

    /// The datasets that the caller's tenant sees, of one project or of all, by id.
    pub async fn dataset_list(
        &self,
        ctx: &Ctx,
        project_id: Option<Uuid>,
        show_archived: bool,
        listing: &Listing,
    ) -> Result<Page<DatasetRow>> {
        let page = || {
            let mut query = dataset::table
                .select(DatasetRow::as_select())
                .filter(listing::rows(listing))
                .order(listing::sorting(listing))
                .limit(listing.limit())
                .into_boxed::<Pg>();
            if !show_archived {
                query = query.filter(dataset::archived_at.is_null());
            }
            query
        };
        let rows = self.transaction(ctx, async |conn| {
            if let Some(project_id) = project_id {
                return Ok(page()
                    .filter(dataset::project_id.eq(project_id))
                    .load(conn)
                    .await?);
            }
            // One list would test the policy on row after row of all tenants. Apart, the tenant's own and
            // those of its projects are each found by an index.
            let own = page()
                .filter(dataset::tenant_id.eq(ctx.tenant_id()))
                .load(conn)
                .await?;
            let projects = project_participant::table
                .filter(project_participant::tenant_id.eq(ctx.tenant_id()))
                .filter(project_participant::is_active)
                .select(project_participant::project_id);
            let shared = page()
                .filter(dataset::project_id.eq_any(projects))
                .filter(dataset::tenant_id.ne(ctx.tenant_id()));
            Ok(listing.merge(own, shared.load::<DatasetRow>(conn).await?)?)
        });
        listing.page(rows.await?)
    }

    /// Changes a dataset of the caller's tenant. ABORTED where `etag` is not that of its present state,
    /// WRONG_STATE for a move to another project while a table below holds data or a policy.
    pub async fn dataset_update(
        &self,
        ctx: &Ctx,
        id: Uuid,
        etag: &str,
        changes: DatasetChanges,
        replay: Option<Replay>,
    ) -> Result<DatasetRow> {
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = lock(id, conn).await?;
            check_etag(etag, &row, "dataset", id)?;
            if changes == DatasetChanges::default() {
                return Ok(row);
            }
            let row = diesel::update(dataset::table.find(id))
                .set(changes.clone())
                .returning(DatasetRow::as_returning())
                .get_result(conn)
                .await?;
            Ok(row)
        })
        .await
    }
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<DatasetRow, Failure> {
    dataset::table
        .find(id)
        .select(DatasetRow::as_select())
        .first(conn)
        .await
        .or_not_found("dataset", id)
}

/// The row, locked for a change. One that the caller sees and does not own is PERMISSION_DENIED.
async fn lock(id: Uuid, conn: &mut Conn<'_>) -> Result<DatasetRow, Failure> {
    let own = dataset::table
        .find(id)
        .select(DatasetRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await;
    match own.optional()? {
        Some(row) => Ok(row),
        None => {
            find(id, conn).await?;
            Err(Error::permission_denied("the dataset belongs to another tenant").into())
        }
    }
}
