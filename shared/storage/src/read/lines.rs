//! Content split at line ends, so that several threads can decode it.

use std::io::Read;

use memchr::{memchr_iter, memrchr};

use super::ReadError;
use super::parallel::{Chunk, Split};

/// A chunk has about this many bytes, and a whole number of lines.
pub(super) const CHUNK_BYTES: usize = 2 << 20;
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Splits content.
pub(super) struct Chunks<R> {
    content: R,
    /// The beginning of a line that has yet to end.
    rest: Vec<u8>,
    line: u64,
    read: u64,
    ended: bool,
    max_line_bytes: usize,
}

impl<R: Read> Chunks<R> {
    pub(super) const fn new(content: R, max_line_bytes: usize) -> Self {
        Self {
            content,
            rest: Vec::new(),
            line: 1,
            read: 0,
            ended: false,
            max_line_bytes,
        }
    }
}

impl<R: Read> Split for Chunks<R> {
    fn next(&mut self) -> Result<Option<Chunk>, ReadError> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut step = CHUNK_BYTES.saturating_sub(bytes.len()).max(CHUNK_BYTES / 2);
        while !self.ended {
            let looked_at = bytes.len();
            let at_start = self.read == 0;
            bytes.reserve(step);
            let count = self.content.by_ref().take(step as u64).read_to_end(&mut bytes);
            let count = count.map_err(ReadError::of_io)?;
            self.read += count as u64;
            self.ended = count < step;
            if at_start && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            let looked_at = looked_at.min(bytes.len());
            let newline = memrchr(b'\n', &bytes[looked_at..]);
            if let Some(at) = newline.filter(|_| !self.ended) {
                self.rest = bytes.split_off(looked_at + at + 1);
                break;
            }
            if newline.is_none() && bytes.len() > self.max_line_bytes {
                return Err(too_long(self.line, self.max_line_bytes));
            }
            step = CHUNK_BYTES;
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let first_line = self.line;
        self.line += memchr_iter(b'\n', &bytes).count() as u64;
        Ok(Some(Chunk {
            bytes,
            first_line,
            end: self.read - self.rest.len() as u64,
        }))
    }

    fn has_ended(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn split(content: &[u8], max_line_bytes: usize) -> Result<Vec<Chunk>, ReadError> {
        let mut chunks = Chunks::new(content, max_line_bytes);
        std::iter::from_fn(|| chunks.next().transpose()).collect()
    }

    #[test]
    fn chunks_end_with_lines_and_are_the_content_together() {
        let content: Vec<u8> = (0..1_500_000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        for content in [&content[..], &content[..content.len() - 1], b"x", b"\n\n", b""] {
            let chunks = split(content, 100).unwrap();
            let mut line = 1;
            for chunk in &chunks {
                assert_eq!(chunk.first_line, line);
                line += chunk.bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            let mut but_last = chunks.iter().rev().skip(1);
            assert!(but_last.all(|chunk| chunk.bytes.ends_with(b"\n")));
            assert!(
                chunks
                    .last()
                    .is_none_or(|chunk| chunk.end == content.len() as u64)
            );
            assert_eq!(
                chunks.into_iter().flat_map(|it| it.bytes).collect::<Vec<_>>(),
                content
            );
        }
        assert_eq!(split(b"\xef\xbb\xbf{}\n", 100).unwrap()[0].bytes, b"{}\n");
    }

    #[test]
    fn a_line_without_end_is_refused_in_bounded_memory() {
        let endless = std::io::repeat(b'x');
        let error = Chunks::new(endless, 16 << 20).next().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("line 1 has more than 16777216 bytes, the most")
        );
        let long = [b"{}\n".as_slice(), &vec![b'x'; 6 << 20]].concat();
        assert!(split(&long, 1 << 20).is_err());
        assert!(split(&long, 6 << 20).is_ok());
    }
}
