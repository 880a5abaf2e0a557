use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, ListArray, StructArray};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use serde_json::{Map, Value};

use super::{Report, bounds, failing};
use crate::schema::ColumnType;

/// `minItems`, `maxItems` and `uniqueItems`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Items {
    low: u64,
    high: u64,
    unique: bool,
}

impl Items {
    pub(super) fn parse(keywords: &Map<String, Value>, column_type: &ColumnType) -> Option<Self> {
        if !matches!(column_type, ColumnType::List(_)) {
            return None;
        }
        let unique = keywords.get("uniqueItems") == Some(&Value::Bool(true));
        let count = bounds(keywords, "minItems", "maxItems");
        if count.is_none() && !unique {
            return None;
        }
        let (low, high) = count.unwrap_or((0, u64::MAX));
        Some(Self { low, high, unique })
    }

    pub(super) fn run(&self, lists: &ListArray, report: &mut Report<'_>) {
        let offsets = lists.offsets();
        let count = |row: usize| (offsets[row + 1] - offsets[row]) as u64;
        failing(
            lists,
            |row| count(row) < self.low || count(row) > self.high,
            |row| {
                let bound = if count(row) < self.low {
                    format!("must have at least {}", self.low)
                } else {
                    format!("may have at most {}", self.high)
                };
                report(row, format!("has {} items, {bound}", count(row)));
            },
        );
        if self.unique {
            // All types that lists hold have rows.
            let Ok(repeats) = repeats(lists) else { return };
            failing(lists, repeats, |row| {
                report(row, "holds an item twice".to_owned());
            });
        }
    }
}

/// Tells of a row whether an item of its list comes twice.
fn repeats(lists: &ListArray) -> Result<impl Fn(usize) -> bool, ArrowError> {
    let offsets = lists.offsets().clone();
    let items = same_zeros(lists.values())?;
    let converter = RowConverter::new(vec![SortField::new(items.data_type().clone())])?;
    let rows = converter.convert_columns(&[items])?;
    Ok(move |row: usize| {
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        let mut order: Vec<usize> = range.collect();
        order.sort_unstable_by(|one, other| rows.row(*one).cmp(&rows.row(*other)));
        order
            .windows(2)
            .any(|pair| rows.row(pair[0]).cmp(&rows.row(pair[1])) == Ordering::Equal)
    })
}

/// The same values, where 0 and -0 are one number.
fn same_zeros(values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match values.data_type() {
        DataType::Float64 => Arc::new(
            values
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|double| double + 0.0),
        ),
        DataType::List(item) => {
            let lists = values.as_list::<i32>();
            let items = same_zeros(lists.values())?;
            Arc::new(ListArray::try_new(
                Arc::clone(item),
                lists.offsets().clone(),
                items,
                lists.nulls().cloned(),
            )?)
        }
        DataType::Struct(fields) => {
            let members = values.as_struct();
            let columns = members.columns().iter().map(same_zeros);
            Arc::new(StructArray::try_new(
                fields.clone(),
                columns.collect::<Result<_, _>>()?,
                members.nulls().cloned(),
            )?)
        }
        _ => Arc::clone(values),
    })
}
