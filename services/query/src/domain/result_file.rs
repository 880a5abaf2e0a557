//! A result as it lies in the object store: an Arrow IPC file of small batches.
//!
//! Its footer says with which row each batch begins, so that reading on from any row fetches only
//! the batches that are sent.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use arrow::ipc::{Block, root_as_footer};

/// Extension of the object's name.
pub(crate) const EXTENSION: &str = "arrow";
/// Length of the end of a file that says how long its footer is.
pub(crate) const TRAILER_BYTES: u64 = 10;

const BATCH_ROWS: usize = 8192;
/// Half of what a gRPC client takes in one message by default, and less.
const BATCH_BYTES: usize = 1 << 20;
/// One row must fit a message, as JSON too.
const ROW_BYTES: usize = 2 << 20;
const STARTS: &str = "datacovey.batch_starts";

/// The file of these rows.
///
/// # Errors
/// A type that Arrow's IPC does not know; a row that no message could carry.
pub(crate) fn encode(schema: &Schema, rows: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut writer = FileWriter::try_new(Vec::new(), schema)?;
    let (mut starts, mut at) = (Vec::new(), 0_usize);
    for batch in rows {
        let mut rest = vec![batch.clone()];
        while let Some(next) = rest.pop() {
            let count = next.num_rows();
            let bytes = sliced_bytes(&next)?;
            if count > 1 && (count > BATCH_ROWS || bytes > BATCH_BYTES) {
                let half = if count > BATCH_ROWS { BATCH_ROWS } else { count / 2 };
                rest.push(next.slice(half, count - half));
                rest.push(next.slice(0, half));
            } else if bytes > ROW_BYTES {
                return Err(ArrowError::InvalidArgumentError("a row is too long".to_owned()));
            } else if count > 0 {
                starts.push(at.to_string());
                at += count;
                writer.write(&next)?;
            }
        }
    }
    writer.write_metadata(STARTS, starts.join(" "));
    writer.into_inner()
}

/// Bytes of the rows of a slice, not of the buffers that it is cut from.
fn sliced_bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    let column = |array: &arrow::array::ArrayRef| array.to_data().get_slice_memory_size();
    batch.columns().iter().map(column).sum()
}

/// The range of the footer within a file of `size` bytes that ends with `trailer`.
///
/// # Errors
/// The end is not that of an Arrow IPC file.
pub(crate) fn footer_range(size: u64, trailer: &[u8]) -> Result<Range<u64>, ArrowError> {
    let trailer = trailer.try_into().map_err(|_| damaged())?;
    let length = read_footer_length(trailer)? as u64;
    let end = size.checked_sub(TRAILER_BYTES).ok_or_else(damaged)?;
    Ok(end.checked_sub(length).ok_or_else(damaged)?..end)
}

/// Where the batches of a file lie.
#[derive(Debug)]
pub(crate) struct ResultFile {
    pub schema: SchemaRef,
    decoder: FileDecoder,
    batches: Vec<BatchPlace>,
}

/// One batch of a file.
#[derive(Clone, Debug)]
pub(crate) struct BatchPlace {
    /// Number of its first row.
    pub start: usize,
    block: Block,
}

impl BatchPlace {
    /// Its bytes within the file.
    ///
    /// # Errors
    /// The footer is damaged.
    pub(crate) fn range(&self) -> Result<Range<u64>, ArrowError> {
        let number = |value: i64| u64::try_from(value).map_err(|_| damaged());
        let start = number(self.block.offset())?;
        let length =
            number(self.block.metaDataLength().into())?.checked_add(number(self.block.bodyLength())?);
        Ok(start
            ..length
                .and_then(|length| start.checked_add(length))
                .ok_or_else(damaged)?)
    }
}

impl ResultFile {
    /// Reads a footer.
    ///
    /// # Errors
    /// It is damaged.
    pub(crate) fn parse(footer: &[u8]) -> Result<Self, ArrowError> {
        let footer = root_as_footer(footer).map_err(|_| damaged())?;
        let schema = Arc::new(fb_to_schema(footer.schema().ok_or_else(damaged)?));
        let metadata = footer.custom_metadata().into_iter().flatten();
        let starts = metadata
            .filter(|pair| pair.key() == Some(STARTS))
            .find_map(|pair| pair.value());
        let starts = starts.ok_or_else(damaged)?.split_whitespace().map(str::parse);
        let starts = starts.collect::<Result<Vec<usize>, _>>().map_err(|_| damaged())?;
        let blocks: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
        if starts.len() != blocks.len() {
            return Err(damaged());
        }
        let batches = starts
            .into_iter()
            .zip(blocks)
            .map(|(start, block)| BatchPlace { start, block })
            .collect();
        Ok(Self {
            decoder: FileDecoder::new(Arc::clone(&schema), footer.version()),
            schema,
            batches,
        })
    }

    /// The batch that holds the row of this number, and those after it.
    #[must_use]
    pub(crate) fn holding(&self, row: usize) -> &[BatchPlace] {
        let first = self
            .batches
            .partition_point(|batch| batch.start <= row)
            .saturating_sub(1);
        &self.batches[first..]
    }

