//! Where records of CSV end.

use memchr::{memchr, memchr_iter, memrchr};

use super::chunks::{Cut, too_long};
use super::tokenize::{MAX_FIELDS, Passed, Tokenizer};
use super::{CsvFormat, ReadError};

/// Records of CSV, which may have ends of lines within quotes.
pub(super) struct Records<'a> {
    pub(super) format: &'a CsvFormat,
    pub(super) max_record_bytes: usize,
}

impl Records<'_> {
    /// Up to where the last record begins, which may not be whole.
    fn cut_any(&self, bytes: &[u8], line: u64) -> Result<Option<(usize, u64)>, ReadError> {
        let mut tokenizer = Tokenizer::within(bytes, self.format, self.max_record_bytes, line);
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

impl Cut for Records<'_> {
    fn cut(&self, bytes: &[u8], line: u64) -> Result<Option<(usize, u64)>, ReadError> {
        let plain = if self.format.comment.is_none() && memchr(self.format.quote, bytes).is_none() {
            cut_plain(bytes, line)
        } else {
            None
        };
        let cut = match plain {
            None => self.cut_any(bytes, line)?,
            found => found,
        };
        // Each byte of a record may be doubled, and each field stand in quotes. What has more is a line that is
        // passed over.
        let most = self
            .max_record_bytes
            .saturating_mul(2)
            .saturating_add(3 * MAX_FIELDS);
        if cut.is_none() && bytes.len() > most {
            return Err(too_long(line, self.max_record_bytes));
        }
        Ok(cut)
    }
}

/// Where nothing is quoted, each end of a line is one of a record.
fn cut_plain(bytes: &[u8], line: u64) -> Option<(usize, u64)> {
    let at = match memrchr(b'\n', bytes) {
        Some(at) => at + 1,
        // A line feed that belongs to the last one may come.
        None => memrchr(b'\r', &bytes[..bytes.len().checked_sub(1)?])? + 1,
    };
    let bytes = &bytes[..at];
    let alone = memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) != Some(&b'\n'));
    let lines = memchr_iter(b'\n', bytes).count() + alone.count();
    Some((at, line + lines as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::chunks::{BYTE_ORDER_MARK, Chunks};
    use super::super::tokenize::Record;
    use super::*;

    type Found = Vec<(u64, Vec<(Vec<u8>, bool)>)>;

    fn records(tokenizer: &mut Tokenizer<&[u8]>, records: &mut Found) -> Result<(), ReadError> {
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

    fn whole(content: &[u8], format: &CsvFormat, max_bytes: usize) -> Result<Found, ReadError> {
        let mut found = Found::new();
        records(&mut Tokenizer::new(content, format, max_bytes), &mut found)?;
        Ok(found)
    }

    fn in_chunks(
        content: &[u8],
        format: &CsvFormat,
        max_bytes: usize,
        chunk_bytes: usize,
    ) -> Result<Found, ReadError> {
        let cut = Records {
            format,
            max_record_bytes: max_bytes,
        };
        let mut chunks = Chunks::new(content, cut);
        chunks.chunk_bytes = chunk_bytes;
        let (mut found, mut end) = (Found::new(), 0);
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
    fn what_has_no_end_is_refused_in_bounded_memory() {
        let format = CsvFormat {
            comment: Some(b'#'),
            ..CsvFormat::default()
        };
        for (begun, byte) in [
            ("1,\"", b'x'),
            ("1,\"", b'"'),
            ("1,\"", b','),
            ("1,", b'x'),
            ("#", b'x'),
        ] {
            let begun = format!("a,b\n{begun}");
            let endless = std::io::Read::chain(begun.as_bytes(), std::io::repeat(byte));
            let cut = Records {
                format: &format,
                max_record_bytes: 1 << 20,
            };
            let mut chunks = Chunks::new(endless, cut);
            let mut told = 0;
            let error = loop {
                match chunks.next() {
                    Ok(Some(chunk)) => told += chunk.bytes.len(),
                    Ok(None) => panic!("it has no end"),
                    Err(error) => break error,
                }
            };
            assert!(error.to_string().contains("line 2"), "{error}");
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
