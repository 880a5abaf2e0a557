//! Operators, conversions and functions that are evaluated on every row: their total forms.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, TryCast, lit};

use super::Typer;
use super::expression::first_position;
use super::moment::moved;
use super::types::{Lineage, Scope};
use crate::total::{self, Arguments, Conversion};
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    pub(super) fn operator(
        &mut self,
        op: Operator,
        left: Expr,
        right: Expr,
        original: &Expr,
        (left_before, right_before): (&Expr, &Expr),
        scope: &Scope<'_>,
    ) -> Option<Expr> {
        let plain =
            |left: Expr, right: Expr| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
        match op {
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::And
            | Operator::Or
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom => Some(plain(left, right)),
            Operator::StringConcat
                if [left_before, right_before]
                    .into_iter()
                    .all(|e| e.get_type(scope.schema).is_ok_and(|t| total::is_string(&t))) =>
            {
                Some(plain(total::shortened(left), total::shortened(right)))
            }
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                let types = (
                    left_before.get_type(scope.schema).ok()?,
                    right_before.get_type(scope.schema).ok()?,
                );
                let result = original.get_type(scope.schema).ok()?;
                let moment = |t: &DataType| matches!(t, DataType::Date32 | DataType::Timestamp(_, _));
                if matches!(types.1, DataType::Interval(_)) || moment(&types.0) {
                    let moved = moved(op, (left, right), (&types.0, &types.1));
                    if moved.is_none() {
                        self.refuse_expression(
                            original,
                            "This computation with a date or moment",
                            "a date minus a date, a moment of UTC minus one of the same type, or plus or minus a literal INTERVAL of up to a century (a year for nanoseconds)",
                        );
                    }
                    return moved;
                }
                if types.0.is_floating() && types.1.is_floating() && op != Operator::Modulo {
                    return Some(plain(left, right));
                }
                if let Some(exact) = decimals(op, (&left, &types.0), (&right, &types.1)) {
                    return Some(Expr::TryCast(TryCast::new(Box::new(exact), result)));
                }
                // Products of these do not fit the decimals that hold all others.
                let wide = op == Operator::Multiply && result == DataType::UInt64;
                if types.0.is_integer() && types.1.is_integer() && result.is_integer() && !wide {
                    return self.whole_numbers(op, left, right, result);
                }
                self.refuse_expression(
                    original,
                    "Arithmetic over this type",
                    "a cast of both sides to BIGINT or DOUBLE",
                );
                None
            }
            _ => {
                self.refuse_expression(
                    original,
                    &format!("The operator {op}"),
                    "comparisons, AND, OR, NOT, +, -, *, /",
                );
                None
            }
        }
    }

    /// Sums and products of 64-bit numbers fit a decimal of 38 digits; what does not fit the result type is NULL.
    /// Division is by literals alone: there is no divisor to fail on.
    fn whole_numbers(&mut self, op: Operator, left: Expr, right: Expr, result: DataType) -> Option<Expr> {
        if matches!(op, Operator::Divide | Operator::Modulo) {
            let divisor = match &right {
                Expr::Literal(value, _) => whole(value),
                _ => None,
            };
            if divisor.is_none_or(|d| d < 1) {
                self.refuse_expression(
                    &right,
                    "Division by anything but a literal above 0",
                    "a literal divisor",
                );
                return None;
            }
            return Some(Expr::BinaryExpr(BinaryExpr::new(
                Box::new(left),
                op,
                Box::new(right),
            )));
        }
        let wide = |e: Expr| Expr::Cast(Cast::new(Box::new(e), DataType::Decimal128(20, 0)));
        let exact = Expr::BinaryExpr(BinaryExpr::new(Box::new(wide(left)), op, Box::new(wide(right))));
        Some(Expr::TryCast(TryCast::new(Box::new(exact), result)))
    }

    pub(super) fn convert(&mut self, inner: Expr, from: &DataType, to: &DataType) -> Option<Expr> {
        if let Expr::Literal(value, metadata) = &inner {
            // A literal that does not convert is the caller's own mistake, told before anything is read.
            return match value.cast_to(to) {
                Ok(value) => Some(Expr::Literal(value, metadata.clone())),
                Err(_) => {
                    let message = format!("{value} cannot be read as {to}.");
                    self.violations
                        .push(Violation::new(ViolationCode::InvalidLiteral, "total", message));
                    None
                }
            };
        }
        match total::conversion(from, to) {
            Conversion::Lossless => Some(Expr::Cast(Cast::new(Box::new(inner), to.clone()))),
            Conversion::Try => Some(Expr::TryCast(TryCast::new(Box::new(inner), to.clone()))),
            Conversion::Within(days) => {
                let inner = total::within(inner, from, days)?;
                Some(Expr::TryCast(TryCast::new(Box::new(inner), to.clone())))
            }
            Conversion::None => {
                self.refuse_expression(
                    &inner,
                    &format!("A conversion from {from} to {to}"),
                    "a comparison within one type",
                );
                None
            }
        }
    }

    pub(super) fn function(
        &mut self,
        function: &ScalarFunction,
        args: Vec<Expr>,
        scope: &Scope<'_>,
        lineage: &Lineage,
    ) -> Option<Expr> {
        let name = function.func.name();
        let Some(rule) = total::total_function(name) else {
            let message =
                format!("{name} is not among the functions that can be applied to other tenants' rows.");
            let violation = Violation::new(ViolationCode::FunctionNotAllowed, "total", message);
            let at = function.args.iter().find_map(first_position);
            self.violations.push(
                violation
                    .at(at)
                    .rewrite(format!("one of {}", total::total_function_names())),
            );
            return None;
        };
        let forbidden = lineage.iter().map(|(source, _)| *source).find(|source| {
            self.source(*source)
                .policy
                .functions
                .as_ref()
                .is_some_and(|allowed| !allowed.contains(name))
        });
        if let Some(source) = forbidden {
            let table = self.source(source).table.full_name();
            let message = format!("The policy of {table} does not list the function {name}.");
            self.violations
                .push(Violation::new(ViolationCode::FunctionNotAllowed, "projection", message).table(table));
            return None;
        }
        if let Some(args) = total_arguments(rule, function, args, scope) {
            return Some(Expr::ScalarFunction(ScalarFunction::new_udf(
                function.func.clone(),
                args,
            )));
        }
        let message = format!("{name} could fail on a row with these arguments.");
        let violation = Violation::new(ViolationCode::FunctionNotAllowed, "total", message);
        let at = function.args.iter().find_map(first_position);
        self.violations.push(
            violation
                .at(at)
                .rewrite("literal arguments in range, a DOUBLE to round, and parts that the type has"),
        );
        None
    }

    pub(super) fn refuse_expression(&mut self, expr: &Expr, what: &str, instead: &str) {
        let message = format!(
            "{what} is not known to succeed on every row, so it cannot be applied where other tenants' rows are read."
        );
        let violation = Violation::new(ViolationCode::ExpressionNotAllowed, "total", message);
        self.violations
            .push(violation.at(first_position(expr)).rewrite(instead));
    }
}

