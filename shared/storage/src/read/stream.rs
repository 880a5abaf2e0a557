use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::csv::CsvDecoder;
use super::parquet::ParquetDecoder;
use super::pseudonymize::Pseudonymizer;
use super::source::{BlockingSource, ByteSource, Piece};
use super::{CheckedBatch, ImportFormat, ReadError};
use crate::keys::ProjectKeys;
use crate::schema::TableSchema;
use crate::{Store, StoreError};

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
    format: ImportFormat,
    schema: TableSchema,
    keys: Option<ProjectKeys>,
) -> BatchStream {
    let source = source.blocking(Handle::current());
    BatchStream::spawn(move |send| {
        let pseudonymizer = Pseudonymizer::new(&schema, keys)?;
        let mut failed = Ok(());
        decode(
            source,
            &format,
            schema.as_given(),
            &mut |batch| match pseudonymizer.apply(batch) {
                Ok(batch) => send(batch),
                Err(error) => {
                    failed = Err(error);
                    false
                }
            },
        )?;
        failed
    })
}

/// Sends on what the file holds until it ends, or nobody wants more.
fn decode(
    source: BlockingSource,
    format: &ImportFormat,
    schema: TableSchema,
    send: &mut dyn FnMut(CheckedBatch) -> bool,
) -> Result<(), ReadError> {
    match format {
        ImportFormat::Csv(format) => {
            let mut decoder = CsvDecoder::open(source.whole(), format, schema)?;
            while let Some(batch) = decoder.next()? {
                if !send(batch) {
                    break;
                }
            }
        }
        ImportFormat::Parquet => {
            let mut decoder = ParquetDecoder::open(source, schema)?;
            while let Some(batch) = decoder.next()? {
                if !send(batch) {
                    break;
                }
            }
        }
    }
    Ok(())
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
