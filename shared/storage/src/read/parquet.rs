use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::assemble::{Decoded, check};
use super::convert::{convert, misfits_of_type};
use super::names::{listed, match_columns};
use super::source::{BlockingSource, PageSource};
use super::{BATCH_BYTES, BATCH_ROWS, CheckedBatch, ReadError, Rejected};
use crate::schema::{Column, TableSchema};

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
    /// Columns of the file that are passed over, until they are told.
    ignored: Vec<String>,
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
        let matched = match_columns(&names, &schema)?;
        check_types(&metadata, &matched.columns, &schema)?;
        let taken = || matched.columns.iter().flatten();
        let places = (0..schema.columns().len())
            .map(|column| taken().position(|it| *it == column))
            .collect();
        let roots = (0..names.len()).filter(|at| matched.columns[*at].is_some());
        let projection = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let mut decoder = Self::new(source, &metadata, schema, places, projection)?;
        decoder.ignored = matched.ignored;
        Ok(decoder)
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
            ignored: Vec::new(),
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

/// The schema with its texts and bytes as views: one that many rows share is in memory once, as it is in the
/// file, whatever the rows would take if each had its own.
fn with_views(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(view).collect::<Vec<_>>())
}

fn view(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        DataType::List(item) => DataType::List(view(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(view).collect()),
        _ => return Arc::clone(field),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// How many rows of the batch, at least one, hold no more than `most` bytes of text, each with its own.
fn rows_within(batch: &RecordBatch, most: usize) -> usize {
    let sizes: Vec<_> = batch.columns().iter().filter_map(text_bytes).collect();
    let mut bytes = 0;
    let fits = |row: &usize| {
        bytes += sizes.iter().map(|size| size(*row)).sum::<usize>();
        bytes <= most
    };
    (0..batch.num_rows()).take_while(fits).count().max(1)
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
    columns: &[Option<usize>],
    schema: &TableSchema,
) -> Result<(), ReadError> {
    let mut faults = Vec::new();
    for (field, column) in metadata.schema().fields().iter().zip(columns) {
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
