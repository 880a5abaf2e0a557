//! Content in chunks of whole records, so that several threads can decode it.

use std::io::Read;

use super::ReadError;

/// A chunk has about this many bytes.
const CHUNK_BYTES: usize = 2 << 20;
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whole records of the content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// The number of the first line, from 1.
    pub(super) first_line: u64,
    /// Bytes of the content up to its end.
    pub(super) end: u64,
}

/// Knows where records end.
pub(super) trait Cut {
    /// How many of the bytes, which begin on this line, are whole records, and the line after them. None if not
    /// even one is, as far as can be told.
    ///
    /// # Errors
    ///
    /// [`ReadError::Content`] where a record would fill the memory.
    fn cut(&self, bytes: &[u8], line: u64) -> Result<Option<(usize, u64)>, ReadError>;
}

/// Splits content.
pub(super) struct Chunks<R, C> {
    content: R,
    cut: C,
    /// The beginning of a record that has yet to end.
    rest: Vec<u8>,
    /// The line on which it begins.
    line: u64,
    read: u64,
    ended: bool,
    pub(super) chunk_bytes: usize,
}

impl<R: Read, C: Cut> Chunks<R, C> {
    pub(super) const fn new(content: R, cut: C) -> Self {
        Self {
            content,
            cut,
            rest: Vec::new(),
            line: 1,
            read: 0,
            ended: false,
            chunk_bytes: CHUNK_BYTES,
        }
    }

    /// The next records; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, ReadError> {
        let mut bytes = std::mem::take(&mut self.rest);
        let first_line = self.line;
        while !self.ended {
            // Looking anew at what grows twofold costs no more than looking at it twice.
            let step = (self.chunk_bytes.saturating_sub(bytes.len()))
                .max(self.chunk_bytes / 2)
                .max(bytes.len())
                // The first step must see a whole byte order mark.
                .max(BYTE_ORDER_MARK.len());
            let at_start = self.read == 0;
            bytes.reserve(step);
            let count = self.content.by_ref().take(step as u64).read_to_end(&mut bytes);
            let count = count.map_err(ReadError::of_io)?;
            self.read += count as u64;
            self.ended = count < step;
            if at_start && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            if self.ended {
                break;
            }
            if let Some((at, line)) = self.cut.cut(&bytes, self.line)? {
                self.rest = bytes.split_off(at);
                self.line = line;
                break;
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some(Chunk {
            bytes,
            first_line,
            end: self.read - self.rest.len() as u64,
        }))
    }

    /// Whether all is read.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }
}

/// What is to be said of a line that would fill the memory.
pub(super) fn too_long(line: u64, max_bytes: usize) -> ReadError {
    let reason = format!(
        "line {line} has more than {max_bytes} bytes, the most that a record may have; look for a quote that is \
         never closed or a missing line end"
    );
    ReadError::at(line, reason)
}
