//! Nodes over open and released rows: everything is free, but that subqueries hide in every expression, and that
//! what comes first must not depend on the engine.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, LogicalPlanBuilder, Sort, Subquery};
use std::sync::Arc;

use super::types::Typed;
use super::{Typer, not_understood};
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// Rebuilds a node over its typed inputs, none of them restricted.
    pub(super) fn free(&mut self, plan: &LogicalPlan, inputs: Vec<Typed>) -> Option<Typed> {
        let mut released = false;
        let mut plans = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Typed::Open(plan) => plans.push(plan),
                Typed::Released(plan) => {
                    released = true;
                    plans.push(plan);
                }
                Typed::Restricted(_) => {
                    self.violations.push(not_understood());
                    return None;
                }
            }
        }
        let exprs = plan
            .expressions()
            .into_iter()
            .map(|e| self.subqueries(e, &mut released))
            .collect::<Vec<_>>();
        let exprs = exprs.into_iter().collect::<Option<Vec<_>>>()?;
        let rebuilt = if plan.inputs().is_empty() && exprs.is_empty() {
            plan.clone()
        } else {
            let rebuilt = plan.with_new_exprs(exprs, plans);
            self.built(rebuilt)?
        };
        if !released {
            return Some(Typed::Open(rebuilt));
        }
        let ordered = match rebuilt {
            LogicalPlan::Sort(sort) => LogicalPlan::Sort(break_ties(sort)),
            LogicalPlan::Limit(limit) => LogicalPlan::Limit(self.ordered_limit(limit)?),
            other => other,
        };
        Some(Typed::Released(ordered))
    }

    /// Types the subqueries of an expression that stands over open or released rows (H16). Whatever clause it
    /// stands in, restricted rows are not read there; what was released or is open is.
    fn subqueries(&mut self, expr: Expr, released: &mut bool) -> Option<Expr> {
        let mut good = true;
        let typed = expr.transform_up(|part| {
            let subquery = match &part {
                Expr::ScalarSubquery(subquery) => subquery,
                Expr::Exists(exists) => &exists.subquery,
                Expr::InSubquery(test) => &test.subquery,
                _ => return Ok(Transformed::no(part)),
            };
            let Some(plan) = self.subquery(subquery, released) else {
                good = false;
                return Ok(Transformed::no(part));
            };
            let subquery = Subquery {
                subquery: Arc::new(plan),
                ..subquery.clone()
            };
            Ok::<_, DataFusionError>(Transformed::yes(match part {
                Expr::ScalarSubquery(_) => Expr::ScalarSubquery(subquery),
                Expr::Exists(mut exists) => {
                    exists.subquery = subquery;
                    Expr::Exists(exists)
                }
                Expr::InSubquery(mut test) => {
                    test.subquery = subquery;
                    Expr::InSubquery(test)
                }
                other => other,
            }))
        });
        let typed = self.built(typed)?;
        good.then_some(typed.data)
    }

    fn subquery(&mut self, subquery: &Subquery, released: &mut bool) -> Option<LogicalPlan> {
        let correlated = !subquery.outer_ref_columns.is_empty();
        match self.node(&subquery.subquery)? {
            Typed::Open(plan) => Some(plan),
            Typed::Released(plan) if !correlated => {
                *released = true;
                // A scalar subquery over groups takes the first; which one that is must not depend on the engine.
                self.ordered(plan)
            }
            Typed::Released(_) => {
                let message =
                    "A subquery that aggregates another tenant's rows cannot depend on the row around it.";
                let violation = Violation::new(ViolationCode::Subquery, "H16", message);
                self.violations
                    .push(violation.rewrite("GROUP BY in the subquery, and a join with its result"));
                None
            }
            Typed::Restricted(_) => {
                let message = "A subquery in this place would read rows of another tenant's table.";
                let violation = Violation::new(ViolationCode::Subquery, "H16", message);
                self.violations
                    .push(violation.rewrite("an aggregate in the subquery"));
                None
            }
        }
    }

    /// The first rows of an order that the engine happens to give would depend on groups that are suppressed (H24).
    fn ordered_limit(&mut self, limit: Limit) -> Option<Limit> {
        if is_ordered(&limit.input) {
            return Some(limit);
        }
        let input = self.ordered(Arc::unwrap_or_clone(limit.input))?;
        Some(Limit {
            input: Arc::new(input),
            ..limit
        })
    }

    /// Released rows in an order of their own, unless the statement gave one.
    pub(super) fn ordered(&mut self, plan: LogicalPlan) -> Option<LogicalPlan> {
        if is_ordered(&plan) {
            return Some(plan);
        }
        let order: Vec<SortExpr> = plan.schema().columns().into_iter().map(ascending).collect();
        if order.is_empty() {
            return Some(plan);
        }
        let sorted = LogicalPlanBuilder::from(plan)
            .sort(order)
            .and_then(LogicalPlanBuilder::build);
        self.built(sorted)
    }
}

/// Rows that the statement's order leaves equal are ordered by all their columns.
fn break_ties(mut sort: Sort) -> Sort {
    let named: Vec<Expr> = sort.expr.iter().map(|s| s.expr.clone()).collect();
    let rest = sort
        .input
        .schema()
        .columns()
        .into_iter()
        .filter(|c| !named.contains(&Expr::Column(c.clone())));
    let rest: Vec<SortExpr> = rest.map(ascending).collect();
    sort.expr.extend(rest);
    sort
}

fn ascending(column: Column) -> SortExpr {
    Expr::Column(column).sort(true, false)
}

/// Whether the order of a plan's rows is given by the statement. A projection keeps the order of what it is over.
fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => true,
        LogicalPlan::Projection(projection) => is_ordered(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_ordered(&alias.input),
        _ => false,
    }
}
