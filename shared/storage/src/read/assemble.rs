use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::array_value_to_string;

use super::{CheckedBatch, ReadError, Rejected};
use crate::schema::{TableSchema, normalize};

/// Rows as decoded: every column has a value or none for every row, and what was found wrong
/// already is noted by row.
pub(super) struct Decoded {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rejected: BTreeMap<usize, Rejected>,
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
        columns,
        mut rejected,
        bytes_read,
    } = decoded;
    let mut checked = Vec::with_capacity(columns.len());
    for (column, values) in schema.columns().iter().zip(columns) {
        let name = column.name.as_str();
        let told = |row: usize, values: &ArrayRef| array_value_to_string(values, row).unwrap_or_default();
        let mut fault = |row: usize, reason: String, value: &str| {
            let record = rejected.entry(row).or_insert_with(|| Rejected::new(line(row)));
            // What has no value because it was wrong is reported already.
            if record
                .faults
                .iter()
                .all(|it| it.field.as_deref().is_some_and(|field| field != name))
            {
                record.add(Some(name), reason, column.told(value));
            }
        };
        let sent_nulls = values.logical_nulls();
        let values = match values.as_string_opt::<i32>() {
            Some(texts) if !column.normalize.is_empty() => {
                let report = |row, reason: &str| fault(row, reason.to_owned(), &told(row, &values));
                Arc::new(normalize(&column.normalize, texts, report)) as ArrayRef
            }
            _ => values,
        };
        if !column.nullable && sent_nulls.as_ref().is_some_and(|nulls| nulls.null_count() > 0) {
            let missing = |row: &usize| sent_nulls.as_ref().is_some_and(|nulls| nulls.is_null(*row));
            for row in (0..values.len()).filter(missing) {
                fault(row, "is required and has no value".to_owned(), "");
            }
        }
        if !column.checks.is_empty() {
            column
                .checks
                .run(&values, |row, reason| fault(row, reason, &told(row, &values)));
        }
        checked.push(values);
    }
    let batch = keep(schema, checked, &rejected).map_err(|error| ReadError::content(error.to_string()))?;
    Ok(CheckedBatch {
        batch,
        rejected: rejected.into_values().collect(),
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
