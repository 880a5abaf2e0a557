//! What queries were charged to the budgets of tables, and what is left of these.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_list::{Field, Fields, Kind, Listing, Page};
use datacovey_types::Ctx;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Nullable, Text, Timestamp, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::door::door;
use crate::failure::OrNotFound as _;
use crate::pipeline::answer;
use crate::schema::{budget_ledger, dataset, table_, table_policy};
use crate::{Conn, Database, listing};

/// A charge.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = budget_ledger, check_for_backend(diesel::pg::Pg))]
pub struct BudgetLedgerRow {
    pub id: Uuid,
    /// The owner of the table.
    pub tenant_id: Uuid,
    pub table_id: Uuid,
    pub budget_scope: String,
    pub analyst_tenant_id: Uuid,
    pub query_job_id: Uuid,
    pub kind: String,
    pub amount: f64,
    pub created_at: NaiveDateTime,
}

/// A budget of a table, as one tenant has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetOf {
    pub table_id: Uuid,
    pub owner: Uuid,
    /// The table as `dataset.table`.
    pub name: String,
    /// What its policy counts its budgets under.
    pub scope: String,
    /// `access`, `epsilon` or `delta`.
    pub kind: &'static str,
    /// `day`, `week`, `month` or `ever`.
    pub window: &'static str,
}

/// What is used of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Queryable)]
pub struct BudgetState {
    /// In this window.
    pub used: f64,
    /// When the next window begins; never, if none.
    pub resets_at: Option<NaiveDateTime>,
}

/// A table and the rules that its budgets come from.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetedTable {
    pub table_id: Uuid,
    pub owner: Uuid,
    /// `dataset.table`.
    pub name: String,
    pub policy: Option<Value>,
}

/// What the ledger is filtered and ordered by.
pub const LEDGER_FIELDS: Fields = Fields {
    relation: "budget_ledger",
    all: &[
        Field::new("table_id", Kind::Id),
        Field::new("analyst_tenant_id", Kind::Id),
        Field::new("kind", Kind::Word(KINDS)),
        Field::new("charged_at", Kind::Time).in_column("created_at"),
    ],
    sortable: &["charged_at"],
    key: Field::new("id", Kind::Id),
};
const KINDS: &[(&str, &str)] = &[
    ("BUDGET_KIND_ACCESS", "access"),
    ("BUDGET_KIND_EPSILON", "epsilon"),
    ("BUDGET_KIND_DELTA", "delta"),
];

door! {
    StateOfBudget {
        owner: Uuid => SqlUuid, analyst: Uuid => SqlUuid, table_id: Uuid => SqlUuid,
        scopes: Vec<String> => Array<Text>,
        kind: &'static str => Text, window: &'static str => Text,
    }
    "SELECT used, resets_at FROM budget_state(" .. ")" -> (Double, Nullable<Timestamp>)
}

impl Database {
    /// What the caller's tenant has used of a budget.
    pub async fn budget_state(&self, ctx: &Ctx, budget: &BudgetOf) -> Result<BudgetState> {
        let statement = StateOfBudget {
            owner: budget.owner,
            analyst: ctx.tenant_id(),
            table_id: budget.table_id,
            scopes: vec![budget.scope.clone(), budget.name.clone()],
            kind: budget.kind,
            window: budget.window,
        };
        answer(self.fetch_one(ctx, statement).await)
    }

    /// A table that the caller sees, with the newest version of its policy.
    ///
    /// NOT_FOUND.
    pub async fn budgeted_table_get(&self, ctx: &Ctx, table_id: Uuid) -> Result<BudgetedTable> {
        self.transaction(ctx, async |conn: &mut Conn<'_>| {
            let table = table_::table
                .inner_join(dataset::table.on(dataset::id.eq(table_::dataset_id)))
                .filter(table_::id.eq(table_id))
                .select((table_::tenant_id, dataset::name, table_::name));
            let (owner, dataset, name): (Uuid, String, String) =
                table.first(conn).await.or_not_found("table", table_id)?;
            let policy = table_policy::table
                .filter(table_policy::table_id.eq(table_id))
                .order(table_policy::version.desc())
                .select(table_policy::policy)
                .first::<Value>(conn)
                .await
                .optional()?;
            Ok(BudgetedTable {
                table_id,
                owner,
                name: format!("{dataset}.{name}"),
                policy,
            })
        })
        .await
    }

    /// The charges of the caller's tenant and those to its tables, to one table or all.
    pub async fn budget_ledger_list(
        &self,
        ctx: &Ctx,
        table_id: Option<Uuid>,
        listing: &Listing,
    ) -> Result<Page<BudgetLedgerRow>> {
        let of_all = table_id.is_none().into_sql::<Bool>();
        let statement = budget_ledger::table
            .filter(
                budget_ledger::tenant_id
                    .eq(ctx.tenant_id())
                    .or(budget_ledger::analyst_tenant_id.eq(ctx.tenant_id())),
            )
            .filter(
                budget_ledger::table_id
                    .eq(table_id.unwrap_or_default())
                    .or(of_all),
            )
            .filter(listing::rows(listing))
            .order(listing::sorting(listing))
            .limit(listing.limit())
            .select(BudgetLedgerRow::as_select());
        listing.page(answer(self.fetch(ctx, statement).await)?)
    }
}
