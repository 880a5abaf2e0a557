//! Aggregates over restricted rows: one row a unit, or the release.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::logical_expr::{Aggregate, Expr};

use super::Typer;
use super::coarse;
use super::expression::{Place, bare_column};
use super::keys::is_unique;
use super::types::{ColumnType, Kind, Restricted, Scope, SourceId, Typed};
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
        if let Some([distinct, counted]) = self.distinct_first(aggregate, &rows) {
            return match self.aggregate(&distinct, rows)? {
                Typed::Restricted(rows) => self.aggregate(&counted, *rows),
                other => Some(other),
            };
        }
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
            return self.per_unit(aggregate, rows, &scope, keys?);
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
        let alone = self.alone(&rows, &columns);
        self.release(aggregate, (rows, alone), keys, values)
    }

    /// The classes of which no unit is in two rows: proven of the pinned files, or by a grouping below (H11).
    pub(super) fn alone(&self, rows: &Restricted, columns: &[ColumnType]) -> BTreeSet<SourceId> {
        let mut alone = BTreeSet::new();
        if !rows.absence.is_empty() {
            return alone;
        }
        for (class, sources) in rows.classes() {
            let hidden = sources.iter().filter_map(|source| rows.unit(*source));
            let hidden = hidden.filter_map(|unit| rows.plan.schema().maybe_index_of_column(&unit));
            let visible = columns.iter().enumerate();
            let visible = visible.filter(|(_, column)| rows.is_unit_of(column, class));
            let unit: BTreeSet<usize> = hidden.chain(visible.map(|(index, _)| index)).collect();
            if is_unique(&rows.plan, &unit, self.catalog) {
                alone.insert(class);
            }
        }
        alone
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

    /// What is grouped by leaves as it is.
    fn releasable(&mut self, keys: &[Key]) -> bool {
        let mut good = true;
        for key in keys {
            let identifying = key.column.is(ColumnUse::Join) || !key.column.units.is_empty();
            let dimension = match key.column.kind {
                Kind::Stored(_, _) => key.column.is(ColumnUse::Dimension),
                Kind::Derived => !key.column.only_measured(),
                Kind::Open | Kind::Literal => true,
            };
            if identifying || key.column.step.is_some() || !dimension {
                self.refuse_key_column(&key.column, &key.expr);
                good = false;
            }
        }
        good
    }

    pub(super) fn refuse_key_column(&mut self, column: &ColumnType, expr: &Expr) {
        let at = expr.column_refs().into_iter().find_map(column_position);
        let Kind::Stored(source, name) = &column.kind else {
            let message = if column.step.is_some() {
                "What is computed of a dimension with a least step can be grouped by in such steps only."
            } else {
                "What is computed of measures is a measure, and cannot be grouped by."
            };
            let violation = Violation::new(ViolationCode::ColumnUse, "aggregate", message).at(at);
            self.violations.push(violation.rewrite("GROUP BY a dimension"));
            return;
        };
        let info = self.source(*source);
        let table = info.table.full_name();
        let part = info.policy.columns.get(name);
        let coarser = part.and_then(|part| coarse::form(name, part));
        let why = if column.is(ColumnUse::Join) {
            "is a join column: it identifies individuals"
        } else if column.step.is_some() {
            "may be used in steps only"
        } else {
            "is a measure"
        };
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
        self.violations.push(match (coarser, dimensions.as_slice()) {
            (Some(form), _) => violation.rewrite(format!("GROUP BY {form}")),
            (None, []) => violation.rewrite("the aggregate without GROUP BY"),
            (None, names) => violation.rewrite(format!("GROUP BY {}", names.join(", "))),
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
        (rows, alone): (Restricted, BTreeSet<SourceId>),
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
                    constants: key.column.constants,
                }
            })
            .collect();
        let question = Question {
            number,
            rows: &rows,
            classes,
            alone,
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
