//! Differences of dates, and moments that are moved by an interval of the statement's.
//!
//! A calendar ends, and so do the numbers that moments are counted in; beyond them an engine fails or wraps. Values
//! outside the calendar's years are NULL before they are computed with, and intervals are bounded, so that every
//! result is a moment.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::total;

/// Days that a moment may be moved: a century, or a year where moments are counted in nanoseconds.
const CENTURY: i64 = 36_525;
const YEAR: i64 = 366;

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
