//! The expressions of both levels, each computed once however many values need it.
//!
//! Numbers are exact: integers and decimals are summed as decimals wide enough not to wrap, floating-point measures
//! are taken as decimals of the scale that their owner's policy gives. So a sum does not depend on the order of rows,
//! and two runs of one query agree to the last digit.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchemaRef};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, max, sum};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_fn::{col, when};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Cast, Expr, TryCast, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::Argument;

/// Digits that a measure has room for: with a sum's 38 digits that leaves 10^10 rows.
const MEASURE_DIGITS: u8 = 28;

/// Named expressions, without repetition.
#[derive(Debug, Default)]
pub(super) struct Columns {
    prefix: &'static str,
    exprs: Vec<Expr>,
}

impl Columns {
    pub(super) fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            exprs: Vec::new(),
        }
    }

    /// The column that holds this expression.
    pub(super) fn add(&mut self, expr: Expr) -> Expr {
        let known = self.exprs.iter().position(|e| *e == expr);
        let index = known.unwrap_or_else(|| {
            self.exprs.push(expr);
            self.exprs.len() - 1
        });
        col(self.name(index))
    }

    fn name(&self, index: usize) -> String {
        format!("{}{index}", self.prefix)
    }

    /// What these aggregates give for one row, under their names; nothing if one is not known.
    pub(super) fn of_one_row(&self) -> Option<Vec<Expr>> {
        let named = |(i, e): (usize, &Expr)| Some(of_one_row(e)?.alias(self.name(i)));
        self.exprs.iter().enumerate().map(named).collect()
    }

    /// All of them, under their names.
    pub(super) fn aliased(&self) -> Vec<Expr> {
        self.exprs
            .iter()
            .enumerate()
            .map(|(i, e)| e.clone().alias(self.name(i)))
            .collect()
    }
}

/// What an aggregate gives for a group of one row. Sums have fewer digits then, and as many decimals.
fn of_one_row(aggregate: &Expr) -> Option<Expr> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = aggregate else {
        return None;
    };
    let plain = !params.distinct && params.filter.is_none() && params.order_by.is_empty();
    let ([argument], true) = (params.args.as_slice(), plain) else {
        return None;
    };
    match (func.name(), argument) {
        ("sum", argument) => Some(argument.clone()),
        ("count", Expr::Literal(value, _)) if !value.is_null() => Some(lit(1_i64)),
        ("count", argument) => {
            let there = match argument {
                Expr::Case(case) if case.expr.is_none() && case.else_expr.is_none() => {
                    match case.when_then_expr.as_slice() {
                        [(when, then)] if matches!(&**then, Expr::Literal(value, _) if !value.is_null()) => {
                            (**when).clone()
                        }
                        _ => argument.clone().is_not_null(),
                    }
                }
                _ => argument.clone().is_not_null(),
            };
            when(there, lit(1_i64)).otherwise(lit(0_i64)).ok()
        }
        _ => None,
    }
}

/// Named aggregates over columns of which some are constants, each aggregate that is another then only once; and all of
/// them by their names.
pub(super) fn of_constants(
    aggregates: Vec<Expr>,
    columns: &[Expr],
    schema: &DFSchemaRef,
) -> Result<(Vec<Expr>, Vec<Expr>)> {
    let constant = |expr: &Expr| match expr {
        Expr::Alias(alias) if matches!(*alias.expr, Expr::Literal(..)) => {
            Some((Column::from_name(&alias.name), (*alias.expr).clone()))
        }
        _ => None,
    };
    let constants: HashMap<Column, Expr> = columns.iter().filter_map(constant).collect();
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::clone(schema)).build());
    let (mut once, mut all): (Vec<Expr>, Vec<Expr>) = (Vec::new(), Vec::new());
    for aggregate in aggregates {
        let name = aggregate.schema_name().to_string();
        let mut aggregate = aggregate.unalias();
        if let Expr::AggregateFunction(AggregateFunction { params, .. }) = &mut aggregate {
            for argument in &mut params.args {
                let known = replaced(argument.clone(), &constants)?;
                *argument = simplifier.simplify(known)?;
            }
        }
        let known = once.iter().find(|e| (*e).clone().unalias() == aggregate);
        let same = known.map(|known| col(known.schema_name().to_string()));
        all.push(same.map_or_else(|| col(&name), |same| same.alias(&name)));
        if known.is_none() {
            once.push(aggregate.alias(name));
        }
    }
    Ok((once, all))
}

