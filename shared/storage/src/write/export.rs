use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use tokio::runtime::Handle;

use super::csv::CsvEncoder;
use super::object::BlockingObject;
use super::thread::{Encode, EncoderThread};
use super::{WriteError, object_of, parquet_properties};
use crate::read::CsvFormat;
use crate::schema::TableSchema;
use crate::{ObjectPath, Store};

/// The format of an exported file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// `header`: whether the first line holds the names of the columns.
    Csv {
        format: CsvFormat,
        header: bool,
    },
    Parquet,
}

impl ExportFormat {
    /// The usual ending of a file's name.
    #[must_use]
    pub const fn extension(&self) -> &'static str {
        match self {
            Self::Csv { .. } => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// A durable exported file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub rows: u64,
    pub size_bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// Writes batches of one table as one file.
#[derive(Debug)]
pub struct ExportWriter(EncoderThread<Exported>);

impl ExportWriter {
    /// Begins the object at `path`; it appears when it is finished.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the schema cannot be written in the format.
    pub fn start(
        store: &Store,
        path: ObjectPath,
        format: ExportFormat,
        schema: TableSchema,
    ) -> Result<Self, WriteError> {
        let object = BlockingObject::new(store.writer(path), Handle::current());
        let body = match format {
            ExportFormat::Csv { format, header } => {
                Body::Csv(Box::new(CsvEncoder::new(object, format, header, schema)))
            }
            ExportFormat::Parquet => {
                let properties = parquet_properties(&schema, std::iter::empty());
                let writer = ArrowWriter::try_new(object, schema.arrow(), Some(properties))?;
                Body::Parquet(Box::new(writer))
            }
        };
        Ok(Self(EncoderThread::spawn(ExportEncoder { body, rows: 0 })))
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if an earlier batch could not be written; then nothing follows.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), WriteError> {
        self.0.write(batch).await
    }

    /// Makes the file appear, durable.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if any row could not be written.
    pub async fn finish(self) -> Result<Exported, WriteError> {
        self.0.finish().await
    }
}

enum Body {
    Csv(Box<CsvEncoder<BlockingObject>>),
    Parquet(Box<ArrowWriter<BlockingObject>>),
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
            Body::Parquet(writer) => Ok(writer.write(batch)?),
        }
    }

    fn finish(self) -> Result<Exported, WriteError> {
        let object = match self.body {
            Body::Csv(encoder) => encoder.finish()?,
            Body::Parquet(writer) => object_of(*writer)?,
        };
        let (size_bytes, sha256) = object.finish()?;
        Ok(Exported {
            rows: self.rows,
            size_bytes,
            sha256,
        })
    }
}
