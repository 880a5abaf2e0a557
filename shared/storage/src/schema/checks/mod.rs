//! What the values of a column must satisfy beyond their type, checked a column at a time.

mod format;
mod items;
mod listed;
mod multiple;
mod pattern;
mod range;

use arrow::array::{Array, AsArray as _};
use arrow::buffer::BooleanBuffer;
use serde_json::{Map, Value};

use self::format::TextFormat;
pub(super) use self::format::is_host_name;
use self::items::Items;
use self::listed::Listed;
use self::multiple::Multiple;
use self::pattern::Pattern;
use self::range::Range;
use super::parse::Violations;
use super::{ColumnType, path};

/// What the values of a column must satisfy beyond their type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checks {
    length: Option<(u64, u64)>,
    range: Option<Range>,
    multiple: Option<Multiple>,
    listed: Option<Listed>,
    pattern: Option<Pattern>,
    format: Option<TextFormat>,
    items: Option<Items>,
}

/// A row and why its value does not pass.
pub(crate) type Report<'a> = dyn FnMut(usize, String) + 'a;

impl Checks {
    pub(super) const KEYWORDS: [&str; 13] = [
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
    ];

    /// Reads the checks of a property, and whether null passes its list of values.
    pub(super) fn parse(
        keywords: &Map<String, Value>,
        column_type: &ColumnType,
        at: &str,
        violations: &mut Violations,
    ) -> (Self, bool) {
        refuse_others(keywords, column_type, at, violations);
        let mut checks = Self {
            format: TextFormat::parse(keywords, column_type),
            range: Range::parse(keywords, column_type),
            multiple: Multiple::parse(keywords, column_type, at, violations),
            pattern: Pattern::parse(keywords, column_type, at, violations),
            items: Items::parse(keywords, column_type),
            length: None,
            listed: None,
        };
        if *column_type == ColumnType::Text {
            checks.length = bounds(keywords, "minLength", "maxLength");
        }
        let (listed, null_listed) = Listed::parse(keywords, column_type, at, violations);
        checks.listed = listed;
        (checks, null_listed)
    }

    /// Whether it is a format that binds a text and leaves it one.
    pub(super) fn is_text_format(name: &str) -> bool {
        TextFormat::named(name).is_some()
    }

    /// Whether every value passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reports every row of `column` (of the column's own Arrow type) whose value does not pass.
    pub(crate) fn run(&self, column: &dyn Array, report: &mut Report<'_>) {
        if let Some((low, high)) = self.length {
            length(column, low, high, report);
        }
        if let Some(range) = &self.range {
            range.run(column, report);
        }
        if let Some(multiple) = &self.multiple {
            multiple.run(column, report);
        }
        if let Some(format) = &self.format {
            let texts = column.as_string::<i32>();
            failing(
                column,
                |row| !format.fits(texts.value(row)),
                |row| {
                    report(row, format.reason().to_owned());
                },
            );
        }
        if let Some(pattern) = &self.pattern {
            let texts = column.as_string::<i32>();
            failing(
                column,
                |row| !pattern.matches(texts.value(row)),
                |row| {
                    report(row, pattern.reason());
                },
            );
        }
        if let Some(listed) = &self.listed {
            listed.run(column, report);
        }
        if let Some(items) = &self.items {
            items.run(column.as_list::<i32>(), report);
        }
    }
}

/// Tells each row that has a value and fails. The values are looked at without a branch between
/// them, also where there are none: of almost all batches, none fails.
fn failing(column: &dyn Array, fails: impl Fn(usize) -> bool, mut tell: impl FnMut(usize)) {
    let failed = BooleanBuffer::collect_bool(column.len(), fails);
    let failed = match column.nulls() {
        Some(nulls) => &failed & nulls.inner(),
        None => failed,
    };
    failed.set_indices().for_each(&mut tell);
}

fn length(column: &dyn Array, low: u64, high: u64, report: &mut Report<'_>) {
    let texts = column.as_string::<i32>();
    let characters = |row: usize| texts.value(row).chars().count() as u64;
    let fails = |row: usize| {
        let bytes = texts.value(row).len() as u64;
        // A character has one to four bytes, which tells most lengths without counting.
        if bytes <= high && bytes >= low.saturating_mul(4) {
            return false;
        }
        let count = characters(row);
        count < low || count > high
    };
    failing(column, fails, |row| {
        let count = characters(row);
        let bound = if count < low {
            format!("must have at least {low}")
        } else {
            format!("may have at most {high}")
        };
        report(row, format!("has {count} characters, {bound}"));
    });
}

/// The bounds of a count; none if neither is given. A float beyond the range of the type is cut to its end.
fn bounds(keywords: &Map<String, Value>, least: &str, most: &str) -> Option<(u64, u64)> {
    let bound = |keyword: &str| {
        let value = keywords.get(keyword)?;
        value
            .as_u64()
            .or_else(|| value.as_f64().map(|bound| bound as u64))
    };
    match (bound(least), bound(most)) {
        (None, None) => None,
        (low, high) => Some((low.unwrap_or(0), high.unwrap_or(u64::MAX))),
    }
}

/// Names the keywords that say nothing of values of the type.
fn refuse_others(
    keywords: &Map<String, Value>,
    column_type: &ColumnType,
    at: &str,
    violations: &mut Violations,
) {
    for keyword in Checks::KEYWORDS.iter().filter(|it| keywords.contains_key(**it)) {
        let applies = match *keyword {
            "enum" | "const" => !column_type.is_nested() && *column_type != ColumnType::Bytes,
            "minLength" | "maxLength" | "pattern" => *column_type == ColumnType::Text,
            "minItems" | "maxItems" | "uniqueItems" => matches!(column_type, ColumnType::List(_)),
            _ => matches!(
                column_type,
                ColumnType::Integer | ColumnType::Number | ColumnType::Decimal { .. }
            ),
        };
        if !applies {
            let reason = format!("does not apply to the type {}", column_type.name());
            violations.push(path::member(at, keyword), reason);
        }
    }
}

#[cfg(test)]
mod tests;
