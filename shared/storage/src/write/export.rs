use std::io::BufWriter;
use std::sync::Arc;

use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use tokio::runtime::Handle;

use super::copy::{CopyError, ParquetCopy};
use super::csv::CsvLines;
use super::groups::GroupsWriter;
use super::keyed::Keyed;
use super::ndjson::NdjsonLines;
use super::object::BlockingObject;
use super::text::{Lines, LinesWriter};
use super::thread::{Encode, EncoderThread};
use super::{WriteError, parquet_properties};
use crate::read::Piece;
use crate::schema::TableSchema;
use crate::{Compression, FileForm, Format, ObjectPath, ObjectWriter, Store};

/// An exported file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub rows: u64,
    pub size_bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// A file with all its rows that nobody sees yet. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Sealed {
    exported: Exported,
    object: ObjectWriter,
}

impl Sealed {
    pub(super) fn new(object: BlockingObject, rows: u64) -> Self {
        let (object, size_bytes, sha256) = object.seal();
        Self {
            exported: Exported {
                rows,
                size_bytes,
                sha256,
            },
            object,
        }
    }

    /// What is going to appear.
    #[must_use]
    pub const fn exported(&self) -> &Exported {
        &self.exported
    }

    /// Makes the file appear, durable.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the store does not take it.
    pub async fn appear(self) -> Result<(), WriteError> {
        Ok(self.object.finish().await.map(|_| ())?)
    }
}

/// Writes one table as one file.
#[derive(Debug)]
pub struct ExportWriter(Source);

#[derive(Debug)]
enum Source {
    Batches(EncoderThread<Sealed>),
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
            Format::Csv => lines(object, compression, CsvLines::new(csv, schema))?,
            Format::Ndjson => lines(object, compression, NdjsonLines::new(schema)?)?,
            Format::Parquet => {
                let properties = parquet_properties(&schema, std::iter::empty(), &[]);
                let keyed = Arc::new(Keyed::new(&schema, None));
                let writer = GroupsWriter::new(object, keyed, properties, Handle::current())?;
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

    /// Ends the file, without making it appear.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if any row could not be written.
    pub async fn seal(self) -> Result<Sealed, WriteError> {
        match self.0 {
            Source::Batches(thread) => thread.finish().await,
            Source::Copied(copied) => copied.seal().await,
        }
    }

    /// Makes the file appear, durable.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if any row could not be written.
    pub async fn finish(self) -> Result<Exported, WriteError> {
        let sealed = self.seal().await?;
        let exported = sealed.exported.clone();
        sealed.appear().await?;
        Ok(exported)
    }
}

enum Body {
    Lines(Box<LinesWriter>),
    Parquet(Box<GroupsWriter>),
    Arrow(Box<FileWriter<BufWriter<BlockingObject>>>),
}

fn lines(object: BlockingObject, compression: Compression, lines: impl Lines) -> std::io::Result<Body> {
    let writer = LinesWriter::new(object, compression, lines, Handle::current())?;
    Ok(Body::Lines(Box::new(writer)))
}

struct ExportEncoder {
    body: Body,
    rows: u64,
}

impl Encode for ExportEncoder {
    type Output = Sealed;

    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        self.rows += batch.num_rows() as u64;
        match &mut self.body {
            Body::Lines(writer) => writer.write(batch),
            Body::Parquet(writer) => writer.write(batch),
            Body::Arrow(writer) => Ok(writer.write(batch)?),
        }
    }

    fn finish(self) -> Result<Sealed, WriteError> {
        let object = match self.body {
            Body::Lines(writer) => writer.finish()?,
            Body::Parquet(writer) => writer.finish()?,
            Body::Arrow(mut writer) => {
                writer.finish()?;
                let buffered = writer.into_inner()?;
                buffered
                    .into_inner()
                    .map_err(std::io::IntoInnerError::into_error)?
            }
        };
        Ok(Sealed::new(object, self.rows))
    }
}
