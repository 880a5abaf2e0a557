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
use super::types::{Presence, Restricted, Scope, SourceId, Typed, named, unit_name};
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
        let held = held_by_keys(&rows, &keys);
        let distinct = aggregate.aggr_expr.is_empty();
        let alone = held.is_some() && distinct && !self.alone(&rows, scope.columns).is_empty();
        let hidden: Vec<Expr> = rows.hidden().into_iter().map(Expr::Column).collect();
        let mut group = Vec::with_capacity(keys.len() + hidden.len());
        for (index, key) in keys.into_iter().enumerate() {
            group.push(named(key.expr, &aggregate.schema, index));
            // How many rows a unit has depends, from here on, on what was distinguished (H20).
            rows.control.extend(key.column.lineage.iter().cloned());
            rows.columns.push(key.column);
        }
        let mut visible: Vec<Expr> = aggregate.schema.columns().into_iter().map(Expr::Column).collect();
        visible.truncate(group.len());
        let unit_of = |(source, key): &(SourceId, usize)| visible[*key].clone().alias(unit_name(*source));
        let units = held
            .as_ref()
            .map(|held| held.iter().map(unit_of).collect::<Vec<_>>());
        for (value, column) in values {
            let index = visible.len();
            visible.push(named(value, &aggregate.schema, index));
            rows.columns.push(column);
        }
        let input = Arc::new(rows.plan);
        let grouped = if alone {
            // Nobody has two rows, so all are distinct as they are.
            LogicalPlan::Projection(self.built(Projection::try_new(group, input))?)
        } else {
            if held.is_none() {
                group.extend(hidden.iter().cloned());
            }
            let named = aggregates
                .into_iter()
                .enumerate()
                .map(|(i, e)| e.alias(aggregated(i)));
            LogicalPlan::Aggregate(self.built(Aggregate::try_new(input, group, named.collect()))?)
        };
        rows.plan = if distinct && held.is_none() {
            grouped
        } else {
            visible.extend(units.unwrap_or(hidden));
            let ordered = Projection::try_new(visible, Arc::new(grouped));
            LogicalPlan::Projection(self.built(ordered)?)
        };
        Some(Typed::Restricted(Box::new(rows)))
    }
}

/// The key that holds the unit of each source, if all units are there: to group by both would be to group twice.
fn held_by_keys(rows: &Restricted, keys: &[Key]) -> Option<Vec<(SourceId, usize)>> {
    if !rows.absence.is_empty() {
        return None;
    }
    let holds = |class: SourceId| {
        let holds = |key: &Key| rows.is_unit_of(&key.column, class) && matches!(key.expr, Expr::Column(_));
        keys.iter().position(holds)
    };
    let sources = rows.sources.iter();
    sources
        .map(|(source, state)| {
            let key = holds(state.class).filter(|_| state.presence == Presence::Always)?;
            Some((*source, key))
        })
        .collect()
}
