//! Users of tenants. A tenant sees its own; the platform sees all.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Field, Fields, Kind, Listing, Page, check_etag};
use datacovey_types::{Ctx, Principal, Role, Scopes, new_id};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::idempotency::Replay;
use super::lifecycle::lifecycle;
use crate::failure::{Failure, OnConstraint as _, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::{tenant, user};
use crate::{Conn, Database, listing};

/// A user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Serialize)]
#[diesel(table_name = user, check_for_backend(diesel::pg::Pg))]
pub struct UserRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub auth0_id: String,
    pub email: String,
    pub name: String,
    pub role: String,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

impl UserRow {
    /// The role as a value; a check constraint keeps it one of ours.
    pub fn role(&self) -> Result<Role> {
        self.role
            .parse()
            .map_err(|_| Error::internal(format!("an unknown role of a user: {}", self.role)))
    }
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn lower(text: Text) -> Text;
}

#[derive(Clone, Debug)]
pub struct NewUser {
    pub tenant_id: Uuid,
    pub auth0_id: String,
    pub email: String,
    pub name: String,
    pub role: Role,
}

/// What to change; none leaves a column as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChanges {
    pub auth0_id: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub role: Option<Role>,
}

#[derive(AsChangeset)]
#[diesel(table_name = user)]
struct Changeset {
    auth0_id: Option<String>,
    email: Option<String>,
    name: Option<String>,
    role: Option<&'static str>,
}

/// What lists of users are filtered and ordered by.
pub const USER_FIELDS: Fields = Fields {
    relation: "user",
    all: &[
        ID,
        Field::new("auth0_id", Kind::Text),
        Field::new("email", Kind::Text),
        Field::new("name", Kind::Text),
        Field::new("role", Kind::Word(ROLES)),
        Field::optional("created_at", Kind::Time),
        Field::optional("archived_at", Kind::Time),
    ],
    sortable: &["id", "email", "name", "role", "created_at"],
    key: ID,
};
const ID: Field = Field::new("id", Kind::Id);
const ROLES: &[(&str, &str)] = &[
    ("USER_ROLE_ORG_ADMIN", Role::OrgAdmin.as_str()),
    ("USER_ROLE_DATASET_EDITOR", Role::DatasetEditor.as_str()),
    ("USER_ROLE_DATASET_USER", Role::DatasetUser.as_str()),
];

lifecycle!(user, "user", UserRow, user_archive, user_restore, user_delete);

impl Database {
    /// Creates a user. NOT_FOUND where there is no such tenant, ALREADY_EXISTS where another user of
    /// the tenant has its `auth0_id` or its email (whose case does not count).
    pub async fn user_create(&self, ctx: &Ctx, new: NewUser, replay: Option<Replay>) -> Result<UserRow> {
        let id = new_id();
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            insert(id, &new, conn).await
        })
        .await
    }

    /// NOT_FOUND where the user is not there or not the caller's to see.
    pub async fn user_get(&self, ctx: &Ctx, id: Uuid) -> Result<UserRow> {
        let query = user::table.find(id).select(UserRow::as_select());
        answer(self.fetch_one(ctx, query).await.or_not_found("user", id))
    }

    /// The users of a tenant; none where the tenant is not the caller's to see.
    pub async fn user_list(
        &self,
        ctx: &Ctx,
        tenant_id: Uuid,
        show_archived: bool,
        listing: &Listing,
    ) -> Result<Page<UserRow>> {
        let query = user::table
            .filter(user::tenant_id.eq(tenant_id))
            .filter(user::archived_at.is_null().or(show_archived.into_sql::<Bool>()))
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit())
            .select(UserRow::as_select());
        listing.page(answer(self.fetch(ctx, query).await)?)
    }

    /// The tenant's user of that email that is not archived; the email's case does not count.
    pub async fn user_find_by_email(
        &self,
        ctx: &Ctx,
        tenant_id: Uuid,
        email: &str,
    ) -> Result<Option<UserRow>> {
        let query = user::table
            .filter(user::tenant_id.eq(tenant_id))
            .filter(lower(user::email).eq(email.to_lowercase()))
            .filter(user::archived_at.is_null())
            .limit(1)
            .select(UserRow::as_select());
        Ok(answer(self.fetch(ctx, query).await)?.into_iter().next())
    }

    /// Changes a user. ABORTED where `etag` is not that of its present state, FAILED_PRECONDITION
    /// where its tenant would be left without an Org admin.
    pub async fn user_update(
        &self,
        ctx: &Ctx,
        id: Uuid,
        etag: &str,
        changes: UserChanges,
        replay: Option<Replay>,
    ) -> Result<UserRow> {
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let row = lock(id, conn).await?;
            check_etag(etag, &row, "user", id)?;
            let changes = changes.clone();
            let changes = Changeset {
                auth0_id: changes.auth0_id,
                email: changes.email,
                name: changes.name,
                role: changes.role.map(Role::as_str),
            };
            if matches!(
                changes,
                Changeset {
                    auth0_id: None,
                    email: None,
                    name: None,
                    role: None
                }
            ) {
                return Ok(row);
            }
            diesel::update(user::table.find(id))
                .set(changes)
                .returning(UserRow::as_returning())
                .get_result(conn)
                .await
                .on_constraint("tenant_keeps_an_admin", || {
                    let message =
                        "the user is the last Org admin of its tenant; give the role to another one first";
                    Error::wrong_state(message).on("user", id)
                })
        })
        .await
    }

    /// Who a user is now; none where it or its tenant is not there or archived. For the service that
    /// knows people: the tenant is not known before.
    pub async fn principal_of_user(&self, user_id: Uuid) -> Result<Option<Principal>> {
        let query = user::table
            .inner_join(tenant::table.on(tenant::id.eq(user::tenant_id)))
            .filter(user::id.eq(user_id))
            .filter(user::archived_at.is_null())
            .filter(tenant::archived_at.is_null())
            .select(UserRow::as_select());
        let rows = answer(self.fetch(&platform(), query).await)?;
        let principal = |row: UserRow| {
            let role = row.role()?;
            Ok(Principal {
                tenant_id: row.tenant_id,
                user_id: row.id,
                role,
                scopes: Scopes::NONE,
            })
        };
        rows.into_iter().next().map(principal).transpose()
    }
}

/// The suite itself, where it asks for somebody of whom it knows no tenant yet.
fn platform() -> Ctx {
    let principal = Principal {
        tenant_id: Uuid::nil(),
        user_id: Uuid::nil(),
        role: Role::DatasetUser,
        scopes: Scopes {
            platform: true,
            backfill: false,
        },
    };
    Ctx::from_request(principal, "", None)
}

pub(super) async fn insert(id: Uuid, new: &NewUser, conn: &mut Conn<'_>) -> Result<UserRow, Failure> {
    let row = diesel::insert_into(user::table)
        .values((
            user::id.eq(id),
            user::tenant_id.eq(new.tenant_id),
            user::auth0_id.eq(new.auth0_id.clone()),
            user::email.eq(new.email.clone()),
            user::name.eq(new.name.clone()),
            user::role.eq(new.role.as_str()),
        ))
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row)
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<UserRow, Failure> {
    user::table
        .find(id)
        .select(UserRow::as_select())
        .first(conn)
        .await
        .or_not_found("user", id)
}

/// Who sees a user may lock it: its tenant, and the platform.
async fn lock(id: Uuid, conn: &mut Conn<'_>) -> Result<UserRow, Failure> {
    let query = user::table
        .find(id)
        .select(UserRow::as_select())
        .for_no_key_update();
    query.first(conn).await.or_not_found("user", id)
}
