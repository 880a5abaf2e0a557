//! The order of a result's rows: the statement's, and where that leaves a choice, one that depends on
//! nothing but the rows. An engine's own order would tell of its work on rows that did not leave.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::Result;
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{Expr, LogicalPlan, Sort};

/// The same plan with every choice of order made: sorts break their ties by all columns, limits take
/// from sorted rows, and the result is sorted.
///
/// # Errors
/// A plan whose expressions do not fit its columns.
pub(crate) fn with_total_order(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up(|node| {
        Ok(match node {
            LogicalPlan::Sort(sort) => Transformed::yes(LogicalPlan::Sort(break_ties(sort))),
            LogicalPlan::Limit(mut limit) if !is_sorted(&limit.input) => {
                limit.input = Arc::new(sort_by_all(Arc::unwrap_or_clone(limit.input)));
                Transformed::yes(LogicalPlan::Limit(limit))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(if is_sorted(&plan.data) {
        plan.data
    } else {
        sort_by_all(plan.data)
    })
}

/// Whether the rows come from a sort with nothing between that could mix them.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(node) => is_sorted(&node.input),
        LogicalPlan::SubqueryAlias(node) => is_sorted(&node.input),
        LogicalPlan::Limit(node) => is_sorted(&node.input),
        _ => false,
    }
}

fn break_ties(mut sort: Sort) -> Sort {
    let given: Vec<Expr> = sort.expr.iter().map(|key| key.expr.clone()).collect();
    sort.expr
        .extend(all_columns(&sort.input).filter(|key| !given.contains(&key.expr)));
    sort
}

fn sort_by_all(plan: LogicalPlan) -> LogicalPlan {
    let keys: Vec<SortExpr> = all_columns(&plan).collect();
    if keys.is_empty() {
        return plan;
    }
    LogicalPlan::Sort(Sort {
        expr: keys,
        input: Arc::new(plan),
        fetch: None,
    })
}

fn all_columns(plan: &LogicalPlan) -> impl Iterator<Item = SortExpr> {
    let nulls_first = false;
    plan.schema()
        .columns()
        .into_iter()
        .map(move |column| Expr::Column(column).sort(true, nulls_first))
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    async fn ordered(sql: &str) -> String {
        let context = SessionContext::new();
        context.sql("CREATE TABLE t (a INT, b INT, c INT)").await.unwrap();
        let plan = context.sql(sql).await.unwrap().into_unoptimized_plan();
        let plan = with_total_order(plan).unwrap();
        // It is a plan that can run.
        context
            .execute_logical_plan(plan.clone())
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        plan.display().to_string() + "\n" + &plan.display_indent().to_string()
    }

    fn sorts(plan: &str) -> Vec<&str> {
        plan.lines()
            .skip(1)
            .filter_map(|line| line.trim().strip_prefix("Sort: "))
            .collect()
    }

    #[tokio::test]
    async fn a_result_without_order_gets_one() {
        let plan = ordered("SELECT a, b FROM t").await;
        assert_eq!(sorts(&plan), ["t.a ASC NULLS LAST, t.b ASC NULLS LAST"]);
    }

    #[tokio::test]
    async fn ties_are_broken_by_the_other_columns() {
        let plan = ordered("SELECT a, b, c FROM t ORDER BY b DESC").await;
        let expected = "t.b DESC NULLS FIRST, t.a ASC NULLS LAST, t.c ASC NULLS LAST";
        assert_eq!(sorts(&plan), [expected]);
    }

    #[tokio::test]
    async fn limits_take_from_sorted_rows() {
        let plan = ordered("SELECT sum(a) AS s FROM (SELECT a FROM t LIMIT 3)").await;
        assert_eq!(sorts(&plan), ["s ASC NULLS LAST", "t.a ASC NULLS LAST"]);
        let plan = ordered("SELECT a FROM t ORDER BY c LIMIT 3").await;
        assert_eq!(sorts(&plan).len(), 1);
    }
}
