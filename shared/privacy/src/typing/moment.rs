//! Differences of dates and of moments, and moments that are moved by an interval of the statement's.
//!
//! A calendar ends, and so do the numbers that moments are counted in; beyond them an engine fails or wraps. Values
//! outside the calendar's years are NULL before they are computed with, and intervals are bounded, so that every
//! result is a moment.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

use super::types::Scope;
use crate::total;

/// Days that a moment may be moved: a century, or a year where moments are counted in nanoseconds.
const CENTURY: i64 = 36_525;
const YEAR: i64 = 366;

/// The years 1825 to 2114: moments of which the difference can be counted in nanoseconds.
const HALF_NANOSECONDS: total::Days = (-52_963, 52_963);

/// The total form of an operation on moments; nothing if there is none.
pub(super) fn moved(
    op: Operator,
    (left, right): (Expr, Expr),
    (left_type, right_type): (&DataType, &DataType),
) -> Option<Expr> {
    let binary = |left, right| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
    match (op, left_type, right_type) {
        (Operator::Minus, DataType::Date32, DataType::Date32) => {
            let day = |e| total::within(e, &DataType::Date32, total::CALENDAR);
            Some(binary(day(left)?, day(right)?))
        }
        (Operator::Minus, DataType::Timestamp(unit, _), _)
            if left_type == right_type && total::is_utc(left_type) =>
        {
            let days = match unit {
                TimeUnit::Nanosecond => HALF_NANOSECONDS,
                _ => total::CALENDAR,
            };
            let moment = |e| total::within(e, left_type, days);
            Some(binary(moment(left)?, moment(right)?))
        }
        (Operator::Plus | Operator::Minus, moment, DataType::Interval(_)) => {
            let (days, most) = match moment {
                DataType::Timestamp(TimeUnit::Nanosecond, _) => (total::NANOSECONDS, YEAR),
                _ => (total::CALENDAR, CENTURY),
            };
            let moment = total::is_utc(moment) || *moment == DataType::Date32;
            let Expr::Literal(interval, _) = &right else {
                return None;
            };
            let bounded = moment && length(interval)? <= most;
            let left = total::within(left, left_type, days)?;
            bounded.then(|| binary(left, right))
        }
        _ => None,
    }
}

/// A difference of moments beside a literal interval that it is compared with, as the engine compares them rightly:
/// as it plans them, an interval of days is longer than any number of hours.
pub(super) fn durations(left: &Expr, right: &Expr, scope: &Scope<'_>) -> Option<(Expr, Expr)> {
    let duration = |e: &Expr| match e {
        Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::Interval(_)) => {
            match cast.expr.get_type(scope.schema).ok()? {
                DataType::Duration(unit) => Some(((*cast.expr).clone(), unit)),
                _ => None,
            }
        }
        _ => None,
    };
    let literal = |e: &Expr, unit: TimeUnit| match e {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(i)), _) if i.months == 0 => {
            let nanos = i64::from(i.days)
                .checked_mul(86_400_000_000_000)?
                .checked_add(i.nanoseconds)?;
            Some(Expr::Literal(of_nanos(nanos, unit)?, None))
        }
        _ => None,
    };
    match (duration(left), duration(right)) {
        (Some((difference, unit)), None) => Some((difference, literal(right, unit)?)),
        (None, Some((difference, unit))) => Some((literal(left, unit)?, difference)),
        _ => None,
    }
}

/// So many nanoseconds, if they are whole units.
fn of_nanos(nanos: i64, unit: TimeUnit) -> Option<ScalarValue> {
    let of = |a_unit: i64| (nanos % a_unit == 0).then_some(Some(nanos / a_unit));
    Some(match unit {
        TimeUnit::Second => ScalarValue::DurationSecond(of(1_000_000_000)?),
        TimeUnit::Millisecond => ScalarValue::DurationMillisecond(of(1_000_000)?),
        TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(of(1_000)?),
        TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(Some(nanos)),
    })
}

/// Days that an interval may be long at most.
fn length(interval: &ScalarValue) -> Option<i64> {
    let of = |months: i32, days: i32, day_parts: i64| {
        i64::from(months).abs() * 31 + i64::from(days).abs() + day_parts.abs() + 1
    };
    match interval {
        ScalarValue::IntervalYearMonth(Some(months)) => Some(of(*months, 0, 0)),
        ScalarValue::IntervalDayTime(Some(i)) => Some(of(0, i.days, i64::from(i.milliseconds) / 86_400_000)),
        ScalarValue::IntervalMonthDayNano(Some(i)) => {
            Some(of(i.months, i.days, i.nanoseconds / 86_400_000_000_000))
        }
        _ => None,
    }
}
