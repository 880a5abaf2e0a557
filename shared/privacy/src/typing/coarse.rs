//! Steps and bins: columns that may be used no finer than their owner says.
//!
//! A dimension with a least step is used cut to the step or to a coarser one, `date_trunc('month', at)`; a measure
//! with bins may stand as the bin that a value is in, `floor(spend / 100) * 100`. Such a form is a dimension like any
//! other; the column itself, or a finer form of it, is not. Two forms of one column cut it, together, no finer than
//! the step: every boundary of either is one of the step's.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::functions::math::expr_fn::floor;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, TryCast, lit};

use super::Typer;
use super::expression::Place;
use super::types::{ColumnType, Lineage, Scope};
use crate::policy::{CalendarStep, ColumnPolicy, ColumnUse, Step};

/// An expression that is coarse enough, and the position of the column that it is of.
pub(super) struct Coarse {
    column: usize,
    how: How,
}

enum How {
    /// The expression as it stands.
    AsIs,
    /// `floor(column / width)`.
    Floor { column: Expr, width: f64 },
}

/// How a column may be written instead of bare, for messages.
pub(super) fn form(name: &str, part: &ColumnPolicy) -> Option<String> {
    let width = |width: f64| format!("floor({name} / {width}) * {width}");
    match (&part.step, part.bins) {
        (Some(Step::Number(step)), _) => Some(width(*step)),
        (Some(Step::Calendar(unit)), _) => Some(format!("date_trunc('{}', {name})", word(*unit))),
        (None, Some(bins)) => Some(width(bins)),
        (None, None) => None,
    }
}

fn word(unit: CalendarStep) -> &'static str {
    match unit {
        CalendarStep::Hour => "hour",
        CalendarStep::Day => "day",
        CalendarStep::Week => "week",
        CalendarStep::Month => "month",
        CalendarStep::Quarter => "quarter",
        CalendarStep::Year => "year",
    }
}

/// Parts of a moment that are the same throughout the step. A week may lie in two months.
fn parts_of(step: CalendarStep) -> &'static [&'static str] {
    match step {
        CalendarStep::Hour => &[
            "hour", "day", "dow", "doy", "isodow", "isoyear", "week", "month", "quarter", "year",
        ],
        CalendarStep::Day => &[
            "day", "dow", "doy", "isodow", "isoyear", "week", "month", "quarter", "year",
        ],
        CalendarStep::Week => &["week", "isoyear"],
        CalendarStep::Month => &["month", "quarter", "year"],
        CalendarStep::Quarter => &["quarter", "year"],
        CalendarStep::Year => &["year"],
    }
}

/// Whether an expression is a coarse enough form of a column that may not be used bare.
pub(super) fn coarse(expr: &Expr, scope: &Scope<'_>) -> Option<Coarse> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) => match (func.name(), args.as_slice()) {
            ("date_trunc" | "date_part", [Expr::Literal(part, _), moment]) => {
                let part = part.try_as_str()??.to_lowercase();
                calendar(moment, &part, scope)
            }
            ("floor", [quotient]) => floored(quotient, scope),
            _ => None,
        },
        Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })
            if *field.data_type() == DataType::Date32 =>
        {
            calendar(inner, "day", scope)
        }
        Expr::BinaryExpr(_) => {
            // Whole numbers are divided without a rest.
            let whole = expr.get_type(scope.schema).is_ok_and(|t| t.is_integer());
            let form = floored(expr, scope).filter(|_| whole)?;
            Some(Coarse {
                how: How::AsIs,
                ..form
            })
        }
        _ => None,
    }
}

fn calendar(moment: &Expr, part: &str, scope: &Scope<'_>) -> Option<Coarse> {
    let (column, found) = column_of(moment, scope, is_temporal)?;
    let Some(Step::Calendar(step)) = found.step else {
        return None;
    };
    parts_of(step).contains(&part).then_some(Coarse {
        column,
        how: How::AsIs,
    })
}

/// `column / width`, of which the floor is taken.
fn floored(quotient: &Expr, scope: &Scope<'_>) -> Option<Coarse> {
    let quotient = numeric(quotient, scope);
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Divide,
        right,
    }) = quotient
    else {
        return None;
    };
    let (column, found) = column_of(left, scope, DataType::is_numeric)?;
    let least = match (&found.step, &found.measure) {
        (Some(Step::Number(step)), _) => *step,
        (None, Some(measure)) if found.only_measured() => measure.bins?,
        _ => return None,
    };
    let Expr::Literal(width, _) = numeric(right, scope) else {
        return None;
    };
    let Ok(ScalarValue::Float64(Some(width))) = width.cast_to(&DataType::Float64) else {
        return None;
    };
    let steps = width / least;
    let whole = (1.0 - 1e-9..1e15).contains(&steps) && (steps - steps.round()).abs() < 1e-9 * steps;
    let (qualifier, field) = scope.schema.qualified_field(column);
    let bare = Expr::from((qualifier, field));
    whole.then_some(Coarse {
        column,
        how: How::Floor { column: bare, width },
    })
}

fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(_, _))
}

/// An expression without conversions from number to number.
fn numeric<'e>(expr: &'e Expr, scope: &Scope<'_>) -> &'e Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field })
            if field.data_type().is_numeric()
                && inner.get_type(scope.schema).is_ok_and(|t| t.is_numeric()) =>
        {
            numeric(inner, scope)
        }
        _ => expr,
    }
}

/// The column that is converted among types of one sort.
fn column_of<'s>(
    expr: &Expr,
    scope: &Scope<'s>,
    sort: impl Fn(&DataType) -> bool,
) -> Option<(usize, &'s ColumnType)> {
    match expr {
        Expr::Column(column) => {
            let index = scope.schema.maybe_index_of_column(column)?;
            Some((index, scope.columns.get(index)?))
        }
        Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) => {
            let from = inner.get_type(scope.schema).ok()?;
            let within = sort(&from) && sort(field.data_type());
            if within {
                column_of(inner, scope, sort)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Whether an expression takes, elsewhere than in bins, a number that may only be aggregated.
pub(super) fn computes_measures(expr: &Expr, scope: &Scope<'_>) -> bool {
    let mut computes = false;
    // The closure never returns an error.
    let _ = expr.apply(|part| {
        if coarse(part, scope).is_some() {
            return Ok(TreeNodeRecursion::Jump);
        }
        if let Expr::Column(column) = part {
            computes |= scope.column(column).is_some_and(ColumnType::only_measured);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    computes
}

impl Typer<'_> {
    /// The total form of a coarse one.
    pub(super) fn coarsened(
        &mut self,
        expr: &Expr,
        form: Coarse,
        scope: &Scope<'_>,
        place: Place,
        lineage: &mut Lineage,
    ) -> Option<Expr> {
        match form.how {
            How::AsIs => {
                let mut columns = scope.columns.to_vec();
                let column = columns.get_mut(form.column)?;
                column.step = None;
                column.uses.insert(ColumnUse::Dimension);
                let scope = Scope {
                    schema: scope.schema,
                    columns: &columns,
                };
                self.rewrite(expr, &scope, place, lineage)
            }
            How::Floor { column, width } => {
                lineage.extend(scope.columns.get(form.column)?.lineage.iter().cloned());
                let number = Expr::Cast(Cast::new(Box::new(column), DataType::Float64));
                let to = expr.get_type(scope.schema).ok()?;
                let bin = floor(number / lit(width));
                Some(match to {
                    DataType::Float64 => bin,
                    to => Expr::TryCast(TryCast::new(Box::new(bin), to)),
                })
            }
        }
    }
}
