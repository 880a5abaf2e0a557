//! Expressions over restricted rows: what may be computed from dimensions, without ever failing on a row.

use datafusion::common::Column;
use datafusion::logical_expr::expr::{Between, Case, InList, Like};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, TryCast};

use super::Typer;
use super::coarse::{self, coarse};
use super::moment::durations;
use super::types::{ColumnType, Kind, Lineage, Scope};
use crate::plan::column_position;
use crate::policy::ColumnUse;
use crate::total::{self, Conversion, TEXT_LENGTH};
use crate::violation::{Position, Violation, ViolationCode};

/// Where an expression stands; decides what columns it may name, and how a refusal reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Select,
    Where,
    On,
    GroupBy,
    Filter,
}

impl Place {
    fn describe(self) -> &'static str {
        match self {
            Self::Select => "computed with in SELECT",
            Self::Where => "filtered by",
            Self::On => "compared in a join condition",
            Self::GroupBy => "grouped by",
            Self::Filter => "used in FILTER",
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Select => "projection",
            Self::Where | Self::Filter => "filter",
            Self::On => "join",
            Self::GroupBy => "aggregate",
        }
    }
}

/// An expression that is total, and what its value depends on.
#[derive(Debug)]
pub(super) struct Total {
    pub(super) expr: Expr,
    pub(super) lineage: Lineage,
}

/// The column that an expression is, under aliases and conversions that change no value.
pub(super) fn bare_column<'e>(expr: &'e Expr, scope: &Scope<'_>) -> Option<&'e Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => bare_column(&alias.expr, scope),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            let from = expr.get_type(scope.schema).ok()?;
            let lossless = total::conversion(&from, field.data_type()) == Conversion::Lossless;
            if lossless { bare_column(expr, scope) } else { None }
        }
        _ => None,
    }
}

