//! Aggregates as values of a release: which ones, and over what.

use arrow::datatypes::DataType;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};

use super::Typer;
use super::expression::{Place, bare_column, first_position};
use super::types::{Kind, Lineage, Restricted, Scope};
use crate::plan::column_position;
use crate::policy::{AggregateKind, ColumnUse, Expressions};
use crate::release::{Argument, Value, ValueKind};
use crate::violation::{Position, Violation, ViolationCode};

impl Typer<'_> {
    pub(super) fn value(&mut self, expr: &Expr, scope: &Scope<'_>, rows: &Restricted) -> Option<Value> {
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
            ("stddev" | "stddev_samp", false) => {
                (ValueKind::Stddev { population: false }, AggregateKind::Stddev)
            }
            ("stddev_pop", false) => (ValueKind::Stddev { population: true }, AggregateKind::Stddev),
            ("var" | "var_samp" | "var_sample", false) => {
                (ValueKind::Var { population: false }, AggregateKind::Var)
            }
            ("var_pop" | "var_population", false) => {
                (ValueKind::Var { population: true }, AggregateKind::Var)
            }
            _ => {
                return self.refuse_aggregate(
                    &name,
                    params.distinct,
                    params.args.iter().find_map(first_position),
                );
            }
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
        let mut lineage = argument
            .as_ref()
            .map(|a| a.column.lineage.clone())
            .unwrap_or_default();
        let filter = filter.map(|(expr, control)| {
            lineage.extend(control);
            expr
        });
        listed.then_some(Value {
            kind,
            argument,
            filter,
            lineage,
        })
    }

    /// Minimum, median and their like are values of single rows; so is what depends on which values are distinct.
    fn refuse_aggregate<T>(&mut self, name: &str, distinct: bool, at: Option<Position>) -> Option<T> {
        let name = name.to_uppercase();
        let shown = if distinct {
            format!("{name}(DISTINCT …)")
        } else {
            name
        };
        let message = format!("{shown} reveals single values of other tenants' rows.");
        let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message).at(at);
        self.violations
            .push(violation.rewrite("COUNT, COUNT(DISTINCT join column), SUM, AVG, STDDEV or VAR"));
        None
    }

    /// Every table that the rows come from must list the aggregate.
    fn is_listed(&mut self, kind: AggregateKind, name: &str, rows: &Restricted) -> bool {
        let mut listed = true;
        for source in rows.sources.keys() {
            let info = self.source(*source);
            if !info.policy.aggregates.contains(&kind) {
                let table = info.table.full_name();
                let distinct = if kind == AggregateKind::CountDistinct {
                    "(DISTINCT …)"
                } else {
                    ""
                };
                let message = format!(
                    "The policy of {table} does not list {}{distinct}.",
                    name.to_uppercase()
                );
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
            _ => return self.refuse_argument(args, "an aggregate over several columns"),
        };
        let Some(column) = bare_column(without_float(arg, scope), scope) else {
            return self.refuse_argument(args, "an expression in an aggregate");
        };
        let found = scope.column(column)?.clone();
        let data_type = scope
            .schema
            .field(scope.schema.maybe_index_of_column(column)?)
            .data_type()
            .clone();
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
                let violation = Violation::new(ViolationCode::OwnValues, "H2", message)
                    .column(&column.name)
                    .at(at);
                self.violations.push(
                    violation.rewrite(
                        "the aggregate of your own table alone, joined above with the released groups",
                    ),
                );
                return None;
            }
            Kind::Derived | Kind::Literal => {
                return self.refuse_argument(args, "a computed column in an aggregate");
            }
        };
        let needed = match kind {
            ValueKind::Count => None,
            ValueKind::CountDistinct => Some(found.is(ColumnUse::Join) || found.is(ColumnUse::Dimension)),
            _ => Some(found.is(ColumnUse::Measure)),
        };
        if needed == Some(false) {
            let table = self.source(source).table.full_name();
            let (what, instead) = match kind {
                ValueKind::CountDistinct => (
                    "counted by its distinct values",
                    "COUNT(DISTINCT join column)".to_owned(),
                ),
                _ => (
                    "aggregated: it is not a measure",
                    format!("COUNT({name}), or an aggregate of a measure"),
                ),
            };
            let violation = Violation::new(
                ViolationCode::ColumnUse,
                if kind == ValueKind::CountDistinct {
                    "H9"
                } else {
                    "aggregate"
                },
                format!("{name} of {table} may not be {what}."),
            );
            self.violations
                .push(violation.table(table).column(name).at(at).rewrite(instead));
            return None;
        }
        Some(Some(Argument {
            expr: Expr::Column(column.clone()),
            column: found,
            source,
            name,
            data_type,
        }))
    }

    fn refuse_argument<T>(&mut self, args: &[Expr], what: &str) -> Option<T> {
        let message =
            format!("Over other tenants' rows, {what} is not supported: aggregates take one bare column.");
        let violation = Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message);
        let violation = violation.at(args.iter().find_map(first_position));
        self.violations
            .push(violation.rewrite("an aggregate of the bare column, computed with above it"));
        None
    }

    /// FILTER (WHERE …) makes several values of one group, which may differ by one unit (H13); each table whose rows
    /// are there must allow it, and the release compares them.
    fn conditional(
        &mut self,
        filter: &Expr,
        scope: &Scope<'_>,
        rows: &Restricted,
    ) -> Option<(Expr, Lineage)> {
        let mut allowed = true;
        for source in rows.sources.keys() {
            let info = self.source(*source);
            if info.policy.expressions < Expressions::Conditional {
                let table = info.table.full_name();
                let message = format!("The policy of {table} does not allow FILTER in aggregates.");
                let violation =
                    Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message).table(table);
                self.violations
                    .push(violation.rewrite("WHERE, or GROUP BY the condition"));
                allowed = false;
            }
        }
        let total = self.total(filter, scope, Place::Filter)?;
        let selects = self.refuse_selection(&total.lineage, filter);
        (allowed && !selects).then_some((total.expr, total.lineage))
    }
}

/// Averages and deviations are planned over floating-point numbers; here they are computed exactly, of the column.
fn without_float<'e>(expr: &'e Expr, scope: &Scope<'_>) -> &'e Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field })
            if *field.data_type() == DataType::Float64
                && inner.get_type(scope.schema).is_ok_and(|t| t.is_numeric()) =>
        {
            inner
        }
        _ => expr,
    }
}
