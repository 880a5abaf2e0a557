use std::cell::RefCell;

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use serde_json::{Map, Value};

use super::{Report, failing};
use crate::schema::exact::Exact;
use crate::schema::parse::Violations;
use crate::schema::{ColumnType, path};

/// `multipleOf`, exact: numbers are what is written, so that 0.3 is a multiple of 0.1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Multiple {
    of: Exact,
    double: f64,
    /// In units of the column, where it is a whole number of them.
    units: Option<i128>,
    scale: u8,
    text: String,
}

/// Up to this every whole number is a double of its own.
const WHOLE: f64 = 9_007_199_254_740_992.0;
/// Quotients up to this are off by less than a thousandth in a double.
const CLOSE: f64 = 1e12;

impl Multiple {
    pub(super) fn parse(
        keywords: &Map<String, Value>,
        column_type: &ColumnType,
        at: &str,
        violations: &mut Violations,
    ) -> Option<Self> {
        let Some(Value::Number(number)) = keywords.get("multipleOf") else {
            return None;
        };
        let scale = match column_type {
            ColumnType::Integer => 0,
            ColumnType::Decimal { scale, .. } => *scale,
            ColumnType::Number => 0,
            _ => return None,
        };
        let (Some(of), Some(double)) = (Exact::of(number), number.as_f64().filter(|it| *it > 0.0)) else {
            violations.push(path::member(at, "multipleOf"), "must be a number above 0");
            return None;
        };
        Some(Self {
            of,
            double,
            units: of.exact_units(scale),
            scale,
            text: number.to_string(),
        })
    }

    pub(super) fn run(&self, column: &dyn Array, report: &mut Report<'_>) {
        let mut tell = |row| report(row, format!("must be a multiple of {}", self.text));
        if let Some(values) = column.as_primitive_opt::<Int64Type>() {
            let values = values.values();
            match self.units.and_then(|units| i64::try_from(units).ok()) {
                Some(of) => failing(column, |row| values[row].checked_rem(of) != Some(0), tell),
                None => failing(column, |row| !self.divides(values[row].into()), tell),
            }
        } else if let Some(values) = column.as_primitive_opt::<Decimal128Type>() {
            let values = values.values();
            match self.units {
                Some(of) => failing(column, |row| values[row].checked_rem(of) != Some(0), tell),
                None => failing(column, |row| !self.divides(values[row]), tell),
            }
        } else if let Some(values) = column.as_primitive_opt::<Float64Type>() {
            let values = values.values();
            let text = RefCell::new(String::new());
            failing(
                column,
                |row| !self.divides_double(values[row], &mut text.borrow_mut()),
                &mut tell,
            );
        }
    }

    /// Whether so many units of the column are a multiple.
    fn divides(&self, units: i128) -> bool {
        Exact::units_of(units, self.scale).is_multiple_of(self.of)
    }

    fn divides_double(&self, value: f64, text: &mut String) -> bool {
        if self.double.fract() == 0.0 && value.abs() < WHOLE && self.double < WHOLE {
            return value % self.double == 0.0;
        }
        let quotient = value / self.double;
        if quotient.abs() < CLOSE && (quotient - quotient.round()).abs() > 1e-3 {
            return false;
        }
        Exact::of_double(value, text).is_some_and(|exact| exact.is_multiple_of(self.of))
    }
}
