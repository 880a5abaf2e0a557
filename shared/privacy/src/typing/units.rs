//! Aggregates with one row for each unit: still rows of individuals, and so still restricted.
//!
//! What is counted, or is least, greatest, first or last among an individual's *dimensions*, is a dimension of that
//! individual: how often it came, when it came first, what it saw last. What is computed of its *measures* is a
//! measure. A count is both: it may be grouped by, and it may be summed, where a unit supports the sum only by a count
//! that is not zero (H7).

use std::sync::Arc;

use datafusion::logical_expr::expr_fn::col;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};

use super::Typer;
use super::aggregate::Key;
use super::types::{Restricted, Scope, Typed, named};
use super::unit_value::UnitValue;
use crate::plan::RESERVED;

/// Name of an aggregate below the projection that gives values their own names.
pub(super) fn aggregated(index: usize) -> String {
    format!("{RESERVED}aggregate_{index}")
}

impl Typer<'_> {
    pub(super) fn per_unit(
        &mut self,
        aggregate: &Aggregate,
        mut rows: Restricted,
        scope: &Scope<'_>,
        keys: Vec<Key>,
    ) -> Option<Typed> {
        for key in &keys {
            // A value repeated as often as it differs is a SUM(DISTINCT) in disguise; and steps are not to be evaded.
            if key.column.only_measured() || key.column.step.is_some() {
                self.refuse_key_column(&key.column, &key.expr);
                return None;
            }
        }
        if rows.absence.matches.iter().any(|known| !known.anti) {
            // Some rows of an individual may have a match, and others none: that is not one row.
            return self.refuse_nested_absence();
        }
        let mut aggregates = Vec::new();
        let mut values = Vec::new();
        let mut refused = false;
        for expr in &aggregate.aggr_expr {
            match self.unit_value(expr, scope, &rows, aggregates.len()) {
                Some(UnitValue {
                    aggregates: more,
                    value,
                    column,
                }) => {
                    let value = value.unwrap_or_else(|| col(aggregated(aggregates.len())));
                    aggregates.extend(more);
                    values.push((value, column));
                }
                None => refused = true,
            }
        }
        if refused {
            return None;
        }
        let units = rows.hidden();
        let mut group = Vec::with_capacity(keys.len() + units.len());
        for (index, key) in keys.into_iter().enumerate() {
            group.push(named(key.expr, &aggregate.schema, index));
            // How many rows a unit has depends, from here on, on what was distinguished (H20).
            rows.control.extend(key.column.lineage.iter().cloned());
            rows.columns.push(key.column);
        }
        let mut visible: Vec<Expr> = aggregate.schema.columns().into_iter().map(Expr::Column).collect();
        visible.truncate(group.len());
        for (value, column) in values {
            let index = visible.len();
            visible.push(named(value, &aggregate.schema, index));
            rows.columns.push(column);
        }
        let units: Vec<Expr> = units.into_iter().map(Expr::Column).collect();
        group.extend(units.iter().cloned());
        visible.extend(units);
        let named = aggregates
            .into_iter()
            .enumerate()
            .map(|(i, e)| e.alias(aggregated(i)));
        let grouped = Aggregate::try_new(Arc::new(rows.plan), group, named.collect());
        let grouped = LogicalPlan::Aggregate(self.built(grouped)?);
        rows.plan = if aggregate.aggr_expr.is_empty() {
            grouped
        } else {
            let ordered = Projection::try_new(visible, Arc::new(grouped));
            LogicalPlan::Projection(self.built(ordered)?)
        };
        Some(Typed::Restricted(Box::new(rows)))
    }
}