fn replaced(expr: Expr, constants: &HashMap<Column, Expr>) -> Result<Expr> {
    let constant = |expr: Expr| match &expr {
        Expr::Column(column) => Ok(match constants.get(column) {
            Some(constant) => Transformed::yes(constant.clone()),
            None => Transformed::no(expr),
        }),
        _ => Ok(Transformed::no(expr)),
    };
    Ok(expr.transform(constant)?.data)
}

/// A measure as an exact number.
pub(crate) fn exact(argument: &Expr, data_type: &DataType, scale: u8) -> Expr {
    let argument = Box::new(argument.clone());
    match data_type {
        // A product can be wider than what is summed; such a value is NULL, too.
        DataType::Decimal128(digits, scale) if *digits > MEASURE_DIGITS => Expr::TryCast(TryCast::new(
            argument,
            DataType::Decimal128(MEASURE_DIGITS, *scale),
        )),
        DataType::Decimal128(_, scale) => {
            Expr::Cast(Cast::new(argument, DataType::Decimal128(MEASURE_DIGITS, *scale)))
        }
        whole if whole.is_integer() => Expr::Cast(Cast::new(argument, DataType::Decimal128(20, 0))),
        // Beyond 10^22 or so there is no decimal of that scale; such a value is NULL, as NaN is.
        _ => Expr::TryCast(TryCast::new(
            argument,
            DataType::Decimal128(MEASURE_DIGITS, scale.cast_signed()),
        )),
    }
}

/// Decimals of [`exact`].
pub(super) fn exact_scale(data_type: &DataType, scale: u8) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        whole if whole.is_integer() => 0,
        _ => scale.cast_signed(),
    }
}

/// A measure's distance from a public pivot, with room for its square.
pub(super) fn centered(argument: &Argument, value: &Expr) -> Expr {
    let scale = exact_scale(&argument.data_type, argument.scale());
    let wide = DataType::Decimal256(MEASURE_DIGITS + 2, scale);
    let value = Expr::Cast(Cast::new(Box::new(value.clone()), wide.clone()));
    match argument.bounds() {
        Some([low, high]) => value - Expr::Cast(Cast::new(Box::new(lit(((low + high) / 2.0).round())), wide)),
        None => value,
    }
}

/// `value` where the condition holds, NULL elsewhere.
pub(super) fn conditional(condition: Option<&Expr>, value: Expr) -> Result<Expr> {
    match condition {
        None => Ok(value),
        Some(condition) => when(condition.clone(), value).end(),
    }
}

/// Number of rows for which the condition holds.
pub(super) fn count_where(condition: Option<&Expr>) -> Result<Expr> {
    Ok(count(conditional(condition, lit(1_i64))?))
}

/// Number of units for which the condition holds, over rows of one unit each.
pub(super) fn units_where(condition: Expr) -> Result<Expr> {
    Ok(sum(when(condition, lit(1_i64)).otherwise(lit(0_i64))?))
}

/// The largest and the total of a column's values without their signs.
pub(super) fn shares(value: &Expr, signed: bool) -> Result<(Expr, Expr)> {
    let size = if signed {
        when(
            value.clone().lt(lit(0_i64)),
            Expr::Negative(Box::new(value.clone())),
        )
        .otherwise(value.clone())?
    } else {
        value.clone()
    };
    Ok((max(size.clone()), sum(size)))
}
