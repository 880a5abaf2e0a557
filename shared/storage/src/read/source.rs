use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;

use super::ReadError;
use super::thrift::{MAX_FOOTER_BYTES, Page, check_footer, check_page};
use crate::{ObjectPath, Store, StoreError};

/// How much a sequential reader fetches at a time.
const STEP_BYTES: u64 = 1 << 20;
/// How much is fetched for the header of a Parquet page.
const HEADER_BYTES: u64 = 16 << 10;
/// Longer than any header whose statistics are of values that fit into a page.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// The last word of a file, and of one that is encrypted.
const PARQUET_MARKS: [&[u8]; 2] = [b"PAR1", b"PARE"];
/// The length of the metadata and the last word.
const FOOTER_BYTES: u64 = 8;

/// One object of a [`ByteSource`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub path: ObjectPath,
    pub size_bytes: u64,
}

/// Objects that together are one file.
#[derive(Clone, Debug)]
pub struct ByteSource {
    store: Store,
    /// Each piece with the offset at which it begins.
    pieces: Vec<(u64, Piece)>,
    size_bytes: u64,
}

impl ByteSource {
    /// The concatenation of `pieces`.
    #[must_use]
    pub fn new(store: Store, pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut size_bytes = 0;
        let pieces = pieces
            .into_iter()
            .filter(|piece| piece.size_bytes > 0)
            .map(|piece| {
                let start = size_bytes;
                size_bytes += piece.size_bytes;
                (start, piece)
            })
            .collect();
        Self {
            store,
            pieces,
            size_bytes,
        }
    }

    /// The length of the whole.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The bytes of `range`, cut to what there is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a piece cannot be read.
    pub async fn get_range(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let end = range.end.min(self.size_bytes);
        let mut at = range.start.min(end);
        let mut index = self
            .pieces
            .partition_point(|(start, _)| *start <= at)
            .saturating_sub(1);
        let mut whole = BytesMut::new();
        while at < end {
            let (start, piece) = &self.pieces[index];
            let until = end.min(start + piece.size_bytes);
            let part = self
                .store
                .get_range(&piece.path, at - start..until - start)
                .await?;
            if until == end && whole.is_empty() {
                return Ok(part);
            }
            whole.extend_from_slice(&part);
            (at, index) = (until, index + 1);
        }
        Ok(whole.freeze())
    }

    /// For a decoding thread: the same bytes, read by blocking it.
    pub(crate) fn blocking(self, runtime: Handle) -> BlockingSource {
        BlockingSource {
            source: self,
            runtime,
        }
    }
}

/// A [`ByteSource`] for code that blocks. Only for threads that may.
#[derive(Clone, Debug)]
pub(crate) struct BlockingSource {
    source: ByteSource,
    runtime: Handle,
}

impl BlockingSource {
    pub(crate) fn reader(&self, start: u64, step_bytes: u64) -> SequentialReader {
        SequentialReader {
            source: self.clone(),
            at: start,
            step_bytes,
            buffer: Bytes::new(),
            taken: None,
        }
    }

    /// Reads from the beginning to the end.
    pub(crate) fn whole(&self) -> SequentialReader {
        self.reader(0, STEP_BYTES)
    }

    /// Reads from the beginning to the end, and tells how far it is.
    pub(crate) fn counted(&self, taken: Arc<AtomicU64>) -> SequentialReader {
        SequentialReader {
            taken: Some(taken),
            ..self.whole()
        }
    }

    /// Refuses a Parquet file whose metadata cannot be what they say.
    pub(crate) fn check_footer(&self) -> Result<(), ReadError> {
        let end = self.source.size_bytes.saturating_sub(FOOTER_BYTES);
        let footer = self.get(end..self.source.size_bytes).map_err(source_error)?;
        // A file that is too short for a footer is the decoder's to refuse.
        let Some(length) = footer.first_chunk::<4>() else {
            return Ok(());
        };
        if !PARQUET_MARKS.iter().any(|mark| footer.ends_with(mark)) {
            return Err(ReadError::content(
                "the file is not readable as Parquet: it does not end as one, it is cut short",
            ));
        }
        let length = u64::from(u32::from_le_bytes(*length));
        if length > MAX_FOOTER_BYTES as u64 {
            return Err(ReadError::content(
                "the file is not readable as Parquet: its metadata have more than 16 MiB",
            ));
        }
        match end.checked_sub(length) {
            Some(start) => check_footer(&self.get(start..end).map_err(source_error)?),
            None => Ok(()),
        }
    }

