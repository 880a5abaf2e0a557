use datacovey_auth::authorize;
use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, Mask, UpdatableFields, etag, list_request};
use datacovey_persistence::{
    Database, FirstAdmin, NewTenant, Replay, TENANT_FIELDS, TenantChanges, TenantRow,
};
use datacovey_proto::identity::v1 as pb;
use datacovey_proto::identity::v1::tenant_service_server::TenantService;
use datacovey_server::{ctx, field};
use datacovey_types::Permission::{ManageTenants, ManageUsers, Read};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::mutation;
use crate::domain::text;

/// TenantService: organizations.
#[derive(Clone, Debug)]
pub(crate) struct Tenants {
    pub(crate) database: Database,
}

const FIELDS: UpdatableFields = UpdatableFields {
    mutable: &["name", "auth0_org_id"],
    immutable: &["id", "created_at", "archived_at", "etag"],
};

#[tonic::async_trait]
impl TenantService for Tenants {
    async fn create_tenant(
        &self,
        request: Request<pb::CreateTenantRequest>,
    ) -> Result<Response<pb::Tenant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageTenants)?;
        let (new, replay) = parse_create(request.into_inner())?;
        let row = self.database.tenant_create(&ctx, new, replay).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn get_tenant(
        &self,
        request: Request<pb::GetTenantRequest>,
    ) -> Result<Response<pb::Tenant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let row = self.database.tenant_get(&ctx, id).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn list_tenants(
        &self,
        request: Request<pb::ListTenantsRequest>,
    ) -> Result<Response<pb::ListTenantsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let request = request.into_inner();
        let listing = parse_list(&request)?;
        let page = self
            .database
            .tenant_list(&ctx, request.show_archived, &listing)
            .await?;
        let page = page.try_map(reply)?;
        Ok(Response::new(pb::ListTenantsResponse {
            tenants: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_tenant(
        &self,
        request: Request<pb::UpdateTenantRequest>,
    ) -> Result<Response<pb::Tenant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageUsers)?;
        let (id, etag, changes, replay) = parse_update(request.into_inner())?;
        let row = self
            .database
            .tenant_update(&ctx, id, &etag, changes, replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn archive_tenant(
        &self,
        request: Request<pb::ArchiveTenantRequest>,
    ) -> Result<Response<pb::Tenant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageTenants)?;
        let request = request.into_inner();
        let target = mutation::target(
            "ArchiveTenant",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .tenant_archive(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn restore_tenant(
        &self,
        request: Request<pb::RestoreTenantRequest>,
    ) -> Result<Response<pb::Tenant>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageTenants)?;
        let request = request.into_inner();
        let target = mutation::target(
            "RestoreTenant",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .tenant_restore(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn delete_tenant(&self, request: Request<pb::DeleteTenantRequest>) -> Result<Response<()>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, ManageTenants)?;
        let request = request.into_inner();
        let target = mutation::target(
            "DeleteTenant",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        self.database
            .tenant_delete(&ctx, target.id, &target.etag, request.force, target.replay)
            .await?;
        Ok(Response::new(()))
    }
}

fn parse_create(request: pb::CreateTenantRequest) -> Result<(NewTenant, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("CreateTenant", &request.request_id, &request, &mut violations);
    let tenant = field::required("tenant", request.tenant, &mut violations);
    let admin = field::required("first_admin", request.first_admin, &mut violations);
    let name = violations.take("tenant.name", text::display_name(&tenant.name));
    let auth0_org_id = parse_org_id(tenant.auth0_org_id.as_deref(), &mut violations);
    let auth0_id = violations.take("first_admin.auth0_id", text::external_id(&admin.auth0_id));
    let email = violations.take("first_admin.email", text::email(&admin.email));
    let admin_name = violations.take("first_admin.name", text::display_name(&admin.name));
    let new = || {
        let first_admin = FirstAdmin {
            auth0_id: auth0_id?,
            email: email?,
            name: admin_name?,
        };
        Some((
            NewTenant {
                name: name?,
                auth0_org_id: auth0_org_id?,
                first_admin,
            },
            replay,
        ))
    };
    field::finish(violations, new())
}

/// Absent and empty are one: nobody signs in to this tenant by token. `None` if it is wrong.
fn parse_org_id(given: Option<&str>, violations: &mut Violations) -> Option<Option<String>> {
    match given.filter(|it| !it.is_empty()) {
        None => Some(None),
        Some(it) => violations
            .take("tenant.auth0_org_id", text::external_id(it))
            .map(Some),
    }
}

fn parse_list(request: &pb::ListTenantsRequest) -> Result<Listing> {
    let mut violations = Violations::new();
    let binding = Binding::new("ListTenants").with("show_archived", request.show_archived);
    let listing = Listing::parse(&TENANT_FIELDS, binding, list_request!(request), &mut violations);
    field::finish(violations, listing)
}

fn parse_update(request: pb::UpdateTenantRequest) -> Result<(Uuid, String, TenantChanges, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("UpdateTenant", &request.request_id, &request, &mut violations);
    let tenant = field::required("tenant", request.tenant, &mut violations);
    let id = field::id("tenant.id", &tenant.id, &mut violations);
    let is_set = |field: &str| match field {
        "name" => !tenant.name.is_empty(),
        _ => tenant.auth0_org_id.is_some(),
    };
    let mask = FIELDS.parse(request.update_mask.as_ref(), is_set, &mut violations);
    let writes = |field| mask.as_ref().is_some_and(|mask: &Mask| mask.contains(field));
    let mut changes = TenantChanges::default();
    if writes("name") {
        changes.name = violations.take("tenant.name", text::display_name(&tenant.name));
    }
    if writes("auth0_org_id") {
        changes.auth0_org_id = parse_org_id(tenant.auth0_org_id.as_deref(), &mut violations);
    }
    field::finish(violations, id.map(|id| (id, tenant.etag, changes, replay)))
}

pub(super) fn reply(row: TenantRow) -> Result<pb::Tenant> {
    Ok(pb::Tenant {
        etag: etag(&row)?,
        id: row.id.to_string(),
        name: row.name,
        auth0_org_id: row.auth0_org_id,
        created_at: row.created_at.map(field::timestamp),
        archived_at: row.archived_at.map(field::timestamp),
    })
}
