use datacovey_auth::authorize;
use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, Mask, UpdatableFields, etag, list_request};
use datacovey_persistence::{Database, NewUser, Replay, USER_FIELDS, UserChanges, UserRow};
use datacovey_proto::identity::v1 as pb;
use datacovey_proto::identity::v1::user_service_server::UserService;
use datacovey_server::{ctx, field};
use datacovey_types::Permission::{ManageUsers, Read};
use datacovey_types::{Ctx, Permission};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{mutation, role, tenant};
use crate::domain::text;

/// UserService: the users of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    pub(crate) database: Database,
}

const FIELDS: UpdatableFields = UpdatableFields {
    mutable: &["auth0_id", "email", "name", "role"],
    immutable: &["id", "tenant_id", "created_at", "archived_at", "etag"],
};

#[tonic::async_trait]
impl UserService for Users {
    async fn create_user(
        &self,
        request: Request<pb::CreateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageUsers)?;
        let (new, replay) = parse_create(&ctx, request.into_inner())?;
        self.require_tenant(&ctx, new.tenant_id).await?;
        let row = self.database.user_create(&ctx, new, replay).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::User>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let row = self.database.user_get(&ctx, id).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let request = request.into_inner();
        let (tenant_id, listing) = parse_list(&ctx, &request)?;
        self.require_tenant(&ctx, tenant_id).await?;
        let page = self
            .database
            .user_list(&ctx, tenant_id, request.show_archived, &listing)
            .await?;
        let page = page.try_map(reply)?;
        Ok(Response::new(pb::ListUsersResponse {
            users: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageUsers)?;
        let (id, etag, changes, replay) = parse_update(request.into_inner())?;
        let row = self
            .database
            .user_update(&ctx, id, &etag, changes, replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn archive_user(
        &self,
        request: Request<pb::ArchiveUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageUsers)?;
        let request = request.into_inner();
        let target = mutation::target(
            "ArchiveUser",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .user_archive(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn restore_user(
        &self,
        request: Request<pb::RestoreUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageUsers)?;
        let request = request.into_inner();
        let target = mutation::target(
            "RestoreUser",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .user_restore(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn delete_user(&self, request: Request<pb::DeleteUserRequest>) -> Result<Response<()>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageUsers)?;
        let request = request.into_inner();
        let target = mutation::target(
            "DeleteUser",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        self.database
            .user_delete(&ctx, target.id, &target.etag, false, target.replay)
            .await?;
        Ok(Response::new(()))
    }

    async fn who_am_i(
        &self,
        request: Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let ctx = ctx(&request)?;
        let user = self.database.user_get(&ctx, ctx.user_id());
        let tenant = self.database.tenant_get(&ctx, ctx.tenant_id());
        let (user, tenant) = futures::try_join!(user, tenant)?;
        Ok(Response::new(pb::WhoAmIResponse {
            user: Some(reply(user)?),
            tenant: Some(tenant::reply(tenant)?),
            role: role::reply(ctx.principal.role).into(),
            permissions: permissions(&ctx),
            scopes: scopes(&ctx),
        }))
    }
}

impl Users {
    /// NOT_FOUND for a tenant that is neither the caller's nor, with the scope `platform`, any.
    async fn require_tenant(&self, ctx: &Ctx, tenant_id: Uuid) -> Result<()> {
        if tenant_id != ctx.tenant_id() {
            self.database.tenant_get(ctx, tenant_id).await?;
        }
        Ok(())
    }
}

fn parse_create(ctx: &Ctx, request: pb::CreateUserRequest) -> Result<(NewUser, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("CreateUser", &request.request_id, &request, &mut violations);
    let user = field::required("user", request.user, &mut violations);
    let tenant_id = parse_tenant("user.tenant_id", ctx, &user.tenant_id, &mut violations);
    let auth0_id = violations.take("user.auth0_id", text::external_id(&user.auth0_id));
    let email = violations.take("user.email", text::email(&user.email));
    let name = violations.take("user.name", text::display_name(&user.name));
    let role = role::parse("user.role", user.role, &mut violations);
    let new = || {
        let new = NewUser {
            tenant_id: tenant_id?,
            auth0_id: auth0_id?,
            email: email?,
            name: name?,
            role: role?,
        };
        Some((new, replay))
    };
    field::finish(violations, new())
}

/// The tenant of the request; the caller's, if it names none.
fn parse_tenant(field: &str, ctx: &Ctx, given: &str, violations: &mut Violations) -> Option<Uuid> {
    if given.is_empty() {
        Some(ctx.tenant_id())
    } else {
        field::id(field, given, violations)
    }
}

fn parse_list(ctx: &Ctx, request: &pb::ListUsersRequest) -> Result<(Uuid, Listing)> {
    let mut violations = Violations::new();
    let tenant_id = parse_tenant("tenant_id", ctx, request.tenant_id(), &mut violations);
    let binding = Binding::new("ListUsers")
        .with("tenant_id", tenant_id.unwrap_or_default())
        .with("show_archived", request.show_archived);
    let listing = Listing::parse(&USER_FIELDS, binding, list_request!(request), &mut violations);
    field::finish(violations, tenant_id.zip(listing))
}

fn parse_update(request: pb::UpdateUserRequest) -> Result<(Uuid, String, UserChanges, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("UpdateUser", &request.request_id, &request, &mut violations);
    let user = field::required("user", request.user, &mut violations);
    let id = field::id("user.id", &user.id, &mut violations);
    let is_set = |field: &str| match field {
        "auth0_id" => !user.auth0_id.is_empty(),
        "email" => !user.email.is_empty(),
        "name" => !user.name.is_empty(),
        _ => user.role() != pb::UserRole::Unspecified,
    };
    let mask = FIELDS.parse(request.update_mask.as_ref(), is_set, &mut violations);
    let writes = |field| mask.as_ref().is_some_and(|mask: &Mask| mask.contains(field));
    let mut changes = UserChanges::default();
    if writes("auth0_id") {
        changes.auth0_id = violations.take("user.auth0_id", text::external_id(&user.auth0_id));
    }
    if writes("email") {
        changes.email = violations.take("user.email", text::email(&user.email));
    }
    if writes("name") {
        changes.name = violations.take("user.name", text::display_name(&user.name));
    }
    if writes("role") {
        changes.role = role::parse("user.role", user.role, &mut violations);
    }
    field::finish(violations, id.map(|id| (id, user.etag, changes, replay)))
}

/// What the caller may do, sorted, in the words of the API.
fn permissions(ctx: &Ctx) -> Vec<String> {
    let word = |permission| match permission {
        Permission::Read => "read",
        Permission::Query => "query",
        Permission::EditDatasets => "edit_datasets",
        Permission::Export => "export",
        Permission::ManageProjects => "manage_projects",
        Permission::ManageUsers => "manage_users",
        Permission::ManageTenants => "manage_tenants",
        Permission::Backfill => "backfill",
    };
    let held = Permission::ALL
        .into_iter()
        .filter(|it| authorize(ctx, *it).is_ok());
    let mut words: Vec<_> = held.map(|it| word(it).to_owned()).collect();
    words.sort();
    words
}

fn scopes(ctx: &Ctx) -> Vec<String> {
    let words = String::from(ctx.principal.scopes);
    let mut words: Vec<_> = words.split_whitespace().map(ToOwned::to_owned).collect();
    words.sort();
    words
}

fn reply(row: UserRow) -> Result<pb::User> {
    Ok(pb::User {
        etag: etag(&row)?,
        role: role::reply(row.role()?).into(),
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        auth0_id: row.auth0_id,
        email: row.email,
        name: row.name,
        created_at: row.created_at.map(field::timestamp),
        archived_at: row.archived_at.map(field::timestamp),
    })
}
