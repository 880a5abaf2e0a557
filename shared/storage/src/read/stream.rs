use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::arrow_ipc::ArrowDecoder;
use super::parquet::ParquetDecoder;
use super::pseudonymize::Pseudonymizer;
use super::source::{BlockingSource, ByteSource, Piece};
use super::transcode::Transcoded;
use super::unpack::Unpacked;
use super::{CheckedBatch, ReadError, ReadLimits, csv, ndjson};
use crate::keys::ProjectKeys;
use crate::schema::TableSchema;
use crate::{Compression, FileForm, Format, Store, StoreError};

/// Batches decoded ahead of the one who asks for them.
const AHEAD: usize = 2;

/// Batches from a decoding thread. Dropped, it stops the thread.
#[derive(Debug)]
pub struct BatchStream {
    batches: mpsc::Receiver<Result<CheckedBatch, ReadError>>,
    thread: Option<JoinHandle<()>>,
}

impl BatchStream {
    /// The next batch; none at the end. Nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<CheckedBatch, ReadError>> {
        if let Some(batch) = self.batches.recv().await {
            return Some(batch);
        }
        // The channel closes at the end, and when the thread was lost.
        let lost = self.thread.take()?.await.err()?;
        Some(Err(StoreError::Io(std::io::Error::other(lost)).into()))
    }

    fn spawn(
        decode: impl FnOnce(&mut dyn FnMut(CheckedBatch) -> bool) -> Result<(), ReadError> + Send + 'static,
    ) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        let thread = tokio::task::spawn_blocking(move || {
            // A receiver that went away is the sign to stop.
            let ended = decode(&mut |batch| sender.blocking_send(Ok(batch)).is_ok());
            if let Err(error) = ended {
                let _ = sender.blocking_send(Err(error));
            }
        });
        Self {
            batches,
            thread: Some(thread),
        }
    }
}

/// Reads a file that was sent for the table: rows that pass every check, and what is wrong with
/// the others. Of pseudonymized columns come pseudonyms alone, by `keys`, which a table that has such
/// columns needs.
#[must_use]
pub fn read_import(
    source: ByteSource,
    form: impl Into<FileForm>,
    limits: ReadLimits,
    schema: TableSchema,
    keys: Option<ProjectKeys>,
) -> BatchStream {
    let source = source.blocking(Handle::current());
    let form = form.into();
    BatchStream::spawn(move |send| {
        let pseudonymizer = Pseudonymizer::new(&schema, keys)?;
        decode(source, &form, limits, schema.as_given(), &pseudonymizer, send)
    })
}

/// Sends on what the file holds until it ends, or nobody wants more.
fn decode(
    source: BlockingSource,
    form: &FileForm,
    limits: ReadLimits,
    schema: TableSchema,
    pseudonymizer: &Pseudonymizer,
    send: &mut dyn FnMut(CheckedBatch) -> bool,
) -> Result<(), ReadError> {
    match form.format {
        Format::Parquet => {
            if form.compression != Compression::None {
                return Err(ReadError::content(format!(
                    "Parquet is compressed within, and not read from {}: unpack it first",
                    form.compression
                )));
            }
            let mut decoder = ParquetDecoder::open(source, schema)?;
            while let Some(batch) = decoder.next()? {
                if !send(pseudonymizer.apply(batch)?) {
                    break;
                }
            }
            Ok(())
        }
        _ => read_plain(&source, form, limits, schema, pseudonymizer, send),
    }
}

/// Reads formats that are read from the beginning to the end.
fn read_plain(
    source: &BlockingSource,
    form: &FileForm,
    limits: ReadLimits,
    schema: TableSchema,
    pseudonymizer: &Pseudonymizer,
    send: &mut dyn FnMut(CheckedBatch) -> bool,
) -> Result<(), ReadError> {
    let taken = Arc::new(AtomicU64::new(0));
    let packed = source.counted(Arc::clone(&taken));
    let is_packed = form.compression != Compression::None;
    let encoding = match form.format {
        Format::Csv => form.csv.other_encoding(),
        _ => None,
    };
    let mut content: Box<dyn Read> = if is_packed {
        let unpacked = Unpacked::start(packed, Arc::clone(&taken), form.compression, limits);
        Box::new(unpacked.map_err(ReadError::of_io)?)
    } else {
        Box::new(packed)
    };
    if let Some(encoding) = encoding {
        content = Box::new(Transcoded::new(content, encoding));
    }
    // Progress is of the bytes that were sent, whatever becomes of them.
    let is_changed = is_packed || encoding.is_some() || form.format == Format::Arrow;
    let mut send = |mut batch: CheckedBatch| {
        if is_changed {
            batch.bytes_read = taken.load(Ordering::Relaxed);
        }
        send(batch)
    };
    match form.format {
        Format::Csv => csv::decode(content, &form.csv, limits, &schema, pseudonymizer, &mut send),
        Format::Ndjson => ndjson::decode(content, limits, &schema, pseudonymizer, &mut send),
        Format::Arrow => {
            let mut decoder = ArrowDecoder::open(content, limits, schema)?;
            while let Some(batch) = decoder.next()? {
                if !send(pseudonymizer.apply(batch)?) {
                    break;
                }
            }
            Ok(())
        }
        Format::Parquet => Err(ReadError::content(
            "Parquet is not read from its beginning to its end",
        )),
    }
}

/// Reads the columns of `schema` from files of the table, one after the other. A column that a
/// file does not have yet has no values in it. A row that does not fit ends the stream: such a
/// file is damaged.
#[must_use]
pub fn read_table_files(store: Store, files: Vec<Piece>, schema: TableSchema) -> BatchStream {
    let runtime = Handle::current();
    let schema = schema.without_checks();
    BatchStream::spawn(move |send| {
        let mut bytes_before = 0;
        for file in files {
            let size_bytes = file.size_bytes;
            let source = ByteSource::new(store.clone(), [file]).blocking(runtime.clone());
            let mut decoder = ParquetDecoder::open_own(source, schema.clone())?;
            while let Some(mut batch) = decoder.next()? {
                if let Some(rejected) = batch.rejected.first() {
                    return Err(ReadError::at(
                        rejected.line,
                        "a file of the table does not fit its schema",
                    ));
                }
                batch.bytes_read += bytes_before;
                if !send(batch) {
                    return Ok(());
                }
            }
            bytes_before += size_bytes;
        }
        Ok(())
    })
}
