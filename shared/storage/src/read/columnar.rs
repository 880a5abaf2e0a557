//! Columns of files that have typed ones, matched by name with those of the table and taken without loss.

use std::collections::BTreeMap;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Schema};

use super::assemble::{Decoded, check};
use super::convert::{convert, misfits_of_type};
use super::names::{listed, match_columns};
use super::{BATCH_BYTES, BATCH_ROWS, CheckedBatch, ReadError, Rejected};
use crate::schema::TableSchema;

/// The columns of a table and where they are in a file.
pub(super) struct Columns {
    schema: TableSchema,
    /// For each column of the table its place in the file's batches.
    places: Vec<Option<usize>>,
    /// Columns of the file that are passed over, until they are told.
    ignored: Vec<String>,
    rows_read: u64,
}

impl Columns {
    /// Matches a file's columns, whose types have to fit. The batches have to be of the columns at the
    /// places that are given back, in that order.
    pub(super) fn matched(file: &Schema, schema: TableSchema) -> Result<(Self, Vec<usize>), ReadError> {
        let names: Vec<String> = file.fields().iter().map(|field| field.name().clone()).collect();
        let matched = match_columns(&names, &schema)?;
        check_types(file, &matched.columns, &schema)?;
        let mut places = vec![None; schema.columns().len()];
        for (place, column) in matched.columns.iter().flatten().enumerate() {
            places[*column] = Some(place);
        }
        let taken = (0..names.len())
            .filter(|at| matched.columns[*at].is_some())
            .collect();
        let columns = Self {
            ignored: matched.ignored,
            ..Self::placed(schema, places)
        };
        Ok((columns, taken))
    }

    /// Columns that are at these places of the batches.
    pub(super) const fn placed(schema: TableSchema, places: Vec<Option<usize>>) -> Self {
        Self {
            schema,
            places,
            ignored: Vec::new(),
            rows_read: 0,
        }
    }

    /// The rows in the types of the table, checked.
    pub(super) fn convert(
        &mut self,
        batch: &RecordBatch,
        bytes_read: u64,
    ) -> Result<CheckedBatch, ReadError> {
        let first = self.rows_read;
        let mut rejected: BTreeMap<usize, Rejected> = BTreeMap::new();
        let mut columns = Vec::with_capacity(self.places.len());
        for (column, place) in self.schema.columns().iter().zip(&self.places) {
            let Some(place) = place else {
                columns.push(new_null_array(&column.column_type.arrow(), batch.num_rows()));
                continue;
            };
            let taken = convert(batch.column(*place), &column.column_type, &mut |found| {
                let record = rejected
                    .entry(found.row)
                    .or_insert_with(|| Rejected::new(first + found.row as u64 + 1));
                record.add_misfit(column, found.misfit, &found.value);
            });
            columns.push(taken.map_err(|error| ReadError::content(error.to_string()))?);
        }
        self.rows_read += batch.num_rows() as u64;
        let decoded = Decoded {
            columns,
            rejected,
            ignored: std::mem::take(&mut self.ignored),
            bytes_read,
        };
        check(&self.schema, decoded, |row| first + row as u64 + 1)
    }
}

/// The first rows of a batch that make one of ours, and what is left.
pub(super) fn split(batch: &RecordBatch) -> (RecordBatch, Option<RecordBatch>) {
    let rows = rows_within(batch, BATCH_BYTES);
    let rest = batch.num_rows() - rows.min(batch.num_rows());
    let rest = (rest > 0).then(|| batch.slice(rows, rest));
    (batch.slice(0, rows.min(batch.num_rows())), rest)
}

/// How many rows of the batch, at least one, hold no more than `most` bytes of text, each with its own.
fn rows_within(batch: &RecordBatch, most: usize) -> usize {
    let sizes: Vec<_> = batch.columns().iter().filter_map(text_bytes).collect();
    let mut bytes = 0;
    let fits = |row: &usize| {
        bytes += sizes.iter().map(|size| size(*row)).sum::<usize>();
        bytes <= most
    };
    (0..batch.num_rows().min(BATCH_ROWS))
        .take_while(fits)
        .count()
        .max(1)
}

/// Tells how many bytes of text a row of the column has; none if no row has any.
fn text_bytes(column: &ArrayRef) -> Option<Box<dyn Fn(usize) -> usize + '_>> {
    // The length of a view is its lower half.
    let length = |view: &u128| *view as u32 as usize;
    match column.data_type() {
        DataType::Utf8View => {
            let views = column.as_string_view().views();
            Some(Box::new(move |row| length(&views[row])))
        }
        DataType::BinaryView => {
            let views = column.as_binary_view().views();
            Some(Box::new(move |row| length(&views[row])))
        }
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            Some(Box::new(move |row| (offsets[row + 1] - offsets[row]) as usize))
        }
        DataType::LargeUtf8 => {
            let offsets = column.as_string::<i64>().value_offsets();
            Some(Box::new(move |row| (offsets[row + 1] - offsets[row]) as usize))
        }
        DataType::Binary => {
            let offsets = column.as_binary::<i32>().value_offsets();
            Some(Box::new(move |row| (offsets[row + 1] - offsets[row]) as usize))
        }
        DataType::LargeBinary => {
            let offsets = column.as_binary::<i64>().value_offsets();
            Some(Box::new(move |row| (offsets[row + 1] - offsets[row]) as usize))
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let of_item = text_bytes(lists.values())?;
            let offsets = lists.value_offsets();
            Some(Box::new(move |row| {
                (offsets[row] as usize..offsets[row + 1] as usize)
                    .map(&of_item)
                    .sum()
            }))
        }
        DataType::Struct(_) => {
            let of_members: Vec<_> = column
                .as_struct()
                .columns()
                .iter()
                .filter_map(text_bytes)
                .collect();
            Some(Box::new(move |row| of_members.iter().map(|size| size(row)).sum()))
        }
        _ => None,
    }
}

fn check_types(file: &Schema, columns: &[Option<usize>], schema: &TableSchema) -> Result<(), ReadError> {
    let mut faults = Vec::new();
    for (field, column) in file.fields().iter().zip(columns) {
        if let Some(column) = column {
            let column = &schema.columns()[*column];
            misfits_of_type(field.data_type(), &column.column_type, &column.name, &mut faults);
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(ReadError::content(listed(faults)))
    }
}