impl Typer<'_> {
    /// The total form of an expression over dimensions, open columns and literals. Tells every violation in it.
    pub(super) fn total(&mut self, expr: &Expr, scope: &Scope<'_>, place: Place) -> Option<Total> {
        let mut lineage = Lineage::new();
        let expr = self.rewrite(expr, scope, place, &mut lineage)?;
        Some(Total { expr, lineage })
    }

    pub(super) fn rewrite(
        &mut self,
        expr: &Expr,
        scope: &Scope<'_>,
        place: Place,
        lineage: &mut Lineage,
    ) -> Option<Expr> {
        if let Some(form) = coarse(expr, scope) {
            return self.coarsened(expr, form, scope, place, lineage);
        }
        let mut part = |typer: &mut Self, e: &Expr| typer.rewrite(e, scope, place, lineage);
        match expr {
            Expr::Alias(alias) => part(self, &alias.expr),
            Expr::Literal(value, _) => {
                if value
                    .try_as_str()
                    .flatten()
                    .is_none_or(|text| text.len() <= TEXT_LENGTH)
                {
                    return Some(expr.clone());
                }
                let message = format!("A text in the statement is longer than {TEXT_LENGTH} bytes.");
                self.violations
                    .push(Violation::new(ViolationCode::InvalidLiteral, "total", message));
                None
            }
            Expr::Column(column) => {
                let found = scope.column(column)?;
                lineage.extend(found.lineage.iter().cloned());
                self.may_use(column, found, place).then(|| expr.clone())
            }
            Expr::IsNotNull(inner)
            | Expr::IsNull(inner)
            | Expr::Not(inner)
            | Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNotUnknown(inner) => part(self, inner).map(|inner| rebuild(expr, inner)),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if compares(*op)
                    && let Some((l, r)) = durations(left, right, scope)
                {
                    let compared = Expr::BinaryExpr(BinaryExpr::new(Box::new(l), *op, Box::new(r)));
                    return self.rewrite(&compared, scope, place, lineage);
                }
                let (l, r) = (part(self, left), part(self, right));
                let (l, r) = (l?, r?);
                self.operator(*op, l, r, expr, (left, right), scope)
            }
            Expr::Negative(inner) => {
                let float = inner.get_type(scope.schema).is_ok_and(|t| t.is_floating());
                let inner = part(self, inner)?;
                if float {
                    return Some(Expr::Negative(Box::new(inner)));
                }
                self.refuse_expression(
                    expr,
                    "The sign of a value that is not a floating-point number",
                    "a cast to DOUBLE",
                );
                None
            }
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) => {
                if let (Some((of_low, l)), Some((_, h))) =
                    (durations(expr, low, scope), durations(expr, high, scope))
                {
                    let between = Between::new(Box::new(of_low), *negated, Box::new(l), Box::new(h));
                    return self.rewrite(&Expr::Between(between), scope, place, lineage);
                }
                let (e, l, h) = (part(self, expr), part(self, low), part(self, high));
                Some(Expr::Between(Between::new(
                    Box::new(e?),
                    *negated,
                    Box::new(l?),
                    Box::new(h?),
                )))
            }
            Expr::InList(InList { expr, list, negated }) => {
                let expr = part(self, expr);
                let list: Vec<Option<Expr>> = list.iter().map(|e| part(self, e)).collect();
                let list = list.into_iter().collect::<Option<Vec<_>>>()?;
                Some(Expr::InList(InList::new(Box::new(expr?), list, *negated)))
            }
            Expr::Like(Like {
                negated,
                expr,
                pattern,
                escape_char,
                case_insensitive,
            }) => {
                let (e, p) = (part(self, expr), part(self, pattern));
                let (e, p) = (e?, p?);
                if !matches!(p, Expr::Literal(_, _)) || escape_char.is_some() {
                    self.refuse_expression(
                        &p,
                        "LIKE with a pattern that is not a literal",
                        "a literal pattern",
                    );
                    return None;
                }
                Some(Expr::Like(Like::new(
                    *negated,
                    Box::new(e),
                    Box::new(p),
                    None,
                    *case_insensitive,
                )))
            }
            Expr::Case(Case {
                expr,
                when_then_expr,
                else_expr,
            }) => {
                let operand = expr.as_ref().map(|e| part(self, e));
                let branches: Vec<_> = when_then_expr
                    .iter()
                    .map(|(w, t)| (part(self, w), part(self, t)))
                    .collect();
                let default = else_expr.as_ref().map(|e| part(self, e));
                let mut when_then = Vec::with_capacity(branches.len());
                for (when, then) in branches {
                    when_then.push((Box::new(when?), Box::new(then?)));
                }
                let operand = match operand {
                    Some(operand) => Some(Box::new(operand?)),
                    None => None,
                };
                let default = match default {
                    Some(default) => Some(Box::new(default?)),
                    None => None,
                };
                Some(Expr::Case(Case::new(operand, when_then, default)))
            }
            Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) => {
                let from = inner.get_type(scope.schema).ok()?;
                let inner = part(self, inner)?;
                self.convert(inner, &from, field.data_type())
            }
            Expr::ScalarFunction(function) => {
                let args: Vec<Option<Expr>> = function.args.iter().map(|arg| part(self, arg)).collect();
                let args = args.into_iter().collect::<Option<Vec<_>>>()?;
                self.function(function, args, scope, lineage)
            }
            Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::OuterReferenceColumn(_, _) => {
                let message = "A subquery cannot be evaluated for each row of another tenant's table.";
                let violation = Violation::new(ViolationCode::Subquery, "H16", message);
                self.violations
                    .push(violation.rewrite("a join, or IN (SELECT …) as a condition of WHERE of its own"));
                None
            }
            Expr::WindowFunction(_) => {
                let message = "A window function cannot run over rows of another tenant's table.";
                let violation = Violation::new(ViolationCode::BelowRelease, "window", message);
                self.violations
                    .push(violation.rewrite("the window over a grouped subquery"));
                None
            }
            _ => {
                self.refuse_expression(expr, "This expression", "comparisons and functions of dimensions");
                None
            }
        }
    }

    /// Whether a column may be read where it stands.
    fn may_use(&mut self, column: &Column, found: &ColumnType, place: Place) -> bool {
        if matches!(found.kind, Kind::Open | Kind::Literal) {
            return true;
        }
        let filtered = place == Place::Where && found.measure.as_ref().is_some_and(|m| m.filter);
        if (found.is(ColumnUse::Dimension) || filtered) && found.step.is_none() {
            return true;
        }
        let (name, of_table, stored) = match &found.kind {
            Kind::Stored(source, name) => {
                let info = self.source(*source);
                let part = info.policy.columns.get(name);
                let table = info.table.full_name();
                (name, format!(" of {table}"), Some((table, part)))
            }
            _ => (&column.name, String::new(), None),
        };
        let coarser = stored.as_ref().and_then(|(_, part)| coarse::form(name, (*part)?));
        let (message, rewrite) = if found.step.is_some() {
            (
                format!("{name}{of_table} may be used in steps only."),
                coarser.unwrap_or_else(|| format!("date_trunc('month', {name})")),
            )
        } else if found.is(ColumnUse::Measure) {
            (
                format!(
                    "{name} is a measure{of_table}: it may be aggregated, not {}.",
                    place.describe()
                ),
                coarser.unwrap_or_else(|| format!("an aggregate of the bare column, such as SUM({name})")),
            )
        } else {
            (
                format!(
                    "{name} is a join column{of_table}: it identifies individuals and may not be {}.",
                    place.describe()
                ),
                format!("an equality with another table's join column, or COUNT(DISTINCT {name})"),
            )
        };
        let violation = Violation::new(ViolationCode::ColumnUse, place.rule(), message)
            .column(name)
            .at(column_position(column))
            .rewrite(rewrite);
        self.violations.push(match stored {
            Some((table, _)) => violation.table(table),
            None => violation,
        });
        false
    }
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Where an expression begins, as far as the planner kept it.
pub(super) fn first_position(expr: &Expr) -> Option<Position> {
    expr.column_refs().into_iter().filter_map(column_position).min()
}

/// The same test of another operand.
fn rebuild(test: &Expr, operand: Expr) -> Expr {
    let operand = Box::new(operand);
    match test {
        Expr::IsNull(_) => Expr::IsNull(operand),
        Expr::IsNotNull(_) => Expr::IsNotNull(operand),
        Expr::IsTrue(_) => Expr::IsTrue(operand),
        Expr::IsFalse(_) => Expr::IsFalse(operand),
        Expr::IsUnknown(_) => Expr::IsUnknown(operand),
        Expr::IsNotTrue(_) => Expr::IsNotTrue(operand),
        Expr::IsNotFalse(_) => Expr::IsNotFalse(operand),
        Expr::IsNotUnknown(_) => Expr::IsNotUnknown(operand),
        _ => Expr::Not(operand),
    }
}
