use datacovey_auth::authorize;
use datacovey_error::{Error, Result, Violations};
use datacovey_list::{Binding, ListRequest, Listing};
use datacovey_persistence::{RELEASE_FIELDS, ReleaseAuditRow};
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::audit_service_server::AuditService;
use datacovey_server::ctx;
use datacovey_server::field::{self, timestamp};
use datacovey_types::Permission;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::app::Handles;

/// AuditService: what others learned from the tables of the caller's tenant.
#[derive(Clone, Debug)]
pub(crate) struct Audit(pub(crate) Handles);

#[tonic::async_trait]
impl AuditService for Audit {
    async fn list_releases(
        &self,
        request: Request<pb::ListReleasesRequest>,
    ) -> Result<Response<pb::ListReleasesResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (table_id, listing) = parse(&request.into_inner())?;
        let page = self
            .0
            .database
            .release_audit_list(&ctx, table_id, &listing)
            .await?;
        let page = page.try_map(release)?;
        Ok(Response::new(pb::ListReleasesResponse {
            releases: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn parse(request: &pb::ListReleasesRequest) -> Result<(Option<Uuid>, Listing)> {
    let mut violations = Violations::new();
    let table_id = field::optional_id("table_id", request.table_id.as_deref(), &mut violations).flatten();
    let binding =
        Binding::new("ListReleases").with("table_id", request.table_id.as_deref().unwrap_or_default());
    let list = ListRequest {
        filter: &request.filter,
        order_by: "released_at desc",
        page_size: request.page_size,
        page_token: &request.page_token,
    };
    let listing = Listing::parse(&RELEASE_FIELDS, binding, list, &mut violations);
    field::finish(violations, listing.map(|listing| (table_id, listing)))
}

fn release(row: ReleaseAuditRow) -> Result<pb::Release> {
    let outcome = format!("RELEASE_OUTCOME_{}", row.outcome.to_uppercase());
    let outcome = pb::ReleaseOutcome::from_str_name(&outcome)
        .ok_or_else(|| Error::internal(format!("an unknown outcome of a release: {}", row.outcome)))?;
    Ok(pb::Release {
        id: row.id.to_string(),
        table_id: row.table_id.to_string(),
        owner_tenant_id: row.tenant_id.to_string(),
        analyst_tenant_id: row.analyst_tenant_id.to_string(),
        analyst_user_id: row.analyst_user_id.to_string(),
        query_job_id: row.query_job_id.to_string(),
        normalized_query: row.normalized_query,
        outcome: outcome.into(),
        released_groups: matches!(outcome, pb::ReleaseOutcome::Released | pb::ReleaseOutcome::Cached)
            .then_some(row.released_groups),
        suppressed_groups: row.suppressed_groups,
        released_at: Some(timestamp(row.created_at)),
    })
}
