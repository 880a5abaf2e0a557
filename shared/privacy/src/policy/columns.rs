//! What a policy says of columns, against their types.

use arrow::datatypes::DataType;

use super::validate::Check;
use super::{CalendarStep, ColumnPolicy, ColumnUse, Step};

/// Precision that a measure is summed at leaves room for this many decimals.
pub(crate) const MAX_SCALE: u8 = 10;

/// Beyond it a floating-point number is no whole number's own.
const MAX_BOUND: f64 = 1e15;

impl Check<'_> {
    pub(super) fn columns(&mut self) {
        for (name, part) in &self.policy.columns {
            let at = |field: &str| format!("columns.{name}{field}");
            let Some(column) = self.column(name).cloned() else {
                self.refuse(at(""), "the table has no such column");
                continue;
            };
            self.require(
                !part.uses.is_empty(),
                at(".use"),
                "name at least one use, or leave the column out to hide it",
            );
            if part.uses.contains(&ColumnUse::Join) {
                self.join_column(name, part, &column.data_type);
            } else {
                self.require(
                    part.identity.is_none(),
                    at(".identity"),
                    "only a join column belongs to an identity",
                );
            }
            if part.uses.contains(&ColumnUse::Dimension) {
                let good = is_dimension_type(&column.data_type);
                self.require(
                    good,
                    at(".use"),
                    format!("a {} cannot be grouped by", column.data_type),
                );
            }
            self.measure_column(name, part, &column.data_type);
            let dimension = part.uses.contains(&ColumnUse::Dimension);
            self.require(
                part.step.is_none() || dimension,
                at(".step"),
                "only a dimension has a step",
            );
            self.step(at(".step"), part, &column.data_type);
            let few = part.min_units.is_some_and(|k| k < 2);
            self.require(!few, at(".min_units"), "must be 2 or more");
        }
    }

    fn step(&mut self, at: String, part: &ColumnPolicy, data_type: &DataType) {
        let dated = matches!(data_type, DataType::Date32 | DataType::Timestamp(_, _));
        match part.step {
            None => {}
            Some(Step::Number(step)) => {
                self.require(step.is_finite() && step > 0.0, at.clone(), "must be above 0");
                let message = format!("a {data_type} has no steps of a number");
                self.require(data_type.is_numeric(), at, message);
            }
            Some(Step::Calendar(CalendarStep::Hour | CalendarStep::Day))
                if *data_type == DataType::Date32 =>
            {
                self.refuse(at, "a date is no finer than a day");
            }
            Some(Step::Calendar(_)) => {
                self.require(dated, at, format!("a {data_type} has no steps of the calendar"));
            }
        }
    }

    fn join_column(&mut self, name: &str, part: &ColumnPolicy, data_type: &DataType) {
        let at = |field: &str| format!("columns.{name}{field}");
        self.require(
            part.uses.len() == 1,
            at(".use"),
            "a join column identifies individuals, so it cannot be a dimension or a measure as well",
        );
        self.require(
            is_key_type(data_type),
            at(".use"),
            format!("a {data_type} cannot be a join column"),
        );
        match part.identity.as_deref() {
            None => self.refuse(
                at(".identity"),
                "name the identity that the column's values belong to",
            ),
            Some(word) if !is_word(word) => {
                self.refuse(
                    at(".identity"),
                    "lower-case letters, digits and underscores, 1 to 63 of them",
                );
            }
            Some(_) => {}
        }
    }

    fn measure_column(&mut self, name: &str, part: &ColumnPolicy, data_type: &DataType) {
        let at = |field: &str| format!("columns.{name}{field}");
        let measure = part.uses.contains(&ColumnUse::Measure);
        if measure {
            let good = is_measure_type(data_type);
            self.require(
                good,
                at(".use"),
                format!("a {data_type} cannot be a measure: it is not a number"),
            );
        }
        for (field, set) in [
            (".filter", part.filter),
            (".bins", part.bins.is_some()),
            (".bounds", part.bounds.is_some()),
            (".scale", part.scale.is_some()),
        ] {
            self.require(measure || !set, at(field), "only a measure has it");
        }
        if let Some(bins) = part.bins {
            self.require(bins.is_finite() && bins > 0.0, at(".bins"), "must be above 0");
        }
        if let Some([low, high]) = part.bounds {
            let good = low < high && low.abs() <= MAX_BOUND && high.abs() <= MAX_BOUND;
            self.require(
                good,
                at(".bounds"),
                "the lower bound must be below the upper one, both within ±10^15",
            );
            let holds = !data_type.is_integer() || low.ceil() <= high.floor();
            self.require(!good || holds, at(".bounds"), "no whole number lies between them");
        }
        if let Some(scale) = part.scale {
            self.require(
                scale <= MAX_SCALE,
                at(".scale"),
                format!("at most {MAX_SCALE} decimals"),
            );
        }
    }
}

/// Types whose equality is exact and whose values can identify.
pub(crate) fn is_key_type(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Date32
                | DataType::Decimal128(_, _)
        )
        || is_pseudonym_type(data_type)
}

/// The type of pseudonymized columns: a keyed hash, which is joined by and says nothing else.
pub(crate) fn is_pseudonym_type(data_type: &DataType) -> bool {
    *data_type == DataType::FixedSizeBinary(32)
}

/// Types that can be grouped by and filtered.
pub(crate) fn is_dimension_type(data_type: &DataType) -> bool {
    (is_key_type(data_type) && !is_pseudonym_type(data_type))
        || data_type.is_floating()
        || matches!(
            data_type,
            DataType::Boolean | DataType::Date64 | DataType::Timestamp(_, _)
        )
}

/// Types that can be summed.
pub(crate) fn is_measure_type(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(data_type, DataType::Float32 | DataType::Float64)
        || matches!(data_type, DataType::Decimal128(precision, scale) if *precision <= 28 && (0..=10).contains(scale))
}

fn is_word(word: &str) -> bool {
    let length = (1..=63).contains(&word.len());
    length
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
