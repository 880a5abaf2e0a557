//! Answers of earlier runs: the same question of the same tenant over the same rows under the same policies.

use std::time::Duration;

use datacovey_error::Result;
use datacovey_persistence::{Database, QueryResultRow, utc_now};
use datacovey_privacy::{Release, deep};
use datacovey_types::Ctx;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use super::planned::PlannedQuery;
use crate::domain::question::cache_key;

/// An answer that lasts no longer than this is computed anew: it would be gone before it is read.
const LEAST_LIFE: Duration = Duration::from_secs(60);

impl PlannedQuery {
    /// What its answers are kept under; none where an answer depends on more than rows and statement.
    #[must_use]
    pub(crate) fn cache_key(&self, ctx: &Ctx) -> Option<String> {
        let releases = self.compiled.releases.iter().map(Release::engine_plan);
        let plans = releases.chain([&self.compiled.top]);
        if self.tables.is_empty() {
            return None;
        }
        let plans = deep(|| {
            let told = plans.map(|plan| is_constant(plan).then(|| plan.display_indent().to_string()));
            told.collect::<Option<Vec<_>>>()
        });
        let statement = &self.compiled.normalized;
        Some(cache_key(
            ctx.tenant_id(),
            statement,
            &plans??,
            &self.asked_tables(),
        ))
    }
}

/// Whether a plan gives the same rows whenever it runs over the same tables.
fn is_constant(plan: &LogicalPlan) -> bool {
    let mut constant = true;
    // The closure never returns an error.
    let _ = plan.apply_with_subqueries(|node| {
        constant &= !node.expressions().iter().any(varies);
        Ok(if constant {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    constant
}

fn varies(expr: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode as _;
    let is_call = |expr: &Expr| {
        Ok(
            matches!(expr, Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable),
        )
    };
    expr.exists(is_call).unwrap_or(true)
}

/// The newest answer under a key, if it lasts long enough to be read.
///
/// # Errors
/// UNAVAILABLE if the database is away.
pub(crate) async fn earlier_answer(
    database: &Database,
    ctx: &Ctx,
    planned: &PlannedQuery,
) -> Result<Option<QueryResultRow>> {
    let Some(key) = planned.cache_key(ctx) else {
        return Ok(None);
    };
    database
        .query_result_cached(ctx, &key, utc_now() + LEAST_LIFE)
        .await
}
