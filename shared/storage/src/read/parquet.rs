use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, Float64Array, RecordBatch, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, FieldRef, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::assemble::{Decoded, check};
use super::csv::{listed, match_columns};
use super::source::{BlockingSource, PageSource};
use super::{BATCH_BYTES, BATCH_ROWS, CheckedBatch, MAX_QUOTED, ReadError, Rejected, quoted, shorten};
use crate::schema::{Column, ColumnType, TableSchema, UTC};

/// 0001-01-01 and the last day of 9999, in days since 1970: what the format `date` can say.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// What the pages that the rows of one batch lie in may unpack to.
const MAX_PAGES_BYTES: u64 = 1 << 30;

/// Decodes Parquet by the columns' names, one row group after the other, page by page.
pub(super) struct ParquetDecoder {
    source: PageSource,
    metadata: ArrowReaderMetadata,
    schema: TableSchema,
    /// For each column of the table its place in the file's batches.
    places: Vec<Option<usize>>,
    projection: ProjectionMask,
    next_group: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// Rows that are read and not yet handed on.
    pending: Option<RecordBatch>,
    rows_read: u64,
    bytes_before: u64,
}

impl ParquetDecoder {
    pub(super) fn open(source: BlockingSource, schema: TableSchema) -> Result<Self, ReadError> {
        let metadata = load(&source)?;
        let names: Vec<String> = metadata
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let columns = match_columns(&names, &schema)?;
        check_types(&metadata, &columns, &schema)?;
        let places = (0..schema.columns().len())
            .map(|column| columns.iter().position(|it| *it == column))
            .collect();
        let projection = ProjectionMask::all();
        Self::new(source, &metadata, schema, places, projection)
    }

    /// A file of the table's own: it may have more columns than are asked for.
    pub(super) fn open_own(source: BlockingSource, schema: TableSchema) -> Result<Self, ReadError> {
        let metadata = load(&source)?;
        let names: Vec<&str> = metadata
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let roots: Vec<usize> = (0..names.len())
            .filter(|at| schema.index_of(names[*at]).is_some())
            .collect();
        let place = |column: &Column| roots.iter().position(|root| names[*root] == column.name);
        let places = schema.columns().iter().map(place).collect();
        let projection = ProjectionMask::roots(metadata.parquet_schema(), roots);
        Self::new(source, &metadata, schema, places, projection)
    }

    fn new(
        source: BlockingSource,
        metadata: &ArrowReaderMetadata,
        schema: TableSchema,
        places: Vec<Option<usize>>,
        projection: ProjectionMask,
    ) -> Result<Self, ReadError> {
        let options = ArrowReaderOptions::new().with_schema(Arc::new(with_views(metadata.schema())));
        let metadata = guarded(|| ArrowReaderMetadata::try_new(metadata.metadata().clone(), options))?;
        Ok(Self {
            source: PageSource::new(source, MAX_PAGES_BYTES),
            metadata,
            schema,
            places,
            projection,
            next_group: 0,
            reader: None,
            pending: None,
            rows_read: 0,
            bytes_before: 0,
        })
    }