    /// Decodes the bytes of a batch.
    ///
    /// # Errors
    /// They are damaged.
    pub(crate) fn decode(&self, place: &BatchPlace, bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
        // Bytes of an object start anywhere, Arrow's buffers on multiples of 64.
        let aligned = Buffer::from(bytes);
        self.decoder
            .read_record_batch(&place.block, &aligned)?
            .ok_or_else(damaged)
    }
}

/// An Arrow IPC stream in pieces: its schema, a message a batch, its end.
pub(crate) struct IpcStream(StreamWriter<Vec<u8>>);

impl std::fmt::Debug for IpcStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IpcStream").finish_non_exhaustive()
    }
}

impl IpcStream {
    /// # Errors
    /// A type that Arrow's IPC does not know.
    pub(crate) fn new(schema: &Schema) -> Result<Self, ArrowError> {
        StreamWriter::try_new(Vec::new(), schema).map(Self)
    }

    /// Adds a batch and gives the bytes written since the last call, the schema's included.
    ///
    /// # Errors
    /// The batch has another schema.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        self.0.write(batch)?;
        Ok(std::mem::take(self.0.get_mut()))
    }

    /// Ends the stream and gives its last bytes.
    ///
    /// # Errors
    /// None that a buffer in memory has.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, ArrowError> {
        self.0.finish()?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}

fn damaged() -> ArrowError {
    ArrowError::IpcError("the result file is damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};
    use arrow::ipc::reader::StreamReader;

    use super::*;

    fn batch(rows: usize, width: usize) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, false),
            Field::new("text", DataType::Utf8, false),
        ]));
        let n = Int64Array::from_iter_values(0..rows as i64);
        let text = StringArray::from_iter_values((0..rows).map(|row| format!("{row}{}", "x".repeat(width))));
        RecordBatch::try_new(schema, vec![Arc::new(n), Arc::new(text)]).unwrap()
    }

    fn open(bytes: &[u8]) -> ResultFile {
        let size = bytes.len() as u64;
        let range = footer_range(size, &bytes[bytes.len() - TRAILER_BYTES as usize..]).unwrap();
        ResultFile::parse(&bytes[range.start as usize..range.end as usize]).unwrap()
    }

    fn read(bytes: &[u8], row: usize) -> Vec<RecordBatch> {
        let file = open(bytes);
        let decode = |place: &BatchPlace| {
            let range = place.range().unwrap();
            let batch = file
                .decode(place, &bytes[range.start as usize..range.end as usize])
                .unwrap();
            let skip = row.saturating_sub(place.start);
            batch.slice(skip, batch.num_rows() - skip)
        };
        file.holding(row).iter().map(decode).collect()
    }

    #[test]
    fn any_row_can_be_read_from() {
        let all = batch(20_000, 10);
        let bytes = encode(&all.schema(), &[all.slice(0, 7), all.slice(7, 19_993)]).unwrap();
        for row in [0, 6, 7, 8198, 8199, 8200, 19_999] {
            let read = arrow::compute::concat_batches(&all.schema(), &read(&bytes, row)).unwrap();
            assert_eq!(read, all.slice(row, all.num_rows() - row), "from row {row}");
        }
    }

    #[test]
    fn wide_rows_make_small_batches() {
        let wide = batch(64, 100_000);
        let bytes = encode(&wide.schema(), &[wide]).unwrap();
        for piece in open(&bytes).holding(0) {
            let range = piece.range().unwrap();
            assert!(range.end - range.start < 2 * BATCH_BYTES as u64);
        }
    }

    #[test]
    fn a_row_that_no_message_carries_is_an_error() {
        let encoded = |width| {
            let rows = batch(1, width);
            encode(&rows.schema(), &[rows])
        };
        assert!(encoded(ROW_BYTES - 100).is_ok());
        assert!(encoded(ROW_BYTES).is_err());
    }

    #[test]
    fn an_empty_result_has_a_schema() {
        let none = batch(0, 1);
        let bytes = encode(&none.schema(), std::slice::from_ref(&none)).unwrap();
        assert!(open(&bytes).holding(0).is_empty());
        assert_eq!(open(&bytes).schema, none.schema());
    }

    #[test]
    fn damage_is_an_error() {
        let rows = batch(10, 1);
        let bytes = encode(&rows.schema(), &[rows]).unwrap();
        let trailer = &bytes[bytes.len() - TRAILER_BYTES as usize..];
        assert!(footer_range(5, trailer).is_err());
        assert!(footer_range(20, &[0; 10]).is_err());
        assert!(ResultFile::parse(&bytes[..40]).is_err());
    }

    #[test]
    fn pieces_make_one_stream() {
        let rows = batch(10, 3);
        let mut stream = IpcStream::new(&rows.schema()).unwrap();
        let mut bytes = stream.write(&rows.slice(0, 4)).unwrap();
        bytes.extend(stream.write(&rows.slice(4, 6)).unwrap());
        bytes.extend(stream.finish().unwrap());
        let read: Vec<_> = StreamReader::try_new(bytes.as_slice(), None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            arrow::compute::concat_batches(&rows.schema(), &read).unwrap(),
            rows
        );
    }
}
