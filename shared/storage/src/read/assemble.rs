use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::column::Misfit;
use super::{CheckedBatch, ReadError, Rejected};
use crate::schema::{Finding, TableSchema};

/// Rows as decoded: every column has a value or none for every row, and what was found wrong
/// already is noted by row.
pub(super) struct Decoded {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rejected: BTreeMap<usize, Rejected>,
    /// Columns of the file that are passed over, if they are not told yet.
    pub(super) ignored: Vec<String>,
    pub(super) bytes_read: u64,
}

/// Normalizes the columns, runs the checks of the schema over them and keeps the rows that pass. `line` says where
/// a row came from.
pub(super) fn check(
    schema: &TableSchema,
    decoded: Decoded,
    line: impl Fn(usize) -> u64,
) -> Result<CheckedBatch, ReadError> {
    let Decoded {
        mut columns,
        mut rejected,
        ignored,
        bytes_read,
    } = decoded;
    for (column, values) in schema.columns().iter().zip(&mut columns) {
        // What has no value because it was wrong is told already; of each value one fault is enough.
        let mut told: HashSet<usize> = rejected
            .iter()
            .filter(|(_, record)| record.faults.iter().any(|it| it.is_of(column)))
            .map(|(row, _)| *row)
            .collect();
        let mut tell = |found: Finding| {
            if !told.insert(found.row) {
                return;
            }
            let record = rejected
                .entry(found.row)
                .or_insert_with(|| Rejected::new(line(found.row)));
            let misfit = Misfit {
                within: found.within,
                reason: found.reason.into(),
            };
            record.add_misfit(column, misfit, &found.value);
        };
        *values = column.normalization.apply(Arc::clone(values), &mut tell);
        column.check(values, &mut tell);
    }
    let rows = columns.first().map_or(0, |column| column.len());
    let lines = (0..rows)
        .filter(|row| !rejected.contains_key(row))
        .map(line)
        .collect();
    let batch = keep(schema, columns, &rejected).map_err(|error| ReadError::content(error.to_string()))?;
    Ok(CheckedBatch {
        batch,
        lines,
        rejected: rejected.into_values().collect(),
        ignored,
        bytes_read,
    })
}

fn keep(
    schema: &TableSchema,
    columns: Vec<ArrayRef>,
    rejected: &BTreeMap<usize, Rejected>,
) -> Result<RecordBatch, ArrowError> {
    if rejected.is_empty() {
        return RecordBatch::try_new(schema.arrow(), columns);
    }
    let rows = columns.first().map_or(0, |column| column.len());
    let good: BooleanArray = (0..rows).map(|row| Some(!rejected.contains_key(&row))).collect();
    // Until the bad rows are out, a required column may hold nulls.
    let loose: Vec<Field> = schema
        .arrow()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let all = RecordBatch::try_new_with_options(Arc::new(Schema::new(loose)), columns, &options)?;
    let kept = filter_record_batch(&all, &good)?;
    RecordBatch::try_new(schema.arrow(), kept.columns().to_vec())
}
