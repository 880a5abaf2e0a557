//! Budgets of tables: what a run costs, what is left, and what is said where it does not suffice.

use chrono::NaiveDateTime;
use datacovey_error::{Error, ErrorReason, Result};
use datacovey_persistence::{BudgetOf, Database, ShortBudget, utc_now};
use datacovey_privacy::Policy;
use datacovey_privacy::policy::Window;
use datacovey_types::Ctx;
use uuid::Uuid;

use super::planned::{PlannedQuery, ReadTable};
use crate::app::Handles;
use crate::domain::violation::Violation;

/// A budget of a table, as the caller's tenant has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Budget {
    pub table_id: Uuid,
    pub kind: BudgetKind,
    pub limit: f64,
    /// In the present window.
    pub used: f64,
    /// When the next one begins; never, if none.
    pub resets_at: Option<NaiveDateTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BudgetKind {
    Access,
    Epsilon,
    Delta,
}

/// What a run would charge to a budget.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cost {
    pub table: String,
    pub budget: Budget,
    pub amount: i64,
}

/// A budget that a policy sets for each tenant.
struct SetBudget {
    kind: BudgetKind,
    limit: f64,
    window: Window,
}

/// The budgets that a policy sets.
fn set_budgets(policy: &Policy) -> Vec<SetBudget> {
    let budget = |kind, limit, window| SetBudget { kind, limit, window };
    let access = policy
        .access_budget
        .map(|it| budget(BudgetKind::Access, it.uses as f64, it.window));
    let noise = policy.differential_privacy.map(|it| {
        [
            budget(BudgetKind::Epsilon, it.epsilon_budget.tenant, it.window),
            budget(BudgetKind::Delta, it.delta_budget, it.window),
        ]
    });
    access.into_iter().chain(noise.into_iter().flatten()).collect()
}

/// What the budgets of a table are counted under.
fn scope<'a>(policy: &'a Policy, name: &'a str) -> &'a str {
    policy.budget_scope.as_deref().unwrap_or(name)
}

/// What the caller's tenant has used of a budget.
async fn look_up(
    database: &Database,
    ctx: &Ctx,
    (table_id, owner, name): (Uuid, Uuid, &str),
    policy: &Policy,
    set: &SetBudget,
) -> Result<Budget> {
    let of = BudgetOf {
        table_id,
        owner,
        name: name.to_owned(),
        scope: scope(policy, name).to_owned(),
        kind: match set.kind {
            BudgetKind::Access => "access",
            BudgetKind::Epsilon => "epsilon",
            BudgetKind::Delta => "delta",
        },
        window: match set.window {
            Window::Day => "day",
            Window::Week => "week",
            Window::Month => "month",
            Window::Ever => "ever",
        },
    };
    let state = database.budget_state(ctx, &of).await?;
    Ok(Budget {
        table_id,
        kind: set.kind,
        limit: set.limit,
        used: state.used,
        resets_at: state.resets_at,
    })
}

/// What a run would charge now. It charges nothing.
///
/// # Errors
/// UNAVAILABLE if the database is away.
pub(crate) async fn costs(database: &Database, ctx: &Ctx, planned: &PlannedQuery) -> Result<Vec<Cost>> {
    let uses = planned.checked_tables();
    let mut costs = Vec::new();
    for (read, policy) in planned.restricted() {
        // Tables that share a scope are charged to it together.
        let shares = |it: &(&ReadTable, &Policy)| {
            let of = |read: &ReadTable, policy| (read.table.owner, scope(policy, &read.name()).to_owned());
            it.1.access_budget.is_some() && of(it.0, it.1) == of(read, policy)
        };
        let amount = planned.restricted().filter(shares).map(|(read, _)| {
            let used = uses.iter().find(|it| it.table_id == read.table.id);
            used.map_or(1, |it| it.uses)
        });
        let amount = amount.sum();
        let budgets = set_budgets(policy).into_iter();
        for set in budgets.filter(|it| it.kind == BudgetKind::Access) {
            let table = read.name();
            let of = (read.table.id, read.table.owner, table.as_str());
            let budget = look_up(database, ctx, of, policy, &set).await?;
            costs.push(Cost {
                table,
                budget,
                amount,
            });
        }
    }
    Ok(costs)
}

impl Cost {
    #[must_use]
    pub(crate) fn remaining(&self) -> f64 {
        (self.budget.limit - self.budget.used).max(0.0)
    }

    /// What is wrong, where the budget does not suffice.
    #[must_use]
    pub(crate) fn violation(&self) -> Option<Violation> {
        let short = self.remaining() < self.amount as f64;
        short.then(|| {
            spent(
                &self.table,
                self.amount,
                self.budget.used,
                self.budget.limit,
                self.budget.resets_at,
            )
        })
    }
}

/// What is wrong, where a charge was refused.
#[must_use]
pub(crate) fn not_charged(short: &ShortBudget) -> Violation {
    spent(
        &short.table,
        short.uses,
        short.used,
        short.limit as f64,
        short.resets_at,
    )
}

fn spent(table: &str, amount: i64, used: f64, limit: f64, resets_at: Option<NaiveDateTime>) -> Violation {
    let again = resets_at.map_or_else(
        || "it is never renewed".to_owned(),
        |at| format!("it is full again at {}", at.format("%Y-%m-%dT%H:%M:%SZ")),
    );
    Violation {
        code: "BUDGET_SPENT".to_owned(),
        rule: "access_budget".to_owned(),
        message: format!(
            "The query uses {table} {amount} times, and your organization has used {used} of {limit}; {again}."
        ),
        table: Some(table.to_owned()),
        ..Violation::default()
    }
}

/// The error of a run that budgets do not suffice for, if there are such; it says when all of them do again.
pub(crate) fn require_budgets(costs: &[Cost]) -> Result<()> {
    let short: Vec<_> = costs
        .iter()
        .filter_map(|cost| Some((cost.violation()?, cost.budget.resets_at)))
        .collect();
    if short.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = short
        .iter()
        .map(|(violation, _)| violation.message.as_str())
        .collect();
    let mut error = Error::precondition(ErrorReason::BudgetSpent, told.join(" "));
    // None of them may be missing.
    let resets: Option<Vec<_>> = short.iter().map(|(_, at)| *at).collect();
    if let Some(at) = resets.and_then(|all| all.into_iter().max()) {
        let wait = (at - utc_now()).to_std().unwrap_or_default();
        error = error
            .with("resets_at", at.and_utc().to_rfc3339())
            .retry_after(wait);
    }
    Err(error)
}

impl Handles {
    /// The budgets that a table's policy sets, as the caller's tenant has them.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub(crate) async fn budgets(&self, ctx: &Ctx, table_id: Uuid) -> Result<Vec<Budget>> {
        let table = self.database.budgeted_table_get(ctx, table_id).await?;
        // A policy that is not understood answers nobody, so nothing is asked of it.
        let policy = table.policy.and_then(|stored| Policy::from_json(&stored).ok());
        let mut budgets = Vec::new();
        let Some(policy) = policy else {
            return Ok(budgets);
        };
        for set in set_budgets(&policy) {
            let of = (table_id, table.owner, table.name.as_str());
            budgets.push(look_up(&self.database, ctx, of, &policy, &set).await?);
        }
        Ok(budgets)
    }
}