/// Sums and products that have a decimal in them, where all their digits fit.
fn decimals(op: Operator, left: (&Expr, &DataType), right: (&Expr, &DataType)) -> Option<Expr> {
    let digits = |t: &DataType| match t {
        DataType::Decimal128(digits, scale) => Some((*digits, u8::try_from(*scale).ok()?)),
        whole if whole.is_integer() => Some((total::integer_digits(whole), 0)),
        _ => None,
    };
    if left.1.is_integer() && right.1.is_integer() {
        return None;
    }
    let ((d1, s1), (d2, s2)) = (digits(left.1)?, digits(right.1)?);
    let needed = match op {
        Operator::Multiply => d1.checked_add(d2)?,
        Operator::Plus | Operator::Minus => (d1 - s1).max(d2 - s2) + s1.max(s2) + 1,
        _ => return None,
    };
    let exact = |e: &Expr, (digits, scale): (u8, u8)| {
        let to = DataType::Decimal128(digits, scale.cast_signed());
        Box::new(Expr::Cast(Cast::new(Box::new(e.clone()), to)))
    };
    (needed <= 38).then(|| {
        let (left, right) = (exact(left.0, (d1, s1)), exact(right.0, (d2, s2)));
        Expr::BinaryExpr(BinaryExpr::new(left, op, right))
    })
}

/// The arguments with which a function cannot fail; nothing if there are none.
fn total_arguments(
    rule: Arguments,
    function: &ScalarFunction,
    args: Vec<Expr>,
    scope: &Scope<'_>,
) -> Option<Vec<Expr>> {
    let literal = |e: &Expr| matches!(e, Expr::Literal(_, _));
    let type_of = |index: usize| function.args.get(index)?.get_type(scope.schema).ok();
    let good = match rule {
        Arguments::Any => true,
        Arguments::Growing(most) => {
            let texts = (0..args.len()).all(|i| type_of(i).is_some_and(|t| total::is_string(&t)));
            return (texts && args.len() <= most).then(|| args.into_iter().map(total::shortened).collect());
        }
        Arguments::PartOf | Arguments::CutTo => {
            let (part, moment) = <[Expr; 2]>::try_from(args).ok()?.into();
            let Expr::Literal(part, _) = part else { return None };
            let (part, data_type) = (part.try_as_str()??.to_lowercase(), type_of(1)?);
            let moment = if rule == Arguments::PartOf {
                total::has_part(&data_type, &part).then_some(moment)
            } else {
                total::cuttable(moment, &data_type, &part)
            };
            return Some(vec![lit(part), moment?]);
        }
        Arguments::Float => type_of(0).is_some_and(|t| t.is_floating()) && args.iter().skip(1).all(literal),
        Arguments::Decimals => {
            let few = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if whole(value).is_some_and(|d| d.abs() <= 15));
            type_of(0).is_some_and(|t| t.is_floating()) && args.len() <= 2 && args.iter().skip(1).all(few)
        }
        Arguments::BinOf => {
            let mut args = args.into_iter();
            let (stride, moment) = (args.next()?, args.next()?);
            let from: Vec<Expr> = args.collect();
            let dated = from.len() <= 1
                && from
                    .iter()
                    .all(|e| matches!(e, Expr::Literal(value, _) if !value.is_null()));
            let moment = total::binnable(moment, &type_of(1)?, &stride)?;
            let all = [stride, moment].into_iter().chain(from).collect();
            return dated.then_some(all);
        }
        Arguments::TrailingAtLeast(least) => args.iter().skip(1).enumerate().all(|(i, arg)| match arg {
            Expr::Literal(value, _) => whole(value).zip(least.get(i)).is_some_and(|(v, l)| v >= *l),
            _ => false,
        }),
    };
    good.then_some(args)
}

fn whole(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(number)) if value.data_type().is_integer() => number,
        _ => None,
    }
}