    fn get(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.runtime
            .block_on(self.source.get_range(range))
            .map_err(io::Error::other)
    }
}

impl Length for BlockingSource {
    fn len(&self) -> u64 {
        self.source.size_bytes
    }
}

impl ChunkReader for BlockingSource {
    type T = SequentialReader;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(self.reader(start, HEADER_BYTES))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start
            .checked_add(length as u64)
            .filter(|end| *end <= self.source.size_bytes);
        let Some(end) = end else {
            return Err(ParquetError::EOF("the file points behind its end".to_owned()));
        };
        Ok(self.get(start..end)?)
    }
}

/// The pages of a Parquet file: each header is looked over before the decoder makes room for its page.
#[derive(Clone, Debug)]
pub(crate) struct PageSource {
    source: BlockingSource,
    /// Bytes of the pages, unpacked, since the last question.
    unpacked_bytes: Arc<AtomicU64>,
    most_bytes: u64,
}

impl PageSource {
    /// `most_bytes`: how much the pages may unpack to between two calls of [`PageSource::begin`].
    pub(crate) fn new(source: BlockingSource, most_bytes: u64) -> Self {
        Self {
            source,
            unpacked_bytes: Arc::default(),
            most_bytes,
        }
    }

    pub(crate) fn begin(&self) {
        self.unpacked_bytes.store(0, Ordering::Relaxed);
    }

    /// The header at `start`, with what of the page was fetched along with it.
    fn header(&self, start: u64) -> Result<Bytes, ReadError> {
        let mut length = HEADER_BYTES;
        loop {
            let head = self
                .source
                .get(start..start.saturating_add(length))
                .map_err(source_error)?;
            let is_all = (head.len() as u64) < length || length >= MAX_HEADER_BYTES;
            match check_page(&head)? {
                Page::Of(size) => {
                    let unpacked = self.unpacked_bytes.fetch_add(size, Ordering::Relaxed) + size;
                    if unpacked > self.most_bytes {
                        return Err(ReadError::content(
                            "rows that belong together take too much memory; write smaller pages",
                        ));
                    }
                    return Ok(head);
                }
                // The decoder says what is missing.
                Page::CutShort if is_all => return Ok(head),
                Page::CutShort => length *= 16,
            }
        }
    }
}

impl Length for PageSource {
    fn len(&self) -> u64 {
        self.source.len()
    }
}

impl ChunkReader for PageSource {
    type T = SequentialReader;

    /// Of row groups, the decoder reads the pages' headers this way and nothing else.
    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let buffer = self
            .header(start)
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(SequentialReader {
            at: start + buffer.len() as u64,
            buffer,
            ..self.source.reader(start, HEADER_BYTES)
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.source.get_bytes(start, length)
    }
}

/// Reads on from one place.
#[derive(Debug)]
pub(crate) struct SequentialReader {
    source: BlockingSource,
    at: u64,
    step_bytes: u64,
    buffer: Bytes,
    /// Where the bytes that were taken are counted.
    taken: Option<Arc<AtomicU64>>,
}

impl Read for SequentialReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer = self
                .source
                .get(self.at..self.at.saturating_add(self.step_bytes))?;
            self.at += self.buffer.len() as u64;
        }
        let count = out.len().min(self.buffer.len());
        out[..count].copy_from_slice(&self.buffer.split_to(count));
        if let Some(taken) = &self.taken {
            taken.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(count)
    }
}

/// An I/O error as the store's error that it may hold.
pub(crate) fn source_error(error: io::Error) -> StoreError {
    error.downcast().unwrap_or_else(StoreError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_read_as_one_from_any_offset() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let mut pieces = Vec::new();
        for (at, text) in ["abc", "", "defgh", "i"].into_iter().enumerate() {
            let path = ObjectPath::from(format!("p/{at}"));
            store
                .put(&path, Bytes::from_static(text.as_bytes()))
                .await
                .unwrap();
            pieces.push(Piece {
                path,
                size_bytes: text.len() as u64,
            });
        }
        let source = ByteSource::new(store, pieces);
        let whole = b"abcdefghi";
        for start in 0..=whole.len() {
            for end in start..=whole.len() {
                let read = source.get_range(start as u64..end as u64).await.unwrap();
                assert_eq!(read, whole[start..end]);
            }
        }
        assert_eq!(source.get_range(7..100).await.unwrap(), whole[7..]);
        let blocking = source.blocking(Handle::current());
        let text = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            blocking.reader(1, 2).read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(text.await.unwrap(), "bcdefghi");
    }
}
