//! The release step: from the engine's rows to the rows that leave.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array, RecordBatch,
    UInt64Array,
};
use arrow::compute::{SortColumn, cast, concat_batches, filter, lexsort_to_indices, take};
use arrow::datatypes::{DataType, i256};
use arrow::error::ArrowError;

use super::number::{Exact, quotient, read, rescale, rounded, variance};
use super::{Check, Output, Release};

/// The engine's rows are not those of the release's plan. Says nothing of their values.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Another number of columns than the plan has.
    #[error("the engine gave {found} columns, its plan has {expected}")]
    Columns {
        /// Columns of the plan.
        expected: usize,
        /// Columns of the rows.
        found: usize,
    },
    /// A type that the plan does not have.
    #[error("the engine gave a column of type {0} where the plan has a number")]
    Type(DataType),
    /// Batches that do not fit together.
    #[error("the engine's batches do not fit together")]
    Batches(#[from] ArrowError),
}

pub(super) fn apply(release: &Release, batches: &[RecordBatch]) -> Result<RecordBatch, ReleaseError> {
    let expected = release.plan.schema().fields().len();
    let Some(first) = batches.first() else {
        return Ok(RecordBatch::new_empty(release.schema()));
    };
    if let Some(other) = batches.iter().find(|b| b.num_columns() != expected) {
        return Err(ReleaseError::Columns {
            expected,
            found: other.num_columns(),
        });
    }
    let rows = concat_batches(&first.schema(), batches)?;
    let kept = kept(release, &rows)?;
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(release.schema.fields().len());
    for (index, field) in release.schema.fields().iter().take(release.keys).enumerate() {
        let keys = filter(rows.column(index), &kept)?;
        columns.push(if keys.data_type() == field.data_type() {
            keys
        } else {
            cast(&keys, field.data_type())?
        });
    }
    let inputs: Vec<ArrayRef> = rows
        .columns()
        .iter()
        .map(|c| filter(c, &kept))
        .collect::<Result<_, _>>()?;
    let number = kept.true_count();
    for output in &release.values {
        columns.push(value(output, &inputs, number, release.round_to)?);
    }
    let released = RecordBatch::try_new_with_options(
        release.schema(),
        columns,
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(number)),
    )?;
    canonical(&released)
}

/// Which groups pass every check. A number that is missing is zero: nothing contributed.
fn kept(release: &Release, rows: &RecordBatch) -> Result<BooleanArray, ReleaseError> {
    let number = |column: usize, row: usize| -> Result<Exact, ReleaseError> {
        let value = read(rows.column(column), row).map_err(ReleaseError::Type)?;
        Ok(value.unwrap_or(Exact {
            raw: i256::ZERO,
            scale: 0,
        }))
    };
    let mut kept = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let mut passes = true;
        for check in &release.checks {
            passes &= match check {
                Check::AtLeast { column, min } => at_least(number(*column, row)?, *min),
                Check::AtLeastUnless {
                    column,
                    min,
                    elsewhere,
                } => at_least(number(*column, row)?, *min) || number(*elsewhere, row)?.raw != i256::ZERO,
                Check::NoneOrAtLeast { column, min } => {
                    let units = number(*column, row)?;
                    units.raw == i256::ZERO || at_least(units, *min)
                }
                Check::Some { columns } => {
                    let mut some = false;
                    for column in columns {
                        some |= number(*column, row)?.raw > i256::ZERO;
                    }
                    some
                }
                Check::NoneOrEach { columns } => {
                    let (mut none, mut each) = (true, true);
                    for (column, min) in columns {
                        let units = number(*column, row)?;
                        none &= units.raw == i256::ZERO;
                        each &= at_least(units, *min);
                    }
                    none || each
                }
                Check::Share { largest, total, max } => {
                    number(*largest, row)?.to_f64() <= max * number(*total, row)?.to_f64()
                }
            };
        }
        kept.push(passes);
    }
    Ok(BooleanArray::from(kept))
}

fn at_least(units: Exact, min: i64) -> bool {
    units.raw >= i256::from_i128(i128::from(min))
}

