use datacovey_auth::authorize;
use datacovey_error::Result;
use datacovey_persistence::{Database, ResolvedTable};
use datacovey_proto::internal::catalog::v1 as pb;
use datacovey_proto::internal::catalog::v1::resolver_service_server::ResolverService;
use datacovey_server::ctx;
use datacovey_types::{Ctx, Permission};
use tonic::{Request, Response, Status};

use super::{field, table_policy};
use crate::domain::json;

/// ResolverService: what the query service needs to plan a query, in one call.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    pub(crate) database: Database,
}

#[tonic::async_trait]
impl ResolverService for Resolver {
    async fn resolve_project(
        &self,
        request: Request<pb::ResolveProjectRequest>,
    ) -> Result<Response<pb::ResolveProjectResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let id = field::only_id("project_id", &request.into_inner().project_id)?;
        let tables = self.database.project_resolve(&ctx, id).await?;
        let project = self.database.project_get(&ctx, id).await?;
        let tables = tables
            .into_iter()
            .map(|row| reply_table(row, &ctx))
            .collect::<Result<_>>()?;
        // One that is archived is not resolved at all.
        Ok(Response::new(pb::ResolveProjectResponse {
            project_id: id.to_string(),
            owner_tenant_id: project.tenant_id.to_string(),
            state: pb::ProjectState::Active.into(),
            tables,
        }))
    }
}

fn reply_table(row: ResolvedTable, ctx: &Ctx) -> Result<pb::ResolvedTable> {
    Ok(pb::ResolvedTable {
        table_id: row.table_id.to_string(),
        dataset_id: row.dataset_id.to_string(),
        dataset_name: row.dataset_name,
        table_name: row.table_name,
        owner_tenant_id: row.tenant_id.to_string(),
        owned_by_caller: row.tenant_id == ctx.tenant_id(),
        schema: Some(json::to_struct(&row.schema)),
        policy: row.policy.as_ref().map(table_policy::reply_policy).transpose()?,
        policy_version: row.policy_version.map(table_policy::version).unwrap_or_default(),
    })
}
