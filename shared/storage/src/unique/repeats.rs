//! Rows that have a value which another row has, told apart from those that only share its hash.

use std::collections::HashMap;

use arrow::array::Array as _;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;

use super::key::keys;
use super::sorter::Entry;
use crate::read::{Piece, ReadError, read_table_files};
use crate::schema::TableSchema;
use crate::{Store, StoreError};

/// Rows of the version that is added to are numbered from here on.
pub(super) const KEPT: u64 = 1 << 63;
/// Values of one column that are told at most.
const MAX_VALUES: usize = 100;
/// Rows that are told of one value at most.
const MAX_ROWS: usize = 10;

/// A row that repeats a value of a column that must be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub column: String,
    /// The number of the row among those written, from 0.
    pub row: u64,
    /// The number of the row that has the value first; none if the table holds it already.
    pub first: Option<u64>,
}

/// Rows of a column that share a hash: all that repeat a value are among them, unless they are too many.
#[derive(Debug)]
pub(super) struct Suspects {
    column: String,
    rows: Vec<(u128, Vec<u64>)>,
}

impl Suspects {
    pub(super) const fn new(column: String) -> Self {
        Self {
            column,
            rows: Vec::new(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds rows that share a hash; false when there are enough of them.
    pub(super) fn add(&mut self, same: &[Entry]) -> bool {
        // What the version holds is not asked about again. New rows come first.
        if let Some(first) = same.first().filter(|first| first.row() < KEPT) {
            let new = same.iter().map(|entry| entry.row()).take_while(|row| *row < KEPT);
            let mut rows: Vec<u64> = new.take(MAX_ROWS + 1).collect();
            rows.extend(same.last().map(|entry| entry.row()).filter(|row| *row >= KEPT));
            self.rows.push((first.hash(), rows));
        }
        self.rows.len() < MAX_VALUES
    }

    /// Those that have the same value as well, from the files that the rows were written to and kept in.
    pub(super) async fn confirm(
        self,
        store: &Store,
        schema: &TableSchema,
        new_files: &[Piece],
        kept_files: &[Piece],
    ) -> Result<Vec<Repeat>, ReadError> {
        let narrow = schema
            .select(std::slice::from_ref(&self.column))
            .map_err(|_| ReadError::content("a unique column is missing"))?;
        let mut values: HashMap<u128, Vec<(u64, String)>> =
            self.rows.iter().map(|(hash, _)| (*hash, Vec::new())).collect();
        for (files, first_row) in [(new_files, 0), (kept_files, KEPT)] {
            let mut row = first_row;
            let mut batches = read_table_files(store.clone(), files.to_vec(), narrow.clone());
            while let Some(batch) = batches.next().await {
                let batch = batch?.batch;
                note(&batch, row, &mut values);
                row += batch.num_rows() as u64;
            }
        }
        let mut repeats = Vec::new();
        for rows in values.into_values() {
            let mut by_value: HashMap<String, Vec<u64>> = HashMap::new();
            for (row, value) in rows {
                by_value.entry(value).or_default().push(row);
            }
            for rows in by_value.into_values() {
                let kept = rows.iter().any(|row| *row >= KEPT);
                let new = || rows.iter().copied().filter(|row| *row < KEPT);
                let repeated = new().skip(usize::from(!kept)).take(MAX_ROWS);
                repeats.extend(repeated.map(|row| Repeat {
                    column: self.column.clone(),
                    row,
                    first: new().next().filter(|_| !kept),
                }));
            }
        }
        if repeats.is_empty() && self.rows.len() >= MAX_VALUES {
            // So many values of one hash are no chance.
            return Err(StoreError::Io(std::io::Error::other("hashes collide")).into());
        }
        repeats.sort_unstable_by_key(|it| it.row);
        Ok(repeats)
    }
}

fn note(batch: &RecordBatch, first_row: u64, values: &mut HashMap<u128, Vec<(u64, String)>>) {
    let column = batch.column(0);
    for entry in keys(column, first_row).into_iter().flatten() {
        let Some(same) = values.get_mut(&entry.hash()) else {
            continue;
        };
        let row = usize::try_from(entry.row() - first_row).unwrap_or(usize::MAX);
        let has_room = same.len() <= MAX_ROWS || entry.row() >= KEPT && same.len() <= 2 * MAX_ROWS;
        if has_room && column.is_valid(row) {
            let value = array_value_to_string(column, row).unwrap_or_default();
            same.push((entry.row(), value));
        }
    }
}