fn value(output: &Output, inputs: &[ArrayRef], rows: usize, round_to: i64) -> Result<ArrayRef, ReleaseError> {
    let number = |column: usize, row: usize| read(&inputs[column], row).map_err(ReleaseError::Type);
    let count = |column: usize, row: usize| -> Result<i64, ReleaseError> {
        let exact = number(column, row)?.and_then(|n| n.raw.to_i128());
        Ok(exact.and_then(|n| i64::try_from(n).ok()).unwrap_or(0))
    };
    match output {
        Output::Count { count: column } => {
            let counts = (0..rows).map(|row| Ok(nearest(count(*column, row)?, round_to)));
            Ok(Arc::new(counts.collect::<Result<Int64Array, ReleaseError>>()?))
        }
        Output::Sum { sum, to } => {
            let sums: Vec<Option<Exact>> =
                (0..rows).map(|row| number(*sum, row)).collect::<Result<_, _>>()?;
            typed(to, &sums, rescale, Exact::to_f64)
        }
        Output::Avg {
            sum,
            count: column,
            to,
        } => {
            let mut means = Vec::with_capacity(rows);
            for row in 0..rows {
                // A sum beside its exact mean would tell the count that is rounded.
                let count = nearest(count(*column, row)?, round_to);
                means.push(number(*sum, row)?.zip(count));
            }
            #[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
            let ratio = |(sum, count): (Exact, i64)| sum.to_f64() / count as f64;
            typed(
                to,
                &means,
                |(sum, count), scale| quotient(sum, count, scale),
                ratio,
            )
        }
        Output::Variance {
            squares,
            sum,
            count: column,
            population,
            root,
        } => {
            let mut values: Vec<Option<f64>> = Vec::with_capacity(rows);
            for row in 0..rows {
                let parts = number(*squares, row)?.zip(number(*sum, row)?);
                let n = count(*column, row)?;
                let spread = parts.and_then(|(squares, sum)| variance(squares, sum, n, *population));
                values.push(spread.map(|v| if *root { v.sqrt() } else { v }).and_then(rounded));
            }
            Ok(Arc::new(Float64Array::from(values)))
        }
    }
}

/// Values of the type that plain SQL gives; NULL where a value does not fit it.
fn typed<T: Copy>(
    to: &DataType,
    values: &[Option<T>],
    exact: impl Fn(T, u32) -> Option<i256>,
    float: impl Fn(T) -> f64,
) -> Result<ArrayRef, ReleaseError> {
    let whole = |value: &Option<T>| value.and_then(|v| exact(v, 0)).and_then(|raw| raw.to_i128());
    let decimals = |value: &Option<T>, scale: i8| value.and_then(|v| exact(v, u32::try_from(scale).ok()?));
    Ok(match to {
        DataType::Int64 => Arc::new(
            values
                .iter()
                .map(|v| whole(v).and_then(|n| i64::try_from(n).ok()))
                .collect::<Int64Array>(),
        ),
        DataType::UInt64 => Arc::new(
            values
                .iter()
                .map(|v| whole(v).and_then(|n| u64::try_from(n).ok()))
                .collect::<UInt64Array>(),
        ),
        DataType::Decimal128(precision, scale) => {
            let limit = i256::from_i128(10).checked_pow(u32::from(*precision));
            let fits = |raw: &i256| limit.is_some_and(|limit| raw.wrapping_abs() < limit);
            let raw = values
                .iter()
                .map(|v| decimals(v, *scale).filter(fits).and_then(|raw| raw.to_i128()));
            Arc::new(
                raw.collect::<Decimal128Array>()
                    .with_precision_and_scale(*precision, *scale)?,
            )
        }
        DataType::Decimal256(precision, scale) => {
            let raw = values.iter().map(|v| decimals(v, *scale));
            Arc::new(
                raw.collect::<Decimal256Array>()
                    .with_precision_and_scale(*precision, *scale)?,
            )
        }
        DataType::Float64 => Arc::new(
            values
                .iter()
                .map(|v| v.and_then(|v| rounded(float(v))))
                .collect::<Float64Array>(),
        ),
        other => return Err(ReleaseError::Type(other.clone())),
    })
}

/// The nearest multiple, halves up.
fn nearest(count: i64, multiple: i64) -> Option<i64> {
    if multiple <= 1 {
        return Some(count);
    }
    let below = count - count.rem_euclid(multiple);
    if count - below >= multiple - (count - below) {
        below.checked_add(multiple)
    } else {
        Some(below)
    }
}

/// Rows in an order that depends on nothing but the rows (H24).
fn canonical(rows: &RecordBatch) -> Result<RecordBatch, ReleaseError> {
    if rows.num_rows() < 2 || rows.num_columns() == 0 {
        return Ok(rows.clone());
    }
    let columns: Vec<SortColumn> = rows
        .columns()
        .iter()
        .map(|c| SortColumn {
            values: Arc::clone(c),
            options: None,
        })
        .collect();
    let order = lexsort_to_indices(&columns, None)?;
    let columns = rows
        .columns()
        .iter()
        .map(|c| take(c, &order, None))
        .collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}
