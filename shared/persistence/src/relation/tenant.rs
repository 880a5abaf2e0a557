//! Tenants: organizations that share data. One sees itself; the platform sees all.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_list::{Field, Fields, Kind, Listing, Page, check_etag};
use datacovey_types::{Ctx, Role, new_id};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use super::lifecycle::lifecycle;
use super::user::{NewUser, insert as insert_user};
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::tenant;
use crate::{Conn, Database, listing};

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = tenant, check_for_backend(diesel::pg::Pg))]
pub struct TenantRow {
    pub id: Uuid,
    pub name: String,
    pub auth0_org_id: Option<String>,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

/// A tenant, and who administers it first.
#[derive(Clone, Debug)]
pub struct NewTenant {
    pub name: String,
    pub auth0_org_id: Option<String>,
    pub first_admin: FirstAdmin,
}

#[derive(Clone, Debug)]
pub struct FirstAdmin {
    pub auth0_id: String,
    pub email: String,
    pub name: String,
}

/// What to change; none leaves a column as it is, an `auth0_org_id` of `Some(None)` is cleared.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = tenant)]
pub struct TenantChanges {
    pub name: Option<String>,
    pub auth0_org_id: Option<Option<String>>,
}

/// What lists of tenants are filtered and ordered by.
pub const TENANT_FIELDS: Fields = Fields {
    relation: "tenant",
    all: &[
        ID,
        Field::new("name", Kind::Text),
        Field::optional("auth0_org_id", Kind::Text),
        Field::optional("created_at", Kind::Time),
        Field::optional("archived_at", Kind::Time),
    ],
    sortable: &["id", "name", "created_at"],
    key: ID,
};
const ID: Field = Field::new("id", Kind::Id);

lifecycle!(
    tenant,
    "tenant",
    TenantRow,
    tenant_archive,
    tenant_restore,
    tenant_delete
);

impl Database {
    /// Creates a tenant with its first Org admin; for the platform only.
    ///
    /// ALREADY_EXISTS where another tenant has its `auth0_org_id`.
    pub async fn tenant_create(
        &self,
        ctx: &Ctx,
        new: NewTenant,
        replay: Option<Replay>,
    ) -> Result<TenantRow> {
        let id = new_id();
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = diesel::insert_into(tenant::table)
                .values((
                    tenant::id.eq(id),
                    tenant::name.eq(new.name.clone()),
                    tenant::auth0_org_id.eq(new.auth0_org_id.clone()),
                ))
                .returning(TenantRow::as_returning())
                .get_result(conn)
                .await?;
            let admin = new.first_admin.clone();
            let admin = NewUser {
                tenant_id: id,
                auth0_id: admin.auth0_id,
                email: admin.email,
                name: admin.name,
                role: Role::OrgAdmin,
            };
            insert_user(new_id(), &admin, conn).await?;
            Ok(row)
        })
        .await
    }

    /// NOT_FOUND where the tenant is not there or not the caller's to see.
    pub async fn tenant_get(&self, ctx: &Ctx, id: Uuid) -> Result<TenantRow> {
        let query = tenant::table.find(id).select(TenantRow::as_select());
        answer(self.fetch_one(ctx, query).await.or_not_found("tenant", id))
    }

    /// The tenants that the caller sees: its own, or for the platform all.
    pub async fn tenant_list(
        &self,
        ctx: &Ctx,
        show_archived: bool,
        listing: &Listing,
    ) -> Result<Page<TenantRow>> {
        let query = tenant::table
            .filter(tenant::archived_at.is_null().or(show_archived.into_sql::<Bool>()))
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit())
            .select(TenantRow::as_select());
        listing.page(answer(self.fetch(ctx, query).await)?)
    }

    /// The tenant of that name that is not archived, the oldest if there are several.
    pub async fn tenant_find_by_name(&self, ctx: &Ctx, name: &str) -> Result<Option<TenantRow>> {
        let query = tenant::table
            .filter(tenant::name.eq(name.to_owned()))
            .filter(tenant::archived_at.is_null())
            .order(tenant::id)
            .limit(1)
            .select(TenantRow::as_select());
        Ok(answer(self.fetch(ctx, query).await)?.into_iter().next())
    }

    /// Changes a tenant. ABORTED where `etag` is not that of its present state; PERMISSION_DENIED
    /// where the caller changes `auth0_org_id` and is not the platform.
    pub async fn tenant_update(
        &self,
        ctx: &Ctx,
        id: Uuid,
        etag: &str,
        changes: TenantChanges,
        replay: Option<Replay>,
    ) -> Result<TenantRow> {
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = lock(id, conn).await?;
            check_etag(etag, &row, "tenant", id)?;
            if changes.name.is_none() && changes.auth0_org_id.is_none() {
                return Ok(row);
            }
            let row = diesel::update(tenant::table.find(id))
                .set(changes.clone())
                .returning(TenantRow::as_returning())
                .get_result(conn)
                .await?;
            Ok(row)
        })
        .await
    }
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<TenantRow, Failure> {
    tenant::table
        .find(id)
        .select(TenantRow::as_select())
        .first(conn)
        .await
        .or_not_found("tenant", id)
}

/// Who sees a tenant may lock it: itself, and the platform.
async fn lock(id: Uuid, conn: &mut Conn<'_>) -> Result<TenantRow, Failure> {
    let query = tenant::table
        .find(id)
        .select(TenantRow::as_select())
        .for_no_key_update();
    query.first(conn).await.or_not_found("tenant", id)
}
