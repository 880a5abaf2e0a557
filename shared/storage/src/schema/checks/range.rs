use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use serde_json::{Map, Value};

use super::{Report, failing};
use crate::schema::ColumnType;
use crate::schema::exact::Exact;

/// `minimum`, `maximum` and the exclusive ones.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Range {
    /// Inclusive.
    Integer {
        low: i64,
        high: i64,
    },
    /// Inclusive, in units of the column's scale.
    Decimal {
        low: i128,
        high: i128,
        scale: u8,
    },
    Number(NumberRange),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct NumberRange {
    low: f64,
    low_exclusive: bool,
    high: f64,
    high_exclusive: bool,
}

impl Range {
    pub(super) fn parse(keywords: &Map<String, Value>, column_type: &ColumnType) -> Option<Self> {
        let bound = |keyword: &str| match keywords.get(keyword) {
            Some(Value::Number(bound)) => Some(bound),
            _ => None,
        };
        let lows = [(bound("minimum"), false), (bound("exclusiveMinimum"), true)];
        let highs = [(bound("maximum"), false), (bound("exclusiveMaximum"), true)];
        if lows.iter().chain(&highs).all(|(bound, _)| bound.is_none()) {
            return None;
        }
        // Of two bounds on one side the tighter counts.
        let whole = |scale: u8| {
            let low = lows.iter().filter_map(|(bound, exclusive)| {
                Exact::of((*bound)?).map(|it| it.least_units(scale, *exclusive))
            });
            let high = highs.iter().filter_map(|(bound, exclusive)| {
                Exact::of((*bound)?).map(|it| it.most_units(scale, *exclusive))
            });
            (low.max().unwrap_or(i128::MIN), high.min().unwrap_or(i128::MAX))
        };
        match column_type {
            ColumnType::Integer => {
                let (low, high) = whole(0);
                // A bound beyond the type lets everything pass or nothing.
                Some(if low > i64::MAX.into() || high < i64::MIN.into() {
                    Self::Integer { low: 1, high: 0 }
                } else {
                    let cut = |bound: i128| {
                        i64::try_from(bound).unwrap_or(if bound < 0 { i64::MIN } else { i64::MAX })
                    };
                    Self::Integer {
                        low: cut(low),
                        high: cut(high),
                    }
                })
            }
            ColumnType::Decimal { scale, .. } => {
                let (low, high) = whole(*scale);
                Some(Self::Decimal {
                    low,
                    high,
                    scale: *scale,
                })
            }
            ColumnType::Number => {
                let mut range = NumberRange {
                    low: f64::NEG_INFINITY,
                    low_exclusive: false,
                    high: f64::INFINITY,
                    high_exclusive: false,
                };
                for (bound, exclusive) in lows {
                    if let Some(bound) = bound.and_then(serde_json::Number::as_f64)
                        && (bound > range.low || (exclusive && bound == range.low))
                    {
                        (range.low, range.low_exclusive) = (bound, exclusive);
                    }
                }
                for (bound, exclusive) in highs {
                    if let Some(bound) = bound.and_then(serde_json::Number::as_f64)
                        && (bound < range.high || (exclusive && bound == range.high))
                    {
                        (range.high, range.high_exclusive) = (bound, exclusive);
                    }
                }
                Some(Self::Number(range))
            }
            _ => None,
        }
    }

    pub(super) fn run(&self, column: &dyn Array, report: &mut Report<'_>) {
        match self {
            Self::Integer { low, high } => {
                let values = column.as_primitive::<Int64Type>().values();
                failing(
                    column,
                    |row| values[row] < *low || values[row] > *high,
                    |row| {
                        report(row, outside(values[row] < *low, low, high));
                    },
                );
            }
            Self::Decimal { low, high, scale } => {
                let values = column.as_primitive::<Decimal128Type>().values();
                let text = |units: i128| decimal_text(units, *scale);
                failing(
                    column,
                    |row| values[row] < *low || values[row] > *high,
                    |row| {
                        report(row, outside(values[row] < *low, text(*low), text(*high)));
                    },
                );
            }
            Self::Number(range) => {
                let values = column.as_primitive::<Float64Type>().values();
                failing(
                    column,
                    |row| range.excludes(values[row]),
                    |row| {
                        report(row, range.fault(values[row]));
                    },
                );
            }
        }
    }
}

fn outside(below: bool, low: impl std::fmt::Display, high: impl std::fmt::Display) -> String {
    if below {
        format!("must be at least {low}")
    } else {
        format!("must be at most {high}")
    }
}

/// Units of a scale, with their point.
fn decimal_text(units: i128, scale: u8) -> String {
    let digits = format!("{:0width$}", units.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if units < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

impl NumberRange {
    fn below(&self, value: f64) -> bool {
        value < self.low || (self.low_exclusive && value <= self.low)
    }

    fn excludes(&self, value: f64) -> bool {
        self.below(value) || value > self.high || (self.high_exclusive && value >= self.high)
    }

    fn fault(&self, value: f64) -> String {
        let (than, bound) = match (self.below(value), self.low_exclusive, self.high_exclusive) {
            (true, true, _) => ("more than", self.low),
            (true, false, _) => ("at least", self.low),
            (false, _, true) => ("less than", self.high),
            (false, _, false) => ("at most", self.high),
        };
        format!("must be {than} {bound}")
    }
}
