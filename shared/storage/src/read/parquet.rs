use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::columnar::{Columns, split};
use super::source::{BlockingSource, PageSource};
use super::{BATCH_BYTES, BATCH_ROWS, CheckedBatch, ReadError};
use crate::schema::{Column, TableSchema};

/// What the pages that the rows of one batch lie in may unpack to.
const MAX_PAGES_BYTES: u64 = 1 << 30;

/// Decodes Parquet by the columns' names, one row group after the other, page by page.
pub(super) struct ParquetDecoder {
    source: PageSource,
    metadata: ArrowReaderMetadata,
    columns: Columns,
    projection: ProjectionMask,
    next_group: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// Rows that are read and not yet handed on.
    pending: Option<RecordBatch>,
    bytes_before: u64,
}

impl ParquetDecoder {
    pub(super) fn open(source: BlockingSource, schema: TableSchema) -> Result<Self, ReadError> {
        let metadata = load(&source)?;
        let (columns, roots) = Columns::matched(metadata.schema(), schema)?;
        let projection = ProjectionMask::roots(metadata.parquet_schema(), roots);
        Self::new(source, &metadata, columns, projection)
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
        Self::new(source, &metadata, Columns::placed(schema, places), projection)
    }

    fn new(
        source: BlockingSource,
        metadata: &ArrowReaderMetadata,
        columns: Columns,
        projection: ProjectionMask,
    ) -> Result<Self, ReadError> {
        let options = ArrowReaderOptions::new().with_schema(Arc::new(with_views(metadata.schema())));
        let metadata = guarded(|| ArrowReaderMetadata::try_new(metadata.metadata().clone(), options))?;
        Ok(Self {
            source: PageSource::new(source, MAX_PAGES_BYTES),
            metadata,
            columns,
            projection,
            next_group: 0,
            reader: None,
            pending: None,
            bytes_before: 0,
        })
    }

    /// The next rows; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<CheckedBatch>, ReadError> {
        loop {
            if let Some(batch) = self.pending.take() {
                let (first, rest) = split(&batch);
                self.pending = rest;
                return self.columns.convert(&first, self.bytes_before).map(Some);
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