    /// The next rows; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<CheckedBatch>, ReadError> {
        loop {
            if let Some(batch) = self.pending.take() {
                let rows = rows_within(&batch, BATCH_BYTES);
                if rows < batch.num_rows() {
                    self.pending = Some(batch.slice(rows, batch.num_rows() - rows));
                }
                return self.convert(&batch.slice(0, rows)).map(Some);
            }
            if self.reader.is_none() && !self.open_group()? {
                return Ok(None);
            }
            let Some(reader) = &mut self.reader else {
                return Ok(None);
            };
            self.source.begin();
            match guarded(|| reader.next().transpose())? {
                Some(batch) => self.pending = Some(batch).filter(|batch| batch.num_rows() > 0),
                None => self.reader = None,
            }
        }
    }

    fn open_group(&mut self) -> Result<bool, ReadError> {
        let groups = self.metadata.metadata().row_groups();
        if let Some(before) = self.next_group.checked_sub(1) {
            self.bytes_before += u64::try_from(groups[before].compressed_size()).unwrap_or(0);
        }
        let Some(group) = groups.get(self.next_group) else {
            return Ok(false);
        };
        let rows = usize::try_from(group.num_rows()).unwrap_or(0).max(1);
        let row_bytes = usize::try_from(group.total_byte_size()).unwrap_or(0) / rows;
        let batch_rows = (BATCH_BYTES / row_bytes.max(1)).clamp(1, BATCH_ROWS);
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.source.clone(), self.metadata.clone())
                .with_row_groups(vec![self.next_group])
                .with_projection(self.projection.clone())
                .with_batch_size(batch_rows);
        self.reader = Some(guarded(|| builder.build())?);
        self.next_group += 1;
        Ok(true)
    }

    fn convert(&mut self, batch: &RecordBatch) -> Result<CheckedBatch, ReadError> {
        let first = self.rows_read;
        let mut rejected: BTreeMap<usize, Rejected> = BTreeMap::new();
        let mut columns = Vec::with_capacity(self.places.len());
        for (column, place) in self.schema.columns().iter().zip(&self.places) {
            let Some(place) = place else {
                columns.push(new_null_array(&column.column_type.arrow(), batch.num_rows()));
                continue;
            };
            let given = batch.column(*place);
            let taken =
                convert(given, column.column_type).map_err(|error| ReadError::content(error.to_string()))?;
            if taken.null_count() > given.null_count() {
                for row in (0..given.len()).filter(|row| given.is_valid(*row) && taken.is_null(*row)) {
                    let value = array_value_to_string(given, row).unwrap_or_default();
                    let record = rejected
                        .entry(row)
                        .or_insert_with(|| Rejected::new(first + row as u64 + 1));
                    record.add(
                        Some(&column.name),
                        misfit(column.column_type),
                        column.told(&value),
                    );
                }
            }
            columns.push(taken);
        }
        self.rows_read += batch.num_rows() as u64;
        let decoded = Decoded {
            columns,
            rejected,
            bytes_read: self.bytes_before,
        };
        check(&self.schema, decoded, |row| first + row as u64 + 1)
    }
}

fn load(source: &BlockingSource) -> Result<ArrowReaderMetadata, ReadError> {
    source.check_footer()?;
    // What Arrow noted beside the file's own types is not needed and not to be trusted.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    guarded(|| ArrowReaderMetadata::load(source, options))
}

/// The schema with its texts as views: a text that many rows share is in memory once, as it is in the
/// file, whatever the rows would take if each had its own.
fn with_views(schema: &Schema) -> Schema {
    let view = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    Schema::new(schema.fields().iter().map(view).collect::<Vec<_>>())
}

/// How many rows of the batch, at least one, hold no more than `most` bytes of text, each with its own.
fn rows_within(batch: &RecordBatch, most: usize) -> usize {
    let texts: Vec<_> = batch
        .columns()
        .iter()
        .filter_map(|column| column.as_string_view_opt())
        .collect();
    let mut bytes = 0;
    let fits = |row: &usize| {
        bytes += texts
            .iter()
            .map(|text| text.views()[*row] as u32 as usize)
            .sum::<usize>();
        bytes <= most
    };
    (0..batch.num_rows()).take_while(fits).count().max(1)
}

/// What the file's bytes make the decoder do is the file's fault, a panic too.
fn guarded<T, E: Into<ParquetError>>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(decoded)) => Ok(decoded),
        Ok(Err(error)) => Err(read_error(error.into())),
        Err(_) => Err(ReadError::content(
            "the file is not readable as Parquet: it is damaged",
        )),
    }
}

fn read_error(error: ParquetError) -> ReadError {
    let refuse = |error: &dyn std::fmt::Display| {
        ReadError::content(format!("the file is not readable as Parquet: {error}"))
    };
    let external = match error {
        ParquetError::External(cause) => cause,
        other => return refuse(&other),
    };
    // An error of the store that surfaced through the decoder is no fault of the file.
    let of_store = |io: std::io::Error| {
        io.downcast()
            .map_or_else(|other| refuse(&other), ReadError::Store)
    };
    let external = match external.downcast::<ReadError>() {
        Ok(found_by_us) => return *found_by_us,
        Err(other) => other,
    };
    match external.downcast::<std::io::Error>() {
        Ok(io) => of_store(*io),
        Err(other) => match other.downcast::<ArrowError>() {
            Ok(arrow) => match *arrow {
                ArrowError::IoError(_, io) => of_store(io),
                ArrowError::ExternalError(cause) => read_error(ParquetError::External(cause)),
                other => refuse(&other),
            },
            Err(other) => refuse(&other),
        },
    }
}

