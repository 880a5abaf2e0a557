//! Aggregates over restricted rows: one row a unit, or the release.

use datafusion::logical_expr::expr::AggregateFunction;
use arrow::datatypes::DataType;
use datafusion::logical_expr::{Aggregate, Cast, Expr, ExprSchemable, LogicalPlan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Typer;
use super::expression::{Place, bare_column};
use super::types::{ColumnType, Kind, Lineage, Restricted, Scope, Typed, named};
use crate::plan::column_position;
use crate::policy::{AggregateKind, ColumnUse, Expressions, JoinCondition};
use crate::release::{Argument, Group, Question, Released, Value, ValueKind};
use crate::violation::{Violation, ViolationCode};

/// A checked group key.
struct Key {
    expr: Expr,
    column: ColumnType,
}

/// Averages and deviations are planned over floating-point numbers; here they are computed exactly, of the column.
fn without_float<'e>(expr: &'e Expr, scope: &Scope<'_>) -> &'e Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field })
            if *field.data_type() == DataType::Float64 && inner.get_type(scope.schema).is_ok_and(|t| t.is_numeric()) =>
        {
            inner
        }
        _ => expr,
    }
}

impl Typer<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, mut rows: Restricted) -> Option<Typed> {
        let columns = std::mem::take(&mut rows.columns);
        let scope = Scope { schema: aggregate.input.schema(), columns: &columns };
        let keys: Vec<Option<Key>> = aggregate.group_expr.iter().map(|e| self.group_key(e, &scope)).collect();
        let per_unit = rows.classes().keys().all(|class| {
            keys.iter().flatten().any(|key| rows.is_unit_of(&key.column, *class))
        });
        let keys = keys.into_iter().collect::<Option<Vec<_>>>();
        if per_unit {
            return self.per_unit(aggregate, rows, keys?);
        }
        let released_keys = keys.as_ref().is_none_or(|keys| self.releasable(keys));
        let values: Vec<Option<Value>> = aggregate.aggr_expr.iter().map(|e| self.value(e, &scope, &rows)).collect();
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
            return Some(Key { expr: expr.clone().unalias(), column: scope.column(column)?.clone() });
        }
        let total = self.total(expr, scope, Place::GroupBy)?;
        let literal = matches!(total.expr, Expr::Literal(_, _));
        let column = if literal { ColumnType::literal() } else { ColumnType::derived(total.lineage) };
        Some(Key { expr: total.expr, column })
    }

    /// One row a unit, and dimensions: still rows of individuals, so still restricted.
    fn per_unit(&mut self, aggregate: &Aggregate, mut rows: Restricted, keys: Vec<Key>) -> Option<Typed> {
        if !aggregate.aggr_expr.is_empty() {
            let message = "Aggregates for each individual are not supported; an aggregate is grouped by dimensions.";
            let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message);
            self.violations.push(violation.rewrite("GROUP BY dimensions, or SELECT DISTINCT of the join column"));
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
            rows.columns.push(key.column);
        }
        group.extend(rows.units().into_iter().map(Expr::Column));
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
                Kind::Stored(source, name) => self.source(*source).policy.columns.get(name).is_some_and(|p| p.step.is_some()),
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
        let dimensions = info.policy.columns.iter().filter(|(_, p)| p.uses.contains(&ColumnUse::Dimension));
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

    fn value(&mut self, expr: &Expr, scope: &Scope<'_>, rows: &Restricted) -> Option<Value> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
            self.violations.push(super::not_understood());
            return None;
        };
        let name = func.name().to_lowercase();
        let kind = match (name.as_str(), params.distinct) {
            ("count", false) => (ValueKind::Count, AggregateKind::Count),
            ("count", true) => (ValueKind::CountDistinct, AggregateKind::CountDistinct),
            ("sum", false) => (ValueKind::Sum, AggregateKind::Sum),
            ("avg" | "mean", false) => (ValueKind::Avg, AggregateKind::Avg),
            ("stddev" | "stddev_samp", false) => (ValueKind::Stddev { population: false }, AggregateKind::Stddev),
            ("stddev_pop", false) => (ValueKind::Stddev { population: true }, AggregateKind::Stddev),
            ("var" | "var_samp" | "var_sample", false) => (ValueKind::Var { population: false }, AggregateKind::Var),
            ("var_pop" | "var_population", false) => (ValueKind::Var { population: true }, AggregateKind::Var),
            _ => return self.refuse_aggregate(&name, params.distinct),
        };
        let (kind, allowed) = kind;
        if !params.order_by.is_empty() || params.null_treatment.is_some() {
            self.violations.push(Violation::new(
                ViolationCode::ClauseNotSupported,
                "H15",
                "ORDER BY and IGNORE NULLS within an aggregate are not supported over other tenants' rows.",
            ));
            return None;
        }
        let listed = self.is_listed(allowed, &name, rows);
        let argument = self.argument(kind, &params.args, scope);
        let filter = match &params.filter {
            None => Some(None),
            Some(filter) => self.conditional(filter, scope, rows).map(Some),
        };
        let (argument, filter) = (argument?, filter?);
        let mut lineage = argument.as_ref().map(|a| a.column.lineage.clone()).unwrap_or_default();
        let filter = filter.map(|(expr, control)| {
            lineage.extend(control);
            expr
        });
        listed.then_some(Value { kind, argument, filter, lineage })
    }

    /// Minimum, median and their like are values of single rows; so is what depends on which values are distinct.
    fn refuse_aggregate<T>(&mut self, name: &str, distinct: bool) -> Option<T> {
        let name = name.to_uppercase();
        let shown = if distinct { format!("{name}(DISTINCT …)") } else { name };
        let message = format!("{shown} reveals single values of other tenants' rows.");
        let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message);
        self.violations.push(violation.rewrite("COUNT, COUNT(DISTINCT join column), SUM, AVG, STDDEV or VAR"));
        None
    }

    /// Every table that the rows come from must list the aggregate.
    fn is_listed(&mut self, kind: AggregateKind, name: &str, rows: &Restricted) -> bool {
        let mut listed = true;
        for source in rows.sources.keys() {
            let info = self.source(*source);
            if !info.policy.aggregates.contains(&kind) {
                let table = info.table.full_name();
                let distinct = if kind == AggregateKind::CountDistinct { "(DISTINCT …)" } else { "" };
                let message = format!("The policy of {table} does not list {}{distinct}.", name.to_uppercase());
                let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message);
                self.violations.push(violation.table(table));
                listed = false;
            }
        }
        listed
    }

    /// What an aggregate takes: nothing (COUNT(*)), or one bare column.
    fn argument(&mut self, kind: ValueKind, args: &[Expr], scope: &Scope<'_>) -> Option<Option<Argument>> {
        let count = kind == ValueKind::Count;
        let arg = match args {
            [] if count => return Some(None),
            [Expr::Literal(value, _)] if count && !value.is_null() => return Some(None),
            [arg] => arg,
            _ => return self.refuse_argument("an aggregate over several columns"),
        };
        let Some(column) = bare_column(without_float(arg, scope), scope) else {
            return self.refuse_argument("an expression in an aggregate");
        };
        let found = scope.column(column)?.clone();
        let data_type = scope.schema.field(scope.schema.maybe_index_of_column(column)?).data_type().clone();
        let at = column_position(column);
        let (source, name) = match &found.kind {
            Kind::Stored(source, name) => (*source, name.clone()),
            Kind::Open => {
                // A number that the caller attached to each individual is read off the sum, digit by digit (H2).
                let message = format!(
                    "{} is a column of your own: an aggregate over rows that another tenant's table selected would tell \
                     which of them matched.",
                    column.name
                );
                let violation = Violation::new(ViolationCode::OwnValues, "H2", message).column(&column.name).at(at);
                self.violations.push(violation.rewrite(
                    "the aggregate of your own table alone, joined above with the released groups",
                ));
                return None;
            }
            Kind::Derived | Kind::Literal => return self.refuse_argument("a computed column in an aggregate"),
        };
        let needed = match kind {
            ValueKind::Count => None,
            ValueKind::CountDistinct => Some(found.is(ColumnUse::Join) || found.is(ColumnUse::Dimension)),
            _ => Some(found.is(ColumnUse::Measure)),
        };
        if needed == Some(false) {
            let table = self.source(source).table.full_name();
            let (what, instead) = match kind {
                ValueKind::CountDistinct => ("counted by its distinct values", "COUNT(DISTINCT join column)".to_owned()),
                _ => ("aggregated: it is not a measure", format!("COUNT({name}), or an aggregate of a measure")),
            };
            let violation = Violation::new(
                ViolationCode::ColumnUse,
                if kind == ValueKind::CountDistinct { "H9" } else { "aggregate" },
                format!("{name} of {table} may not be {what}."),
            );
            self.violations.push(violation.table(table).column(name).at(at).rewrite(instead));
            return None;
        }
        Some(Some(Argument { expr: Expr::Column(column.clone()), column: found, source, name, data_type }))
    }

    fn refuse_argument<T>(&mut self, what: &str) -> Option<T> {
        let message = format!("Over other tenants' rows, {what} is not supported: aggregates take one bare column.");
        let violation = Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message);
        self.violations.push(violation.rewrite("an aggregate of the bare column, computed with above it"));
        None
    }

    /// FILTER (WHERE …) makes several values of one group, which may differ by one unit (H13); each table whose rows
    /// are there must allow it, and the release compares them.
    fn conditional(&mut self, filter: &Expr, scope: &Scope<'_>, rows: &Restricted) -> Option<(Expr, Lineage)> {
        let mut allowed = true;
        for source in rows.sources.keys() {
            let info = self.source(*source);
            if info.policy.expressions < Expressions::Conditional {
                let table = info.table.full_name();
                let message = format!("The policy of {table} does not allow FILTER in aggregates.");
                let violation = Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message).table(table);
                self.violations.push(violation.rewrite("WHERE, or GROUP BY the condition"));
                allowed = false;
            }
        }
        let total = self.total(filter, scope, Place::Filter)?;
        allowed.then_some((total.expr, total.lineage))
    }

    /// Whether each source was joined as its owner demands.
    fn conditions(&mut self, rows: &Restricted) -> bool {
        let mut good = true;
        for (source, state) in &rows.sources {
            let info = self.source(*source);
            let policy = info.policy;
            let keys = policy.columns.iter().filter(|(_, part)| part.uses.contains(&ColumnUse::Join));
            let missing: BTreeSet<&String> = keys.map(|(name, _)| name).filter(|name| !state.joined.contains(*name)).collect();
            let demand = match policy.joins.condition {
                JoinCondition::Any if state.joined.is_empty() => "one of its join columns",
                JoinCondition::All if !missing.is_empty() => "each of its join columns",
                _ => continue,
            };
            let table = info.table.full_name();
            let message = format!("The policy of {table} demands a join by {demand}.");
            let violation = Violation::new(ViolationCode::JoinNotAllowed, "join", message).table(table);
            let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
            self.violations.push(violation.rewrite(format!("a join by {}", names.join(", "))));
            good = false;
        }
        good
    }

    fn release(&mut self, aggregate: &Aggregate, rows: Restricted, keys: Vec<Key>, values: Vec<Value>) -> Option<Typed> {
        let number = self.releases.len();
        if number >= self.limits.releases || values.len() > self.limits.values_per_release {
            let message = format!(
                "A statement releases at most {} times, {} values each.",
                self.limits.releases, self.limits.values_per_release
            );
            self.violations.push(Violation::new(ViolationCode::TooLarge, "limits", message));
            return None;
        }
        let mut control = rows.control.clone();
        control.extend(keys.iter().flat_map(|key| key.column.lineage.iter().cloned()));
        let classes: BTreeMap<_, _> = rows.classes();
        let groups = keys.into_iter().map(|key| Group { expr: key.expr }).collect();
        let question = Question { number, rows: &rows, classes, groups, values, control };
        let Released { release, plan } = crate::release::build(self, aggregate, question)?;
        self.releases.push(release);
        Some(Typed::Released(plan))
    }
}
