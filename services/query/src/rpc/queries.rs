use datacovey_auth::authorize;
use datacovey_error::Result;
use datacovey_persistence::ApprovalDecision;
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::query_service_server::QueryService;
use datacovey_server::{ctx, field};
use datacovey_types::{Ctx, Permission};
use tonic::{Request, Response, Status};

use super::{approval, convert, parse};
use crate::app::Handles;

/// QueryService: the queries of the caller's tenant, and whether they may run.
#[derive(Clone, Debug)]
pub(crate) struct Queries(pub(crate) Handles);

#[tonic::async_trait]
impl QueryService for Queries {
    async fn create_query(
        &self,
        request: Request<pb::CreateQueryRequest>,
    ) -> Result<Response<pb::Query>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let (new, replay) = parse::new_query(request.into_inner())?;
        let row = self.0.database.query_create(&ctx, new, replay).await?;
        Ok(Response::new(convert::query(row)?))
    }

    async fn get_query(&self, request: Request<pb::GetQueryRequest>) -> Result<Response<pb::Query>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let row = self.0.database.query_get(&ctx, id).await?;
        Ok(Response::new(convert::query(row)?))
    }

    async fn list_queries(
        &self,
        request: Request<pb::ListQueriesRequest>,
    ) -> Result<Response<pb::ListQueriesResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (filter, listing) = parse::list_queries(&request.into_inner())?;
        let page = self
            .0
            .database
            .query_list(&ctx, filter.project_id, filter.show_archived, &listing)
            .await?;
        let page = page.try_map(convert::query)?;
        Ok(Response::new(pb::ListQueriesResponse {
            queries: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn check_query(
        &self,
        request: Request<pb::CheckQueryRequest>,
    ) -> Result<Response<pb::CheckQueryResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let question = parse::check(request.into_inner())?;
        let checked = self.0.check_query(&ctx, &question).await?;
        Ok(Response::new(convert::checked(checked)))
    }

    async fn get_effective_policy(
        &self,
        request: Request<pb::GetEffectivePolicyRequest>,
    ) -> Result<Response<pb::GetEffectivePolicyResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let (project_id, table_ids) = parse::effective_policy(&request.into_inner())?;
        let held = self.0.effective_policy(&ctx, project_id, &table_ids).await?;
        Ok(Response::new(pb::GetEffectivePolicyResponse {
            effective_policy: held.policy.map(convert::effective),
            tables: held.tables.into_iter().map(convert::referenced).collect(),
        }))
    }

    async fn update_query(
        &self,
        request: Request<pb::UpdateQueryRequest>,
    ) -> Result<Response<pb::Query>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let (target, changes) = parse::update_query(request.into_inner())?;
        let database = &self.0.database;
        let row = database
            .query_update(&ctx, target.id, &target.etag, changes, target.replay)
            .await?;
        Ok(Response::new(convert::query(row)?))
    }

    async fn archive_query(
        &self,
        request: Request<pb::ArchiveQueryRequest>,
    ) -> Result<Response<pb::Query>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let request = request.into_inner();
        let target = parse::target(
            "ArchiveQuery",
            &request.id,
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let database = &self.0.database;
        let row = database
            .query_archive(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(convert::query(row)?))
    }

    async fn restore_query(
        &self,
        request: Request<pb::RestoreQueryRequest>,
    ) -> Result<Response<pb::Query>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let request = request.into_inner();
        let target = parse::target(
            "RestoreQuery",
            &request.id,
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let database = &self.0.database;
        let row = database
            .query_restore(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(convert::query(row)?))
    }

    async fn delete_query(&self, request: Request<pb::DeleteQueryRequest>) -> Result<Response<()>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let request = request.into_inner();
        let target = parse::target(
            "DeleteQuery",
            &request.id,
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let database = &self.0.database;
        database
            .query_delete(&ctx, target.id, &target.etag, request.force, target.replay)
            .await?;
        Ok(Response::new(()))
    }

    async fn list_query_history(
        &self,
        request: Request<pb::ListQueryHistoryRequest>,
    ) -> Result<Response<pb::ListQueryHistoryResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (id, listing) = parse::query_history(&request.into_inner())?;
        let page = self.0.database.query_history_list(&ctx, id, &listing).await?;
        let page = page.try_map(convert::query_history)?;
        Ok(Response::new(pb::ListQueryHistoryResponse {
            entries: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn request_approval(
        &self,
        request: Request<pb::RequestApprovalRequest>,
    ) -> Result<Response<pb::RequestApprovalResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let (question, replay) = approval::request(request.into_inner())?;
        let rows = self.0.request_approval(&ctx, &question, replay).await?;
        let approvals = rows
            .into_iter()
            .map(|row| approval::approval(ctx.tenant_id(), row));
        Ok(Response::new(pb::RequestApprovalResponse {
            approvals: approvals.collect::<Result<_>>()?,
        }))
    }

    async fn list_approvals(
        &self,
        request: Request<pb::ListApprovalsRequest>,
    ) -> Result<Response<pb::ListApprovalsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (project_id, listing) = approval::list(&request.into_inner())?;
        let database = &self.0.database;
        let page = database.query_approval_list(&ctx, project_id, &listing).await?;
        let page = page.try_map(|row| approval::approval(ctx.tenant_id(), row))?;
        Ok(Response::new(pb::ListApprovalsResponse {
            approvals: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn approve_query(
        &self,
        request: Request<pb::ApproveQueryRequest>,
    ) -> Result<Response<pb::QueryApproval>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::ManageProjects)?;
        let request = request.into_inner();
        let target = parse::target(
            "ApproveQuery",
            &request.id,
            &request.etag,
            &request.request_id,
            &request,
        )?;
        self.decide(&ctx, target, ApprovalDecision::Approve).await
    }

    async fn revoke_approval(
        &self,
        request: Request<pb::RevokeApprovalRequest>,
    ) -> Result<Response<pb::QueryApproval>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::ManageProjects)?;
        let request = request.into_inner();
        let target = parse::target(
            "RevokeApproval",
            &request.id,
            &request.etag,
            &request.request_id,
            &request,
        )?;
        self.decide(&ctx, target, ApprovalDecision::Revoke).await
    }
}

impl Queries {
    async fn decide(
        &self,
        ctx: &Ctx,
        target: parse::Target,
        decision: ApprovalDecision,
    ) -> Result<Response<pb::QueryApproval>, Status> {
        let database = &self.0.database;
        let row = database
            .query_approval_decide(ctx, target.id, &target.etag, decision, target.replay)
            .await?;
        Ok(Response::new(approval::approval(ctx.tenant_id(), row)?))
    }
}
