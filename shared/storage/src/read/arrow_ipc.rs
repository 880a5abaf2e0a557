//! Arrow IPC. A file of it is a stream between a mark at its beginning and a table of contents at its end,
//! and is read as one.

use std::io::{Chain, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;

use super::arrow_buffers::{MAX_BATCH_BYTES, PlainBuffers, too_large_a_batch};
use super::columnar::{Columns, split};
use super::{CheckedBatch, ReadError, ReadLimits};
use crate::schema::TableSchema;

/// The first and the last bytes of a file.
pub(super) const MARK: &[u8] = b"ARROW1";
/// The mark is followed by zeros up to a multiple of this …
const WORD_BYTES: u64 = 8;
/// … and of some writers more, for their alignment.
const MAX_PADDED_MARK_BYTES: u64 = 64;
const STEP_BYTES: u64 = 1 << 20;

/// Decodes Arrow IPC by the columns' names, batch by batch.
pub(super) struct ArrowDecoder<R> {
    content: PlainBuffers<Stream<R>>,
    decoder: StreamDecoder,
    buffer: Buffer,
    is_file: bool,
    schema: TableSchema,
    /// Once the schema of the file was read: the columns, and their places in its batches.
    columns: Option<(Columns, Vec<usize>)>,
    pending: Option<RecordBatch>,
    /// Bytes since the last batch, of which there may be as many as a batch has.
    unused_bytes: u64,
    ended: bool,
}

impl<R: Read> ArrowDecoder<R> {
    pub(super) fn open(content: R, limits: ReadLimits, schema: TableSchema) -> Result<Self, ReadError> {
        let (is_file, content) = begin(content)?;
        Ok(Self {
            content: PlainBuffers::new(content, limits),
            decoder: StreamDecoder::new(),
            buffer: Buffer::from(Vec::<u8>::new()),
            is_file,
            schema,
            columns: None,
            pending: None,
            unused_bytes: 0,
            ended: false,
        })
    }

    /// The next rows; none at the end. How much of the content was read for them is not told with them.
    pub(super) fn next(&mut self) -> Result<Option<CheckedBatch>, ReadError> {
        loop {
            if let Some((columns, _)) = &mut self.columns
                && let Some(batch) = self.pending.take()
            {
                let (first, rest) = split(&batch);
                self.pending = rest;
                return columns.convert(&first, 0).map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            let Self { decoder, buffer, .. } = self;
            match catch_unwind(AssertUnwindSafe(|| decoder.decode(buffer))) {
                Ok(Ok(Some(batch))) => {
                    self.unused_bytes = 0;
                    let (_, places) = self.columns()?;
                    let batch = batch.project(places).map_err(|error| unreadable(&error))?;
                    self.pending = Some(unpacked(&batch)?).filter(|it| it.num_rows() > 0);
                }
                Ok(Ok(None)) => self.fill()?,
                // The end was read before, and something follows it.
                Ok(Err(_)) if self.decoder.finish().is_ok() => self.end()?,
                Ok(Err(error)) => return Err(unreadable(&error)),
                Err(_) => {
                    return Err(ReadError::content(
                        "the file is not readable as Arrow: it is damaged",
                    ));
                }
            }
        }
    }

    /// The columns, by the schema that precedes everything else.
    fn columns(&mut self) -> Result<&(Columns, Vec<usize>), ReadError> {
        let columns = match self.columns.take() {
            Some(columns) => columns,
            None => {
                let Some(schema) = self.decoder.schema() else {
                    return Err(cut_short());
                };
                Columns::matched(&without_dictionaries(&schema), self.schema.clone())?
            }
        };
        Ok(self.columns.insert(columns))
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let bytes = self.step()?;
        if !bytes.is_empty() {
            self.buffer = bytes.into();
            return Ok(());
        }
        self.decoder.finish().map_err(|_| cut_short())?;
        if self.is_file {
            return Err(cut_short());
        }
        self.columns()?;
        self.ended = true;
        Ok(())
    }

    fn step(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        self.content
            .by_ref()
            .take(STEP_BYTES)
            .read_to_end(&mut bytes)
            .map_err(ReadError::of_io)?;
        self.unused_bytes += bytes.len() as u64;
        if self.unused_bytes > MAX_BATCH_BYTES {
            return Err(ReadError::content(too_large_a_batch()));
        }
        Ok(bytes)
    }

    /// What follows the end: of a file its table of contents, of a stream nothing.
    fn end(&mut self) -> Result<(), ReadError> {
        if !self.is_file {
            return Err(ReadError::content(
                "the file is not readable as Arrow: something follows the end of the stream",
            ));
        }
        let mut last = self.buffer.to_vec();
        loop {
            last.drain(..last.len().saturating_sub(MARK.len()));
            let more = self.step()?;
            if more.is_empty() {
                break;
            }
            last.extend_from_slice(&more);
        }
        if last != MARK {
            return Err(cut_short());
        }
        self.columns()?;
        self.ended = true;
        Ok(())
    }
}

/// Content behind what was read of it.
type Stream<R> = Chain<Cursor<Vec<u8>>, R>;

/// Reads up to where the stream begins; tells whether it is a file's, and gives the stream.
fn begin<R: Read>(mut content: R) -> Result<(bool, Stream<R>), ReadError> {
    let mut word = || {
        let mut word = Vec::new();
        let read = content.by_ref().take(WORD_BYTES).read_to_end(&mut word);
        read.map(|_| word).map_err(ReadError::of_io)
    };
    let mut head = word()?;
    let is_file = head.starts_with(MARK);
    if is_file {
        let mut padded = WORD_BYTES;
        head = word()?;
        while padded < MAX_PADDED_MARK_BYTES && !head.is_empty() && head.iter().all(|byte| *byte == 0) {
            padded += WORD_BYTES;
            head = word()?;
        }
    }
    Ok((is_file, Cursor::new(head).chain(content)))
}

/// The stream that the content is, or that is in it.
pub(super) fn stream_of(content: impl Read) -> Result<impl Read, ReadError> {
    begin(content).map(|(_, stream)| stream)
}

fn cut_short() -> ReadError {
    ReadError::content("the file is not readable as Arrow: it ends too early, it is cut short")
}

fn unreadable(error: &ArrowError) -> ReadError {
    ReadError::content(format!("the file is not readable as Arrow: {error}"))
}

/// The schema with the values of dictionaries in their places.
fn without_dictionaries(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(plain).collect::<Vec<FieldRef>>())
}

fn plain(field: &FieldRef) -> FieldRef {
    let DataType::Dictionary(_, values) = field.data_type() else {
        return FieldRef::clone(field);
    };
    // As views, a text that many rows share is in memory once, as it is in the file.
    let data_type = match values.as_ref() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        number if number.is_numeric() => number.clone(),
        _ => return FieldRef::clone(field),
    };
    Field::clone(field).with_data_type(data_type).into()
}

/// The batch with the values of dictionaries in their places.
fn unpacked(batch: &RecordBatch) -> Result<RecordBatch, ReadError> {
    let schema = without_dictionaries(&batch.schema());
    let unpack = |(column, field): (&ArrayRef, &FieldRef)| cast(column, field.data_type());
    let is_plain = |column: &ArrayRef| !matches!(column.data_type(), DataType::Dictionary(_, _));
    if batch.columns().iter().all(is_plain) {
        return Ok(batch.clone());
    }
    let columns: Result<Vec<_>, _> = batch.columns().iter().zip(schema.fields()).map(unpack).collect();
    columns
        .and_then(|columns| RecordBatch::try_new(schema.into(), columns))
        .map_err(|error| unreadable(&error))
}
