//! Runs the checks of a column and of all within it.

use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::util::display::array_value_to_string;

use super::{Column, ColumnType};

/// A value that does not pass.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) row: usize,
    /// Where within the row's value: nothing, or as in `.tags[2]`.
    pub(crate) within: String,
    pub(crate) reason: String,
    /// The value as text.
    pub(crate) value: String,
}

impl Column {
    /// Tells of every value that does not pass, in the column or within it.
    pub(crate) fn check(&self, values: &ArrayRef, tell: &mut dyn FnMut(Finding)) {
        if !self.nullable && values.null_count() > 0 {
            for row in (0..values.len()).filter(|row| values.is_null(*row)) {
                tell(Finding {
                    row,
                    within: String::new(),
                    reason: "is required and has no value".to_owned(),
                    value: String::new(),
                });
            }
        }
        if !self.checks.is_empty() {
            self.checks.run(values, &mut |row, reason| {
                tell(Finding {
                    row,
                    within: String::new(),
                    reason,
                    value: array_value_to_string(values, row).unwrap_or_default(),
                });
            });
        }
        match &self.column_type {
            ColumnType::List(item) if item.binds() => check_items(item, values, tell),
            ColumnType::Object(object) => {
                let members = values.as_struct();
                for (column, member) in object.columns.iter().zip(members.columns()) {
                    if column.binds() {
                        column.check(member, &mut |found| {
                            // What no object holds is null, and nobody asks for it.
                            if members.is_valid(found.row) {
                                let within = format!(".{}{}", column.name, found.within);
                                tell(Finding { within, ..found });
                            }
                        });
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether there are values of the type that do not pass.
    fn binds(&self) -> bool {
        !self.nullable
            || !self.checks.is_empty()
            || match &self.column_type {
                ColumnType::List(item) => item.binds(),
                ColumnType::Object(object) => object.columns.iter().any(Self::binds),
                _ => false,
            }
    }
}

fn check_items(item: &Column, values: &ArrayRef, tell: &mut dyn FnMut(Finding)) {
    let lists = values.as_list::<i32>();
    let offsets = lists.value_offsets();
    item.check(lists.values(), &mut |found| {
        let at = i32::try_from(found.row).unwrap_or(i32::MAX);
        // The last list that begins at the item or before it; empty ones begin there, too.
        let row = offsets.partition_point(|offset| *offset <= at).wrapping_sub(1);
        // Some items belong to no list: those of a null, and those before and behind a slice.
        if row < lists.len() && lists.is_valid(row) {
            let within = format!("[{}]{}", at - offsets[row], found.within);
            tell(Finding { row, within, ..found });
        }
    });
}
