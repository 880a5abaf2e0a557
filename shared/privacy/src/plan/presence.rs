//! Nodes and expressions that have no typing rule, refused wherever they stand.
//!
//! The gate lets none of them pass in known syntax; this holds for what a rule of the planner might still make.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use crate::violation::{Violation, ViolationCode, Violations};

pub(super) fn check(plan: &LogicalPlan) -> Result<(), Violations> {
    let mut found = Violations::default();
    // The closures never return an error.
    let _ = plan.apply_with_subqueries(|node| {
        if let Some(what) = refused_node(node) {
            refuse(&mut found, what);
        }
        // A subquery of an expression is a node of its own; below another node it is lateral.
        if node
            .inputs()
            .into_iter()
            .any(|input| matches!(input, LogicalPlan::Subquery(_)))
        {
            refuse(&mut found, "LATERAL");
        }
        for expr in node.expressions() {
            let _ = expr.apply(|part| {
                if let Some(what) = refused_expression(part) {
                    refuse(&mut found, what);
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn refuse(found: &mut Violations, what: &str) {
    found.push(Violation::new(
        ViolationCode::ClauseNotSupported,
        "H15",
        format!("{what} is not supported."),
    ));
}

fn refused_node(node: &LogicalPlan) -> Option<&'static str> {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => None,
        LogicalPlan::Distinct(Distinct::On(_)) => Some("DISTINCT ON"),
        LogicalPlan::Unnest(_) => Some("UNNEST"),
        LogicalPlan::RecursiveQuery(_) => Some("WITH RECURSIVE"),
        LogicalPlan::Repartition(_) => Some("DISTRIBUTE BY"),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => Some("A statement other than one SELECT"),
    }
}

fn refused_expression(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::SetComparison(_) => Some("A comparison with ANY or ALL"),
        Expr::ScalarVariable(_, _) => Some("A variable"),
        Expr::Placeholder(_) => Some("A parameter"),
        Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => Some("A lambda"),
        Expr::GroupingSet(_) => Some("GROUPING SETS, CUBE or ROLLUP"),
        Expr::Unnest(_) => Some("UNNEST"),
        _ => None,
    }
}
