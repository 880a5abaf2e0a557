//! Aggregates over restricted rows: one row a unit, or the release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::Typer;
use super::expression::{Place, bare_column};
use super::types::{ColumnType, Kind, Restricted, Scope, Typed, named};
use crate::plan::column_position;
use crate::policy::{ColumnUse, JoinCondition};
use crate::release::{Group, Question, Released, Value};
use crate::total;
use crate::violation::{Violation, ViolationCode};

/// A checked group key.
pub(super) struct Key {
    pub(super) expr: Expr,
    pub(super) column: ColumnType,
}

impl Typer<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, mut rows: Restricted) -> Option<Typed> {
        let aggregate = &without_repetition(aggregate);
        let columns = std::mem::take(&mut rows.columns);
        let scope = Scope {
            schema: aggregate.input.schema(),
            columns: &columns,
        };
        let keys: Vec<Option<Key>> = aggregate
            .group_expr
            .iter()
            .map(|e| self.group_key(e, &scope))
            .collect();
        let per_unit = rows.is_per_unit(|class| {
            keys.iter()
                .flatten()
                .any(|key| rows.is_unit_of(&key.column, class))
        });
        let keys = keys.into_iter().collect::<Option<Vec<_>>>();
        if rows.absence.branches.is_some() {
            let by_key = |keys: &Vec<Key>| keys.iter().any(|key| key.column.is(ColumnUse::Join));
            if per_unit {
                return self.presence_relation(aggregate, rows, keys?, &scope);
            } else if keys.as_ref().is_some_and(by_key) {
                return self.refuse_union_of_others();
            }
        }
        if per_unit {
            return self.per_unit(aggregate, rows, keys?);
        }
        let released_keys = keys.as_ref().is_none_or(|keys| self.releasable(keys));
        let values: Vec<Option<Value>> = aggregate
            .aggr_expr
            .iter()
            .map(|e| self.value(e, &scope, &rows))
            .collect();
        let values = values.into_iter().collect::<Option<Vec<_>>>();
        let conditions = self.conditions(&rows);
        let (keys, values) = (keys?, values?);
        if !released_keys || !conditions {
            return None;
        }
        self.release(aggregate, rows, keys, values)
    }

    fn group_key(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<Key> {
        if let Some(column) = bare_column(expr, scope) {
            return Some(Key {
                expr: expr.clone().unalias(),
                column: scope.column(column)?.clone(),
            });
        }
        let total = self.total(expr, scope, Place::GroupBy)?;
        let literal = matches!(total.expr, Expr::Literal(_, _));
        let column = if literal {
            ColumnType::literal()
        } else {
            ColumnType::derived(total.lineage)
        };
        Some(Key {
            expr: total.expr,
            column,
        })
    }

    /// One row a unit, and dimensions: still rows of individuals, so still restricted.
    fn per_unit(&mut self, aggregate: &Aggregate, mut rows: Restricted, keys: Vec<Key>) -> Option<Typed> {
        if !aggregate.aggr_expr.is_empty() {
            let message =
                "Aggregates for each individual are not supported; an aggregate is grouped by dimensions.";
            let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message);
            self.violations
                .push(violation.rewrite("GROUP BY dimensions, or SELECT DISTINCT of the join column"));
            return None;
        }
        for key in &keys {
            // A value repeated as often as it differs is a SUM(DISTINCT) in disguise.
            if key.column.is(ColumnUse::Measure) && !key.column.is(ColumnUse::Dimension) {
                self.refuse_key_column(&key.column, &key.expr);
                return None;
            }
        }
        let mut group = Vec::with_capacity(keys.len() + rows.sources.len());
        for (index, key) in keys.into_iter().enumerate() {
            group.push(named(key.expr, &aggregate.schema, index));
            // How many rows a unit has depends, from here on, on what was distinguished (H20).
            rows.control.extend(key.column.lineage.iter().cloned());
            rows.columns.push(key.column);
        }
        group.extend(rows.hidden().into_iter().map(Expr::Column));
        let grouped = Aggregate::try_new(Arc::new(rows.plan), group, Vec::new());
        rows.plan = LogicalPlan::Aggregate(self.built(grouped)?);
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// What is grouped by leaves as it is.
    fn releasable(&mut self, keys: &[Key]) -> bool {
        let mut good = true;
        for key in keys {
            let identifying = key.column.is(ColumnUse::Join) || !key.column.units.is_empty();
            let stepped = match &key.column.kind {
                Kind::Stored(source, name) => self
                    .source(*source)
                    .policy
                    .columns
                    .get(name)
                    .is_some_and(|p| p.step.is_some()),
                _ => false,
            };
            let dimension = match key.column.kind {
                Kind::Stored(_, _) => key.column.is(ColumnUse::Dimension),
                Kind::Derived | Kind::Open | Kind::Literal => true,
            };
            if identifying || stepped || !dimension {
                self.refuse_key_column(&key.column, &key.expr);
                good = false;
            }
        }
        good
    }

    fn refuse_key_column(&mut self, column: &ColumnType, expr: &Expr) {
        let Kind::Stored(source, name) = &column.kind else {
            return;
        };
        let info = self.source(*source);
        let table = info.table.full_name();
        let why = if column.is(ColumnUse::Join) {
            "is a join column: it identifies individuals"
        } else if column.is(ColumnUse::Measure) {
            "is a measure"
        } else {
            "has a least step, which is not supported yet"
        };
        let at = expr.column_refs().into_iter().find_map(column_position);
        let dimensions = info
            .policy
            .columns
            .iter()
            .filter(|(_, p)| p.uses.contains(&ColumnUse::Dimension));
        let dimensions: Vec<&str> = dimensions.map(|(name, _)| name.as_str()).collect();
        let violation = Violation::new(
            ViolationCode::ColumnUse,
            "aggregate",
            format!("{name} of {table} {why}, and cannot be grouped by."),
        );
        let violation = violation.table(table).column(name).at(at);
        self.violations.push(match dimensions.as_slice() {
            [] => violation.rewrite("the aggregate without GROUP BY"),
            names => violation.rewrite(format!("GROUP BY {}", names.join(", "))),
        });
    }

    /// Whether each source was joined as its owner demands.
    pub(super) fn conditions(&mut self, rows: &Restricted) -> bool {
        let mut good = true;
        for (source, state) in &rows.sources {
            let info = self.source(*source);
            let policy = info.policy;
            let keys = policy
                .columns
                .iter()
                .filter(|(_, part)| part.uses.contains(&ColumnUse::Join));
            let missing: BTreeSet<&String> = keys
                .map(|(name, _)| name)
                .filter(|name| !state.joined.contains(*name))
                .collect();
            let demand = match policy.joins.condition {
                JoinCondition::Any if state.joined.is_empty() => "one of its join columns",
                JoinCondition::All if !missing.is_empty() => "each of its join columns",
                _ => continue,
            };
            let table = info.table.full_name();
            let message = format!("The policy of {table} demands a join by {demand}.");
            let violation = Violation::new(ViolationCode::JoinNotAllowed, "join", message).table(table);
            let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
            self.violations
                .push(violation.rewrite(format!("a join by {}", names.join(", "))));
            good = false;
        }
        good
    }

    fn release(
        &mut self,
        aggregate: &Aggregate,
        rows: Restricted,
        keys: Vec<Key>,
        values: Vec<Value>,
    ) -> Option<Typed> {
        let number = self.release_number(values.len())?;
        let mut control = rows.control.clone();
        control.extend(keys.iter().flat_map(|key| key.column.lineage.iter().cloned()));
        let classes: BTreeMap<_, _> = rows.classes();
        let groups = keys
            .into_iter()
            .enumerate()
            .map(|(index, key)| {
                // Texts that the caller chose could be so long that the engine's failure tells how many groups there are.
                let text = total::is_string(aggregate.schema.field(index).data_type());
                let chosen = matches!(key.column.kind, Kind::Open | Kind::Derived);
                let expr = if text && chosen {
                    total::shortened(key.expr)
                } else {
                    key.expr
                };
                Group {
                    expr,
                    lineage: key.column.lineage,
                    fixes: key.column.fixes,
                }
            })
            .collect();
        let question = Question {
            number,
            rows: &rows,
            classes,
            groups,
            values,
            control,
        };
        let Released { release, plan } = crate::release::build(self, aggregate, question)?;
        self.releases.push(release);
        Some(Typed::Released(plan))
    }
}

/// What is grouped by twice is one key: the planner gives it one field.
fn without_repetition(aggregate: &Aggregate) -> Aggregate {
    let mut aggregate = aggregate.clone();
    let mut seen: Vec<Expr> = Vec::with_capacity(aggregate.group_expr.len());
    aggregate.group_expr.retain(|key| {
        let new = !seen.contains(key);
        seen.push(key.clone());
        new
    });
    aggregate
}
