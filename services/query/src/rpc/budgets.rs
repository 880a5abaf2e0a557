use datacovey_auth::authorize;
use datacovey_error::{Error, Result, Violations};
use datacovey_list::{Binding, ListRequest, Listing};
use datacovey_persistence::{BudgetLedgerRow, LEDGER_FIELDS};
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::budget_service_server::BudgetService;
use datacovey_server::ctx;
use datacovey_server::field::{self, timestamp};
use datacovey_types::Permission;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::app::Handles;
use crate::flow::budgets::{Budget, BudgetKind, Cost};

/// BudgetService: what the caller's tenant may still ask, and what was charged.
#[derive(Clone, Debug)]
pub(crate) struct Budgets(pub(crate) Handles);

#[tonic::async_trait]
impl BudgetService for Budgets {
    async fn get_budget(
        &self,
        request: Request<pb::GetBudgetRequest>,
    ) -> Result<Response<pb::GetBudgetResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let table_id = field::only_id("table_id", &request.into_inner().table_id)?;
        let budgets = self.0.budgets(&ctx, table_id).await?;
        Ok(Response::new(pb::GetBudgetResponse {
            budgets: budgets.into_iter().map(budget).collect(),
        }))
    }

    async fn list_ledger(
        &self,
        request: Request<pb::ListLedgerRequest>,
    ) -> Result<Response<pb::ListLedgerResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (table_id, listing) = parse(&request.into_inner())?;
        let page = self
            .0
            .database
            .budget_ledger_list(&ctx, table_id, &listing)
            .await?;
        let page = page.try_map(|row| entry(ctx.tenant_id(), &row))?;
        Ok(Response::new(pb::ListLedgerResponse {
            entries: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn parse(request: &pb::ListLedgerRequest) -> Result<(Option<Uuid>, Listing)> {
    let mut violations = Violations::new();
    let table_id = field::optional_id("table_id", request.table_id.as_deref(), &mut violations).flatten();
    let binding =
        Binding::new("ListLedger").with("table_id", request.table_id.as_deref().unwrap_or_default());
    let list = ListRequest {
        filter: &request.filter,
        order_by: match request.order_by.trim() {
            "" => "charged_at",
            given => given,
        },
        page_size: request.page_size,
        page_token: &request.page_token,
    };
    let listing = Listing::parse(&LEDGER_FIELDS, binding, list, &mut violations);
    field::finish(violations, listing.map(|listing| (table_id, listing)))
}

fn entry(reader: Uuid, row: &BudgetLedgerRow) -> Result<pb::LedgerEntry> {
    let kind = format!("BUDGET_KIND_{}", row.kind.to_uppercase());
    let kind = pb::BudgetKind::from_str_name(&kind)
        .ok_or_else(|| Error::internal(format!("an unknown kind of budget: {}", row.kind)))?;
    // Which run it was is for who asked.
    let query_job_id = match row.analyst_tenant_id == reader {
        true => row.query_job_id.to_string(),
        false => String::new(),
    };
    Ok(pb::LedgerEntry {
        table_id: row.table_id.to_string(),
        analyst_tenant_id: row.analyst_tenant_id.to_string(),
        query_job_id,
        kind: kind.into(),
        amount: row.amount,
        charged_at: Some(timestamp(row.created_at)),
    })
}

fn budget(budget: Budget) -> pb::Budget {
    pb::Budget {
        table_id: budget.table_id.to_string(),
        kind: kind(budget.kind).into(),
        limit: budget.limit,
        used: budget.used,
        resets_at: budget.resets_at.map(timestamp),
    }
}

pub(super) fn cost(cost: &Cost) -> pb::BudgetCost {
    pb::BudgetCost {
        table_id: cost.budget.table_id.to_string(),
        kind: kind(cost.budget.kind).into(),
        amount: cost.amount as f64,
        remaining: cost.remaining(),
        resets_at: cost.budget.resets_at.map(timestamp),
    }
}

const fn kind(kind: BudgetKind) -> pb::BudgetKind {
    match kind {
        BudgetKind::Access => pb::BudgetKind::Access,
        BudgetKind::Epsilon => pb::BudgetKind::Epsilon,
        BudgetKind::Delta => pb::BudgetKind::Delta,
    }
}
