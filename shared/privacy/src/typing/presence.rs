//! The presence relation: the rows of a union, grouped by the unit of every branch.
//!
//! There is one row for each individual, and the hidden units tell in which branches it is: a Venn diagram, released
//! cell by cell.

use datafusion::common::Column;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Typer;
use super::absence::Branches;
use super::aggregate::Key;
use super::expression::{Place, bare_column, first_position};
use super::types::{ColumnType, Restricted, Scope, Typed, named, unit_name};
use crate::policy::JoinKind;
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// One row for each individual of any branch.
    pub(super) fn presence_relation(
        &mut self,
        aggregate: &Aggregate,
        mut rows: Restricted,
        keys: Vec<Key>,
        scope: &Scope<'_>,
    ) -> Option<Typed> {
        let mut branches = rows.absence.branches.take()?;
        let Ok([key]) = <[Key; 1]>::try_from(keys) else {
            let message = "A union of other tenants' rows is made distinct by the join column alone.";
            let violation = Violation::new(ViolationCode::SetOperation, "H4", message);
            self.violations
                .push(violation.rewrite("GROUP BY the join column, and MAX(…) of each dimension"));
            return None;
        };
        if !self.branches_may_meet(&branches) {
            return None;
        }
        let mut columns = vec![key.column];
        let mut exprs = Vec::with_capacity(aggregate.aggr_expr.len() + rows.sources.len());
        for (index, expr) in aggregate.aggr_expr.iter().enumerate() {
            let (expr, column) = self.of_individual(expr, scope)?;
            exprs.push(named(expr, &aggregate.schema, index + 1));
            columns.push(column);
        }
        for source in rows.sources.keys() {
            let unit = rows.unit(*source)?;
            exprs.push(max(Expr::Column(unit)).alias(unit_name(*source)));
        }
        let group = vec![named(key.expr, &aggregate.schema, 0)];
        let grouped = Aggregate::try_new(Arc::new(rows.plan.clone()), group, exprs);
        rows.plan = LogicalPlan::Aggregate(self.built(grouped)?);
        rows.columns = columns;
        branches.distinct = true;
        branches.of_distinct = false;
        rows.absence.branches = Some(branches);
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// COUNT(DISTINCT unit) over all rows of a union, as what it is: the number of rows of the presence relation. Beside
    /// any other value, or in groups that an individual may have rows in several of, it is not that.
    pub(super) fn distinct_first(
        &mut self,
        aggregate: &Aggregate,
        rows: &Restricted,
    ) -> Option<[Aggregate; 2]> {
        let branches = rows.absence.branches.as_ref()?;
        if branches.distinct || !aggregate.group_expr.is_empty() {
            return None;
        }
        let scope = Scope {
            schema: aggregate.input.schema(),
            columns: &rows.columns,
        };
        let unit = |expr: &Expr| {
            let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
                return None;
            };
            let [Expr::Column(unit)] = params.args.as_slice() else {
                return None;
            };
            let found = scope.column(unit)?;
            let of_all = rows.is_per_unit(|class| rows.is_unit_of(found, class));
            (func.name() == "count" && params.distinct && params.filter.is_none() && of_all)
                .then(|| unit.clone())
        };
        let units = aggregate.aggr_expr.iter().map(unit);
        let units = units.collect::<Option<BTreeSet<Column>>>()?;
        let keys: Vec<Expr> = units.into_iter().map(Expr::Column).collect();
        if keys.len() != 1 {
            return None;
        }
        let distinct = Aggregate::try_new(Arc::clone(&aggregate.input), keys, vec![]);
        let distinct = self.built(distinct)?;
        let mut counted = aggregate.clone();
        counted.input = Arc::new(LogicalPlan::Aggregate(distinct.clone()));
        Some([distinct, counted])
    }

    /// MAX or MIN of a dimension, or of a constant, over the branches that an individual is in.
    fn of_individual(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<(Expr, ColumnType)> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
            self.violations.push(super::not_understood());
            return None;
        };
        let plain = !params.distinct && params.filter.is_none() && params.order_by.is_empty();
        let [arg] = params.args.as_slice() else {
            self.violations.push(super::not_understood());
            return None;
        };
        if !matches!(func.name(), "max" | "min") || !plain || params.null_treatment.is_some() {
            let name = func.name().to_uppercase();
            let message = format!("{name} for each individual of a union is not supported.");
            let violation = Violation::new(ViolationCode::AggregateNotAllowed, "H4", message);
            self.violations.push(
                violation
                    .at(first_position(arg))
                    .rewrite("MAX of a dimension or of a constant"),
            );
            return None;
        }
        let total = self.total(arg, scope, Place::GroupBy)?;
        let mut column = ColumnType::derived(total.lineage);
        column.fixes = bare_column(arg, scope)
            .and_then(|c| scope.column(c))
            .and_then(|c| c.fixes)
            .filter(|_| func.name() == "max");
        Some((func.call(vec![total.expr]), column))
    }

    /// Cells are of individuals; another key would be in several of them.
    pub(super) fn refuse_union_of_others<T>(&mut self) -> Option<T> {
        let message =
            "A union is made distinct by a join column that is the privacy unit of every table in it.";
        let violation = Violation::new(ViolationCode::SetOperation, "H11", message);
        self.violations
            .push(violation.rewrite("UNION ALL, or the privacy unit of each table"));
        None
    }

    /// Comparing who is in several tables is a matter of each owner's policy on joins.
    fn branches_may_meet(&mut self, branches: &Branches) -> bool {
        let before = self.violations.len();
        for (index, (_, sources)) in branches.sources.iter().enumerate() {
            let others = branches
                .sources
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index);
            let owners = others
                .flat_map(|(_, (_, others))| others)
                .map(|other| self.source(*other).table.owner)
                .collect();
            for source in sources {
                self.admits(*source, &owners, JoinKind::Semi);
            }
        }
        self.violations.len() == before
    }
}
