//! What the aggregates of a release take: nothing, a bare column, a condition on it, or arithmetic.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::Typer;
use super::arithmetic::{Polynomial, Unfit, polynomial};
use super::case::{literal, without_float};
use super::expression::{Place, bare_column, first_position};
use super::types::{ColumnType, Component, Kind, Lineage, Restricted, Scope};
use crate::plan::column_position;
use crate::policy::{ColumnUse, Expressions};
use crate::release::{Argument, ValueKind};
use crate::violation::{Violation, ViolationCode};

/// What an aggregate takes, its conditions aside.
#[derive(Debug)]
pub(super) struct Taken {
    /// Nothing for COUNT(*).
    pub(super) argument: Option<Argument>,
    pub(super) component: Component,
}

impl Typer<'_> {
    pub(super) fn argument(
        &mut self,
        kind: ValueKind,
        args: &[&Expr],
        scope: &Scope<'_>,
        rows: &Restricted,
    ) -> Option<Taken> {
        let count = kind == ValueKind::Count;
        let arg = match args {
            [] if count => return Some(Taken::rows()),
            [arg] if count && literal(arg).is_some_and(|value| !value.is_null()) => {
                return Some(Taken::rows());
            }
            [arg] => *arg,
            _ => return self.refuse_argument(args, "an aggregate over several columns"),
        };
        let Some(column) = bare_column(without_float(arg, scope), scope) else {
            return self.computed(kind, arg, scope, rows);
        };
        let found = scope.column(column)?.clone();
        if found.kind == Kind::Open {
            return self.refuse_own_value(column);
        }
        if found.kind == Kind::Literal {
            return self.refuse_argument(args, "a literal in an aggregate");
        }
        let fits = match kind {
            // That a computed value is there is a condition.
            ValueKind::Count => {
                let computed = found.kind == Kind::Derived && !found.is(ColumnUse::Measure);
                !computed
                    || self.allows(
                        Expressions::Conditional,
                        rows,
                        "an aggregate of a computed column",
                    )
            }
            ValueKind::CountDistinct => {
                let counted =
                    found.is(ColumnUse::Join) || found.is(ColumnUse::Dimension) && found.step.is_none();
                counted || self.refuse_use(kind, column, &found)
            }
            _ => found.measure.is_some() || self.refuse_use(kind, column, &found),
        };
        let data_type = Expr::Column(column.clone()).get_type(scope.schema).ok()?;
        let expr = Expr::Column(column.clone());
        fits.then(|| Taken::of(kind, Argument::new(expr, found, data_type, Vec::new())))
    }

    /// Arithmetic over measures, where the owner's policy has it.
    fn computed(
        &mut self,
        kind: ValueKind,
        arg: &Expr,
        scope: &Scope<'_>,
        rows: &Restricted,
    ) -> Option<Taken> {
        if !matches!(kind, ValueKind::Sum | ValueKind::Avg) {
            if matches!(kind, ValueKind::Count | ValueKind::CountDistinct) {
                return self.counted(kind, arg, scope, rows);
            }
            return self.refuse_argument(&[arg], "an expression in this aggregate");
        }
        if !self.allows(Expressions::Arithmetic, rows, "an expression in an aggregate") {
            return None;
        }
        let found = self.polynomial(arg, scope)?;
        let Polynomial {
            expr,
            data_type,
            measure,
            lineage,
            products,
        } = found;
        let column = ColumnType::measured(lineage, measure);
        let products = if products.len() > 1 { products } else { Vec::new() };
        Some(Taken::of(kind, Argument::new(expr, column, data_type, products)))
    }

    /// An expression over dimensions, counted where it is not NULL, or by its distinct values.
    fn counted(
        &mut self,
        kind: ValueKind,
        arg: &Expr,
        scope: &Scope<'_>,
        rows: &Restricted,
    ) -> Option<Taken> {
        let own = arg
            .column_refs()
            .into_iter()
            .find(|c| scope.column(c).is_some_and(|found| found.kind == Kind::Open));
        if let Some(own) = own {
            return self.refuse_own_value(own);
        }
        if !self.allows(Expressions::Conditional, rows, "an expression in an aggregate") {
            return None;
        }
        let total = self.total(arg, scope, Place::Select)?;
        let data_type = arg.get_type(scope.schema).ok()?;
        let column = ColumnType::derived(total.lineage);
        Some(Taken::of(
            kind,
            Argument::new(total.expr, column, data_type, Vec::new()),
        ))
    }

    /// The polynomial that an expression over measures is; or why it is none.
    pub(super) fn polynomial(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<Polynomial> {
        match polynomial(expr, scope) {
            Ok(found) => Some(found),
            Err(unfit) => {
                let own = expr
                    .column_refs()
                    .into_iter()
                    .find(|c| scope.column(c).is_some_and(|found| found.kind == Kind::Open));
                if let (Unfit::Other, Some(own)) = (unfit, own) {
                    return self.refuse_own_value(own);
                }
                let message = format!(
                    "This computation over measures is not supported: {}.",
                    unfit.describe()
                );
                let violation = Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message);
                self.violations.push(violation.at(first_position(expr)).rewrite(
                    "SUM(a * b), SUM(a - b) or SUM(a * 0.5), and further computation above the aggregate",
                ));
                None
            }
        }
    }

    /// Whether every table whose rows are there lets aggregates take that much.
    pub(super) fn allows(&mut self, level: Expressions, rows: &Restricted, what: &str) -> bool {
        let mut allowed = true;
        for source in rows.sources.keys() {
            let info = self.source(*source);
            if info.policy.expressions < level {
                let table = info.table.full_name();
                let message = format!("The policy of {table} does not allow {what}.");
                let violation =
                    Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message).table(table);
                self.violations.push(violation.rewrite(match level {
                    Expressions::Arithmetic => "an aggregate of the bare column, computed with above it",
                    _ => "WHERE, or GROUP BY the condition",
                }));
                allowed = false;
            }
        }
        allowed
    }

    /// A number that the caller attached to each individual is read off the sum, digit by digit (H2).
    pub(super) fn refuse_own_value<T>(&mut self, column: &Column) -> Option<T> {
        let message = format!(
            "{} is a column of your own: an aggregate over rows that another tenant's table selected would tell \
             which of them matched.",
            column.name
        );
        let violation = Violation::new(ViolationCode::OwnValues, "H2", message)
            .column(&column.name)
            .at(column_position(column));
        self.violations.push(
            violation.rewrite("the aggregate of your own table alone, joined above with the released groups"),
        );
        None
    }

    fn refuse_use(&mut self, kind: ValueKind, column: &Column, found: &ColumnType) -> bool {
        let (what, rule, instead) = match kind {
            ValueKind::CountDistinct => (
                "counted by its distinct values",
                "H9",
                "COUNT(DISTINCT join column)".to_owned(),
            ),
            _ => (
                "aggregated: it is not a measure",
                "aggregate",
                format!("COUNT({}), or an aggregate of a measure", column.name),
            ),
        };
        let table = match &found.kind {
            Kind::Stored(source, _) => Some(self.source(*source).table.full_name()),
            _ => None,
        };
        let of_table = table
            .as_ref()
            .map(|table| format!(" of {table}"))
            .unwrap_or_default();
        let message = format!("{}{of_table} may not be {what}.", column.name);
        let violation = Violation::new(ViolationCode::ColumnUse, rule, message)
            .column(&column.name)
            .at(column_position(column))
            .rewrite(instead);
        self.violations.push(match table {
            Some(table) => violation.table(table),
            None => violation,
        });
        false
    }

    fn refuse_argument<T>(&mut self, args: &[&Expr], what: &str) -> Option<T> {
        let message =
            format!("Over other tenants' rows, {what} is not supported: aggregates take one bare column.");
        let violation = Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message);
        let violation = violation.at(args.iter().find_map(|e| first_position(e)));
        self.violations
            .push(violation.rewrite("an aggregate of the bare column, computed with above it"));
        None
    }

    /// A condition of one value makes several values of one group, which may differ by one unit (H13); each table whose
    /// rows are there must allow it, and the release compares them.
    pub(super) fn conditional(
        &mut self,
        filter: &Expr,
        scope: &Scope<'_>,
        rows: &Restricted,
    ) -> Option<(Expr, Lineage)> {
        let allowed = self.allows(Expressions::Conditional, rows, "a condition in an aggregate");
        let total = self.total(filter, scope, Place::Filter)?;
        let selects = self.refuse_selection(&total.lineage, filter);
        (allowed && !selects).then_some((total.expr, total.lineage))
    }
}

impl Taken {
    fn rows() -> Self {
        Self {
            argument: None,
            component: Component::Rows,
        }
    }

    fn of(kind: ValueKind, argument: Argument) -> Self {
        let counts = matches!(kind, ValueKind::Count | ValueKind::CountDistinct);
        let measure = argument.column.measure.as_ref().filter(|_| !counts);
        let component = measure.map_or(Component::Rows, |m| m.component.clone());
        Self {
            argument: Some(argument),
            component,
        }
    }
}
