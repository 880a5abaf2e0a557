//! Alias, projection and filter over restricted rows.

use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, LogicalPlan, Projection, SubqueryAlias, TryCast,
};
use std::sync::Arc;

use super::Typer;
use super::coarse::computes_measures;
use super::expression::{Place, bare_column};
use super::types::{ColumnType, Restricted, Scope, Typed, named};
use crate::policy::ColumnUse;

impl Typer<'_> {
    pub(super) fn alias(&mut self, alias: &SubqueryAlias, mut rows: Restricted) -> Option<Typed> {
        let renamed = SubqueryAlias::try_new(Arc::new(rows.plan), alias.alias.clone());
        rows.plan = LogicalPlan::SubqueryAlias(self.built(renamed)?);
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// Columns pass as they are; everything computed is a dimension that descends from what it is computed of. A
    /// computation over an identifying column would be a way around every rule about such columns.
    pub(super) fn projection(&mut self, projection: &Projection, mut rows: Restricted) -> Option<Typed> {
        let columns = std::mem::take(&mut rows.columns);
        let scope = Scope {
            schema: projection.input.schema(),
            columns: &columns,
        };
        let mut exprs = Vec::with_capacity(projection.expr.len() + rows.sources.len());
        for (index, expr) in projection.expr.iter().enumerate() {
            if let Some((expr, column)) = self.projected(expr, &scope) {
                exprs.push(named(expr, &projection.schema, index));
                rows.columns.push(column);
            }
        }
        if exprs.len() < projection.expr.len() {
            return None;
        }
        exprs.extend(rows.hidden().into_iter().map(Expr::Column));
        let projection = Projection::try_new(exprs, Arc::new(rows.plan));
        rows.plan = LogicalPlan::Projection(self.built(projection)?);
        Some(Typed::Restricted(Box::new(rows)))
    }

    fn projected(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<(Expr, ColumnType)> {
        if let Some(column) = bare_column(expr, scope) {
            return Some((expr.clone().unalias(), scope.column(column)?.clone()));
        }
        if computes_measures(expr, scope) {
            return self.computed_measure(expr, scope);
        }
        let total = self.total(expr, scope, Place::Select)?;
        let literal = matches!(total.expr, Expr::Literal(_, _));
        let column = if literal {
            ColumnType::literal()
        } else {
            ColumnType::derived(total.lineage)
        };
        Some((total.expr, column))
    }

    /// A product of measures, where their owner lets them be computed with (H8): still a measure.
    fn computed_measure(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<(Expr, ColumnType)> {
        let (product, _, column) = self.measured(expr, scope)?;
        let to = expr.get_type(scope.schema).ok()?;
        Some((Expr::TryCast(TryCast::new(Box::new(product), to)), column))
    }

    /// Conditions over dimensions. What a row was kept for is control lineage: a column's own threshold holds for
    /// every value below which it was filtered by (H20).
    pub(super) fn filter(&mut self, filter: &Filter, mut rows: Restricted) -> Option<Typed> {
        let columns = std::mem::take(&mut rows.columns);
        let scope = Scope {
            schema: filter.input.schema(),
            columns: &columns,
        };
        let mut kept = Vec::new();
        let mut refused = false;
        for condition in split_conjunction(&filter.predicate) {
            match self.condition(condition, &scope) {
                Some((_, lineage)) if self.refuse_selection(&lineage, condition) => refused = true,
                Some((expr, lineage)) => {
                    rows.control.extend(lineage);
                    kept.push(expr);
                }
                None => refused = true,
            }
        }
        if refused {
            return None;
        }
        if let Some(predicate) = kept.into_iter().reduce(Expr::and) {
            let filter = Filter::try_new(predicate, Arc::new(rows.plan));
            rows.plan = LogicalPlan::Filter(self.built(filter)?);
        }
        rows.columns = columns;
        Some(Typed::Restricted(Box::new(rows)))
    }

    fn condition(&mut self, condition: &Expr, scope: &Scope<'_>) -> Option<(Expr, super::Lineage)> {
        // That a join column is present, the join itself says; as one part of a larger condition it could be negated.
        if let Expr::IsNotNull(inner) = condition
            && let Some(column) = bare_column(inner, scope)
            && let Some(found) = scope.column(column)
            && found.is(ColumnUse::Join)
        {
            return Some((condition.clone(), found.lineage.clone()));
        }
        let total = self.total(condition, scope, Place::Where)?;
        Some((total.expr, total.lineage))
    }
}
