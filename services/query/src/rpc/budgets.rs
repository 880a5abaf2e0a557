use datacovey_error::{Error, Result};
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::audit_service_server::AuditService;
use datacovey_proto::query::v1::budget_service_server::BudgetService;
use tonic::{Request, Response, Status};

/// BudgetService and AuditService, which the API names and nothing serves yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets;

#[tonic::async_trait]
impl BudgetService for Budgets {
    async fn get_budget(
        &self,
        _: Request<pb::GetBudgetRequest>,
    ) -> Result<Response<pb::GetBudgetResponse>, Status> {
        Err(Error::not_implemented("GetBudget").into())
    }

    async fn list_ledger(
        &self,
        _: Request<pb::ListLedgerRequest>,
    ) -> Result<Response<pb::ListLedgerResponse>, Status> {
        Err(Error::not_implemented("ListLedger").into())
    }
}

#[tonic::async_trait]
impl AuditService for Budgets {
    async fn list_releases(
        &self,
        _: Request<pb::ListReleasesRequest>,
    ) -> Result<Response<pb::ListReleasesResponse>, Status> {
        Err(Error::not_implemented("ListReleases").into())
    }
}
