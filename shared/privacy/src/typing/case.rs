//! What stands around the argument of an aggregate: a CASE that is a condition, conversions that change no value.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator};

use super::types::Scope;
use crate::release::ValueKind;
use crate::total::{self, Conversion};

/// An aggregate's argument without the CASE around it, and what the CASE asks.
#[derive(Debug)]
pub(super) struct Uncased<'e> {
    pub(super) kind: ValueKind,
    pub(super) args: Vec<&'e Expr>,
    pub(super) condition: Option<Expr>,
    /// Whether the CASE is 0, not NULL, elsewhere: no difference to a sum that something is added in.
    pub(super) or_zero: bool,
}

/// `CASE WHEN condition THEN x END` is `x` under a condition. Where it is summed, ELSE 0 adds nothing; and a sum of
/// ones is a count.
pub(super) fn uncased<'e>(kind: ValueKind, args: &'e [Expr], scope: &Scope<'_>) -> Uncased<'e> {
    let as_is = Uncased {
        kind,
        args: args.iter().collect(),
        condition: None,
        or_zero: false,
    };
    let [arg] = args else { return as_is };
    let Expr::Case(Case {
        expr,
        when_then_expr,
        else_expr,
    }) = without_float(arg, scope)
    else {
        return as_is;
    };
    let otherwise = else_expr.as_deref().map(literal);
    let adds_nothing = match otherwise {
        None => true,
        Some(Some(value)) if value.is_null() => true,
        Some(Some(value)) => kind == ValueKind::Sum && is_number(value, 0.0),
        Some(None) => false,
    };
    let or_zero = otherwise.flatten().is_some_and(|value| !value.is_null());
    let ([(when, then)], true) = (when_then_expr.as_slice(), adds_nothing) else {
        return as_is;
    };
    let condition = match expr {
        Some(operand) => Expr::BinaryExpr(BinaryExpr::new(operand.clone(), Operator::Eq, when.clone())),
        None => (**when).clone(),
    };
    // Where it has the type that a count has.
    let one = ScalarValue::Int64(Some(1));
    let one = matches!((arg, &**then), (Expr::Case(_), Expr::Literal(value, _)) if *value == one);
    let one = one && kind == ValueKind::Sum;
    Uncased {
        kind: if one { ValueKind::Count } else { kind },
        args: vec![then],
        condition: Some(condition),
        or_zero: or_zero && !one,
    }
}

pub(super) fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => literal(&alias.expr),
        Expr::Cast(cast) => literal(&cast.expr),
        _ => None,
    }
}

fn is_number(value: &ScalarValue, number: f64) -> bool {
    value.data_type().is_numeric() && value.to_string().parse() == Ok(number)
}

/// Averages and deviations are planned over floating-point numbers; here they are computed exactly, of the column.
pub(super) fn without_float<'e>(expr: &'e Expr, scope: &Scope<'_>) -> &'e Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field }) => {
            let from = inner.get_type(scope.schema);
            let widened = from.is_ok_and(|from| {
                let to = field.data_type();
                from.is_numeric()
                    && (*to == DataType::Float64 || total::conversion(&from, to) == Conversion::Lossless)
            });
            if widened {
                without_float(inner, scope)
            } else {
                expr
            }
        }
        _ => expr,
    }
}