fn check_types(
    metadata: &ArrowReaderMetadata,
    columns: &[usize],
    schema: &TableSchema,
) -> Result<(), ReadError> {
    let mut faults = Vec::new();
    for (field, column) in metadata.schema().fields().iter().zip(columns) {
        let column = &schema.columns()[*column];
        if !fits(field.data_type(), column.column_type) {
            faults.push(format!(
                "the column {} is of the type {}, which does not become {} without loss",
                quoted(&column.name),
                shorten(&field.data_type().to_string(), MAX_QUOTED),
                column.column_type.name()
            ));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(ReadError::content(listed(faults)))
    }
}

/// Whether values of the type can be taken, each one that fits.
fn fits(given: &DataType, column_type: ColumnType) -> bool {
    match column_type {
        ColumnType::Text => matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        ColumnType::Date => matches!(given, DataType::Date32),
        ColumnType::DateTime => matches!(given, DataType::Timestamp(_, _)),
        ColumnType::Integer => given.is_integer(),
        ColumnType::Number => given.is_integer() || given.is_floating(),
        ColumnType::Boolean => matches!(given, DataType::Boolean),
        ColumnType::Pseudonym => *given == column_type.arrow(),
    }
}

fn misfit(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Integer => "is out of the range of a 64-bit integer",
        ColumnType::Number => "is not a finite double, or not exactly one",
        ColumnType::Date | ColumnType::DateTime => {
            "is not between the years 1 and 9999, or finer than a microsecond"
        }
        ColumnType::Text | ColumnType::Boolean | ColumnType::Pseudonym => "cannot be taken",
    }
}

/// The column in the type of the table; a value that does not fit becomes none.
fn convert(given: &ArrayRef, column_type: ColumnType) -> Result<ArrayRef, ArrowError> {
    let cast = |to: &DataType| {
        cast_with_options(
            given,
            to,
            &CastOptions {
                safe: true,
                ..CastOptions::default()
            },
        )
    };
    match column_type {
        ColumnType::Text | ColumnType::Integer | ColumnType::Boolean | ColumnType::Pseudonym => {
            cast(&column_type.arrow())
        }
        ColumnType::Date => {
            let days = cast(&DataType::Date32)?;
            Ok(Arc::new(
                days.as_primitive::<Date32Type>()
                    .unary_opt::<_, Date32Type>(|day| DAYS.contains(&day).then_some(day)),
            ))
        }
        ColumnType::Number => Ok(Arc::new(numbers(given, cast)?)),
        ColumnType::DateTime => Ok(Arc::new(instants(given).with_timezone(UTC))),
    }
}

fn numbers(
    given: &ArrayRef,
    cast: impl Fn(&DataType) -> Result<ArrayRef, ArrowError>,
) -> Result<Float64Array, ArrowError> {
    Ok(match given.data_type() {
        DataType::Int64 => given.as_primitive::<Int64Type>().unary_opt(|whole| {
            let double = whole as f64;
            (double as i128 == i128::from(whole)).then_some(double)
        }),
        DataType::UInt64 => given.as_primitive::<UInt64Type>().unary_opt(|whole| {
            let double = whole as f64;
            (double as i128 == i128::from(whole)).then_some(double)
        }),
        _ => cast(&DataType::Float64)?
            .as_primitive::<Float64Type>()
            .unary_opt(|double| double.is_finite().then_some(double)),
    })
}

fn instants(given: &ArrayRef) -> TimestampMicrosecondArray {
    let within = |micros: &i64| {
        let day = micros.div_euclid(MICROS_PER_DAY);
        i32::try_from(day).is_ok_and(|day| DAYS.contains(&day))
    };
    match given.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => given
            .as_primitive::<TimestampSecondType>()
            .unary_opt(|raw| raw.checked_mul(1_000_000).filter(within)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => given
            .as_primitive::<TimestampMillisecondType>()
            .unary_opt(|raw| raw.checked_mul(1_000).filter(within)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => given
            .as_primitive::<TimestampNanosecondType>()
            .unary_opt(|raw| (raw % 1_000 == 0).then_some(raw / 1_000).filter(within)),
        _ => given
            .as_primitive::<TimestampMicrosecondType>()
            .unary_opt(|raw| Some(raw).filter(within)),
    }
}
