use std::io::BufWriter;

use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use tokio::runtime::Handle;

use super::copy::{CopyError, ParquetCopy};
use super::csv::CsvEncoder;
use super::ndjson::NdjsonEncoder;
use super::object::BlockingObject;
use super::packed::Packed;
use super::thread::{Encode, EncoderThread};
use super::{WriteError, object_of, parquet_properties};
use crate::read::Piece;
use crate::schema::TableSchema;
use crate::{Compression, FileForm, Format, ObjectPath, Store};

/// A durable exported file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub rows: u64,
    pub size_bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// Writes one table as one file.
#[derive(Debug)]
pub struct ExportWriter(Source);

#[derive(Debug)]
enum Source {
    Batches(EncoderThread<Exported>),
    Copied(Box<ParquetCopy>),
}

impl ExportWriter {
    /// Begins the object at `path`; it appears when it is finished.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the schema cannot be written in the format, or the format not compressed.
    pub fn start(
        store: &Store,
        path: ObjectPath,
        form: impl Into<FileForm>,
        schema: TableSchema,
    ) -> Result<Self, WriteError> {
        let FileForm {
            format,
            csv,
            compression,
        } = form.into();
        if !format.is_text() && compression != Compression::None {
            return Err(WriteError::Encode(
                "only text formats are compressed as a whole".into(),
            ));
        }
        let object = BlockingObject::new(store.writer(path), Handle::current());
        let body = match format {
            Format::Csv => {
                let packed = Packed::new(object, compression)?;
                Body::Csv(Box::new(CsvEncoder::new(packed, csv, schema)))
            }
            Format::Ndjson => {
                let packed = Packed::new(object, compression)?;
                Body::Ndjson(Box::new(NdjsonEncoder::new(packed, schema)?))
            }
            Format::Parquet => {
                let writer =
                    ArrowWriter::try_new(object, schema.arrow(), Some(parquet_properties([].into_iter())))?;
                Body::Parquet(Box::new(writer))
            }
            Format::Arrow => {
                let buffered = BufWriter::with_capacity(64 << 10, object);
                Body::Arrow(Box::new(FileWriter::try_new(buffered, &schema.arrow())?))
            }
        };
        let encoder = ExportEncoder { body, rows: 0 };
        Ok(Self(Source::Batches(EncoderThread::spawn(encoder))))
    }

    /// Writes Parquet by copying the columns of a table's files as they are, which no batches follow. None if the
    /// files are not of the schema, or in parts so small that they are better written anew.
    ///
    /// `progress` is told the rows and the bytes of the files that are done.
    ///
    /// # Errors
    ///
    /// [`CopyError`] if a file cannot be read or the new one not be written.
    pub async fn copy(
        source: Store,
        files: Vec<Piece>,
        store: &Store,
        path: ObjectPath,
        schema: &TableSchema,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Option<Self>, CopyError> {
        let object = BlockingObject::new(store.writer(path), Handle::current());
        let copied = ParquetCopy::write(source, files, object, schema.arrow(), progress).await?;
        Ok(copied.map(|copied| Self(Source::Copied(Box::new(copied)))))
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if an earlier batch could not be written; then nothing follows.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), WriteError> {
        match &mut self.0 {
            Source::Batches(thread) => thread.write(batch).await,
            Source::Copied(_) => Err(WriteError::Encode("the file is copied whole".into())),
        }
    }

    /// Makes the file appear, durable.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if any row could not be written.
    pub async fn finish(self) -> Result<Exported, WriteError> {
        match self.0 {
            Source::Batches(thread) => thread.finish().await,
            Source::Copied(copied) => copied.finish().await,
        }
    }
}

enum Body {
    Csv(Box<CsvEncoder<Packed<BlockingObject>>>),
    Ndjson(Box<NdjsonEncoder<Packed<BlockingObject>>>),
    Parquet(Box<ArrowWriter<BlockingObject>>),
    Arrow(Box<FileWriter<BufWriter<BlockingObject>>>),
}

struct ExportEncoder {
    body: Body,
    rows: u64,
}

impl Encode for ExportEncoder {
    type Output = Exported;

    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        self.rows += batch.num_rows() as u64;
        match &mut self.body {
            Body::Csv(encoder) => Ok(encoder.write(batch)?),
            Body::Ndjson(encoder) => Ok(encoder.write(batch)?),
            Body::Parquet(writer) => Ok(writer.write(batch)?),
            Body::Arrow(writer) => Ok(writer.write(batch)?),
        }
    }

    fn finish(self) -> Result<Exported, WriteError> {
        let object = match self.body {
            Body::Csv(encoder) => encoder.finish()?.finish()?,
            Body::Ndjson(encoder) => encoder.finish()?.finish()?,
            Body::Parquet(writer) => object_of(writer.into_inner())?,
            Body::Arrow(mut writer) => {
                writer.finish()?;
                let buffered = writer.into_inner()?;
                buffered
                    .into_inner()
                    .map_err(std::io::IntoInnerError::into_error)?
            }
        };
        let (size_bytes, sha256) = object.finish()?;
        Ok(Exported {
            rows: self.rows,
            size_bytes,
            sha256,
        })
    }
}
