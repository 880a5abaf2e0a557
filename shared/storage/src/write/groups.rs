//! A Parquet file whose groups of rows are encoded beside each other.

use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use tokio::runtime::Handle;

use super::in_order::InOrder;
use super::keyed::Keyed;
use super::object::BlockingObject;
use super::{GROUP_BYTES, GROUP_ROWS, WriteError, object_of};

type Encoded = Result<Vec<ArrowColumnChunk>, WriteError>;

/// Batches of one schema as one file.
pub(super) struct GroupsWriter {
    file: SerializedFileWriter<BlockingObject>,
    keyed: Arc<Keyed>,
    encoders: ArrowRowGroupWriterFactory,
    /// The next group, while it grows.
    gathered: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    groups: usize,
    begun: InOrder<Encoded>,
}

impl GroupsWriter {
    pub(super) fn new(
        object: BlockingObject,
        keyed: Arc<Keyed>,
        properties: WriterProperties,
        runtime: Handle,
    ) -> Result<Self, WriteError> {
        let writer = ArrowWriter::try_new(object, keyed.arrow(), Some(properties))?;
        let (file, encoders) = writer.into_serialized_writer()?;
        Ok(Self {
            file,
            keyed,
            encoders,
            gathered: Vec::new(),
            rows: 0,
            bytes: 0,
            groups: 0,
            begun: InOrder::new(runtime),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let mut at = 0;
        while at < batch.num_rows() {
            let part = batch.slice(at, (batch.num_rows() - at).min(GROUP_ROWS - self.rows));
            at += part.num_rows();
            self.rows += part.num_rows();
            // Of a slice, too, all that it keeps in memory.
            self.bytes += part.get_array_memory_size();
            self.gathered.push(part);
            if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
                let work = self.group()?;
                if let Some(encoded) = self.begun.begin(work)? {
                    append(&mut self.file, encoded?)?;
                }
            }
        }
        Ok(())
    }

    /// About as many bytes as the file has so far: of what is not encoded yet those that it takes in memory.
    pub(super) fn size_bytes(&self) -> u64 {
        self.file.inner().size_bytes() + self.bytes as u64
    }

    /// Writes all groups.
    pub(super) fn flush(&mut self) -> Result<&[RowGroupMetaData], WriteError> {
        let last = if self.gathered.is_empty() {
            None
        } else {
            Some(self.group()?)
        };
        while let Some(encoded) = self.begun.next()? {
            append(&mut self.file, encoded?)?;
        }
        // What is alone is as fast here.
        if let Some(last) = last {
            append(&mut self.file, last()?)?;
        }
        Ok(self.file.flushed_row_groups())
    }

    /// Writes all groups and the footer, and gives back what is left to be finished.
    pub(super) fn finish(mut self) -> Result<BlockingObject, WriteError> {
        self.flush()?;
        object_of(self.file.into_inner())
    }

    /// What encodes all that is gathered.
    fn group(&mut self) -> Result<impl FnOnce() -> Encoded + Send + use<>, ParquetError> {
        let encoders = self.encoders.create_column_writers(self.groups)?;
        self.groups += 1;
        (self.rows, self.bytes) = (0, 0);
        let batches = std::mem::take(&mut self.gathered);
        let keyed = Arc::clone(&self.keyed);
        Ok(move || encode(&keyed, encoders, &batches))
    }
}

fn encode(keyed: &Keyed, mut encoders: Vec<ArrowColumnWriter>, batches: &[RecordBatch]) -> Encoded {
    for batch in batches {
        let batch = keyed.add(batch)?;
        let mut encoders = encoders.iter_mut();
        for (field, column) in keyed.arrow().fields().iter().zip(batch.columns()) {
            for (leaf, encoder) in compute_leaves(field, column)?.iter().zip(encoders.by_ref()) {
                encoder.write(leaf)?;
            }
        }
    }
    let chunks = encoders.into_iter().map(ArrowColumnWriter::close);
    Ok(chunks.collect::<Result<_, _>>()?)
}

fn append(
    file: &mut SerializedFileWriter<BlockingObject>,
    columns: Vec<ArrowColumnChunk>,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for column in columns {
        column.append_to_row_group(&mut group)?;
    }
    group.close()?;
    Ok(())
}
