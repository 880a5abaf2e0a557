//! CSV split where records end, so that several threads can decode it.

use std::io::Read;

use memchr::{memchr, memchr_iter, memrchr};

use super::lines::{BYTE_ORDER_MARK, CHUNK_BYTES};
use super::parallel::{Chunk, Split};
use super::tokenize::{Passed, Tokenizer};
use super::{CsvFormat, ReadError};

/// Splits content.
pub(super) struct RecordChunks<R> {
    content: R,
    format: CsvFormat,
    max_record_bytes: usize,
    /// The beginning of a record that has yet to end.
    rest: Vec<u8>,
    /// The line on which it begins.
    line: u64,
    read: u64,
    ended: bool,
    chunk_bytes: usize,
}

impl<R: Read> RecordChunks<R> {
    pub(super) fn new(content: R, format: &CsvFormat, max_record_bytes: usize) -> Self {
        Self {
            content,
            format: format.clone(),
            max_record_bytes,
            rest: Vec::new(),
            line: 1,
            read: 0,
            ended: false,
            chunk_bytes: CHUNK_BYTES,
        }
    }

    /// How many of the bytes are whole records, and the line after them. None if not even one is, as far as
    /// can be told.
    fn cut(&self, bytes: &[u8]) -> Result<Option<(usize, u64)>, ReadError> {
        let cut = if self.format.comment.is_none() && memchr(self.format.quote, bytes).is_none() {
            self.cut_plain(bytes)
        } else {
            None
        };
        match cut {
            None => self.cut_any(bytes),
            found => Ok(found),
        }
    }

    /// Where nothing is quoted, each end of a line is one of a record.
    fn cut_plain(&self, bytes: &[u8]) -> Option<(usize, u64)> {
        let at = match memrchr(b'\n', bytes) {
            Some(at) => at + 1,
            // A line feed that belongs to the last one may come.
            None => memrchr(b'\r', &bytes[..bytes.len().checked_sub(1)?])? + 1,
        };
        let bytes = &bytes[..at];
        let alone = memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) != Some(&b'\n'));
        let lines = memchr_iter(b'\n', bytes).count() + alone.count();
        Some((at, self.line + lines as u64))
    }

    /// Up to where the last record begins, which may not be whole.
    fn cut_any(&self, bytes: &[u8]) -> Result<Option<(usize, u64)>, ReadError> {
        let mut tokenizer = Tokenizer::within(bytes, &self.format, self.max_record_bytes, self.line);
        let mut record = Passed::default();
        loop {
            let read = tokenizer.read(&mut record);
            let is_at_end = tokenizer.bytes_read() == bytes.len() as u64;
            match read {
                Ok(true) if !is_at_end => {}
                // What follows may be needed to tell.
                Err(error) if !is_at_end => return Err(error),
                _ => break,
            }
        }
        let (at, line) = tokenizer.began();
        let at = usize::try_from(at).unwrap_or_default();
        Ok((at > 0).then_some((at, line)))
    }
}

impl<R: Read> Split for RecordChunks<R> {
    fn next(&mut self) -> Result<Option<Chunk>, ReadError> {
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
            if let Some((at, line)) = self.cut(&bytes)? {
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

    fn has_ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tokenize::Record;
    use super::*;

    type Records = Vec<(u64, Vec<(Vec<u8>, bool)>)>;

    fn records(tokenizer: &mut Tokenizer<&[u8]>, records: &mut Records) -> Result<(), ReadError> {
        let mut record = Record::default();
        while tokenizer.read(&mut record)? {
            let fields = (0..record.len()).map(|at| {
                let (bytes, quoted) = record.field(at);
                (bytes.to_vec(), quoted)
            });
            records.push((record.line, fields.collect()));
        }
        Ok(())
    }

    fn whole(content: &[u8], format: &CsvFormat, max_bytes: usize) -> Result<Records, ReadError> {
        let mut found = Records::new();
        records(&mut Tokenizer::new(content, format, max_bytes), &mut found)?;
        Ok(found)
    }

    fn in_chunks(
        content: &[u8],
        format: &CsvFormat,
        max_bytes: usize,
        chunk_bytes: usize,
    ) -> Result<Records, ReadError> {
        let mut chunks = RecordChunks::new(content, format, max_bytes);
        chunks.chunk_bytes = chunk_bytes;
        let (mut found, mut end) = (Records::new(), 0);
        while let Some(chunk) = chunks.next()? {
            let mark = if end == 0 && content.starts_with(BYTE_ORDER_MARK) {
                3
            } else {
                0
            };
            assert_eq!(
                chunk.bytes,
                content[end + mark..usize::try_from(chunk.end).unwrap()]
            );
            end = usize::try_from(chunk.end).unwrap();
            let mut tokenizer = Tokenizer::within(&chunk.bytes[..], format, max_bytes, chunk.first_line);
            records(&mut tokenizer, &mut found)?;
        }
        Ok(found)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn chunks_hold_the_records_of_the_whole(
            content in "(\u{feff})?[ab,\"\r\n#\\\\]{0,60}",
            chunk_bytes in 1_usize..40,
            (escape, comment) in (proptest::option::of(Just(b'\\')), proptest::option::of(Just(b'#'))),
        ) {
            let format = CsvFormat { escape, comment, ..CsvFormat::default() };
            let found = in_chunks(content.as_bytes(), &format, 1_000, chunk_bytes);
            match (found, whole(content.as_bytes(), &format, 1_000)) {
                (Ok(found), Ok(expected)) => prop_assert_eq!(found, expected),
                (Err(found), Err(expected)) => prop_assert_eq!(found.to_string(), expected.to_string()),
                (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
            }
        }
    }

    #[test]
    fn a_record_without_end_is_refused_in_bounded_memory() {
        for byte in [b'x', b'"', b','] {
            let endless = std::io::Read::chain(&b"a,b\n1,\""[..], std::io::repeat(byte));
            let mut chunks = RecordChunks::new(endless, &CsvFormat::default(), 1 << 20);
            let mut told = 0;
            let error = loop {
                match chunks.next() {
                    Ok(Some(chunk)) => told += chunk.bytes.len(),
                    Ok(None) => panic!("it has no end"),
                    Err(error) => break error,
                }
            };
            assert!(error.to_string().contains("record at line 2"), "{error}");
            assert!(told < 16 << 20, "{told}");
        }
    }

    #[test]
    fn a_long_comment_is_no_record() {
        let format = CsvFormat {
            comment: Some(b'#'),
            ..CsvFormat::default()
        };
        let content = [
            b"#".as_slice(),
            &vec![b'x'; 500],
            b"\na,b\n#",
            &vec![b'"'; 500],
            b"\n1,2\n",
        ]
        .concat();
        let found = in_chunks(&content, &format, 100, 16).unwrap();
        assert_eq!(found, whole(&content, &format, 100).unwrap());
        assert_eq!(found.iter().map(|it| it.0).collect::<Vec<_>>(), [2, 4]);
    }
}
