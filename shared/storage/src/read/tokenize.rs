//! CSV as in RFC 4180: bytes to records of fields, in bounded memory. Knows whether a field was
//! quoted, which is what tells an empty text from no value.

use std::io::Read;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::chunks::BYTE_ORDER_MARK;
use super::{CsvFormat, ReadError};

pub(super) const MAX_FIELDS: usize = 16 << 10;
const BUFFER_BYTES: usize = 64 << 10;

/// What becomes of a record as it is read.
pub(super) trait Sink {
    /// Another record begins.
    fn clear(&mut self, line: u64);
    /// Its first line is known to be another.
    fn begin(&mut self, line: u64);
    fn extend(&mut self, bytes: &[u8]);
    fn end_field(&mut self, quoted: bool);
    /// After the closing quote of the field something else follows.
    fn misquote(&mut self);
    fn line(&self) -> u64;
    /// The length of its content, and its fields that have ended.
    fn size(&self) -> (usize, usize);
}

/// A record of which nothing is kept.
#[derive(Debug, Default)]
pub(super) struct Passed {
    bytes: usize,
    fields: usize,
    line: u64,
}

impl Sink for Passed {
    fn clear(&mut self, line: u64) {
        *self = Self {
            line,
            ..Self::default()
        };
    }

    fn begin(&mut self, line: u64) {
        self.line = line;
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
    }

    fn end_field(&mut self, _: bool) {
        self.fields += 1;
    }

    fn misquote(&mut self) {}

    fn line(&self) -> u64 {
        self.line
    }

    fn size(&self) -> (usize, usize) {
        (self.bytes, self.fields)
    }
}

/// One record; reused from one to the next.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    fields: Vec<Extent>,
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// The field after whose closing quote something else followed.
    pub(super) misquoted: Option<usize>,
}

#[derive(Debug)]
struct Extent {
    end: usize,
    quoted: bool,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The bytes of a field, and whether it was quoted.
    pub(super) fn field(&self, index: usize) -> (&[u8], bool) {
        let (extent, quoted) = self.extent(index);
        (&self.bytes[extent], quoted)
    }

    /// Where a field lies within [`Record::bytes`], and whether it was quoted.
    pub(super) fn extent(&self, index: usize) -> (Range<usize>, bool) {
        let start = index.checked_sub(1).map_or(0, |before| self.fields[before].end);
        let Extent { end, quoted } = self.fields[index];
        (start..end, quoted)
    }

    /// The content of all fields, one after the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the line was empty.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes.is_empty() && matches!(self.fields.as_slice(), [only] if !only.quoted)
    }

    /// The length of the record's content.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Sink for Record {
    fn clear(&mut self, line: u64) {
        self.bytes.clear();
        self.fields.clear();
        self.line = line;
        self.misquoted = None;
    }

    fn begin(&mut self, line: u64) {
        self.line = line;
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn end_field(&mut self, quoted: bool) {
        self.fields.push(Extent {
            end: self.bytes.len(),
            quoted,
        });
    }

    fn misquote(&mut self) {
        self.misquoted.get_or_insert(self.fields.len());
    }

    fn line(&self) -> u64 {
        self.line
    }

    fn size(&self) -> (usize, usize) {
        (self.bytes.len(), self.fields.len())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Nothing of the field was read.
    Start,
    Plain,
    Quoted,
    /// A quote within quotes: the first of two, or the last.
    Quote,
    /// After the closing quote came something else.
    Misquoted,
    /// Within quotes, the next character is taken as it is.
    Escaped,
    /// A line that is passed over.
    Comment,
}

pub(super) struct Tokenizer<R> {
    input: R,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    /// A record longer than this is more likely a quote that was never closed.
    max_record_bytes: usize,
    line: u64,
    /// The last byte was a carriage return that ended a line; a line feed belongs to it.
    after_return: bool,
    bytes_read: u64,
    /// Whether a byte order mark may come.
    at_start: bool,
    /// The place and the line at which what was read last began: a record, or a line that is passed over.
    began: (u64, u64),
}

impl<R: Read> Tokenizer<R> {
    pub(super) fn new(input: R, format: &CsvFormat, max_record_bytes: usize) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER_BYTES],
            at: 0,
            filled: 0,
            delimiter: format.delimiter,
            quote: format.quote,
            // A quote that is doubled is what there is without any.
            escape: format.escape.filter(|it| *it != format.quote),
            comment: format.comment,
            max_record_bytes,
            line: 1,
            after_return: false,
            bytes_read: 0,
            at_start: true,
            began: (0, 1),
        }
    }

    /// Of content within a file, from the first byte of a record on this line.
    pub(super) fn within(input: R, format: &CsvFormat, max_record_bytes: usize, line: u64) -> Self {
        Self {
            line,
            at_start: false,
            began: (0, line),
            ..Self::new(input, format, max_record_bytes)
        }
    }

    /// The place and the line at which what was read last began.
    pub(super) const fn began(&self) -> (u64, u64) {
        self.began
    }

    /// The line of what comes next.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// Bytes consumed so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read - (self.filled - self.at) as u64
    }

    /// Reads the next record; false at the end.
    pub(super) fn read(&mut self, record: &mut impl Sink) -> Result<bool, ReadError> {
        record.clear(self.line);
        let mut state = State::Start;
        let mut any = false;
        loop {
            if self.at == self.filled && !self.fill()? {
                return self.end(record, state, any);
            }
            let byte = self.buffer[self.at];
            if std::mem::take(&mut self.after_return) && byte == b'\n' {
                self.at += 1;
                continue;
            }
            if !any {
                record.begin(self.line);
                self.began = (self.bytes_read(), self.line);
                any = true;
            }
            match state {
                State::Plain | State::Misquoted => self.take_plain(record),
                State::Quoted => self.take_quoted(record),
                State::Comment => self.pass_line(),
                State::Start | State::Quote | State::Escaped => {}
            }
            if self.at == self.filled {
                self.check_size(record)?;
                continue;
            }
            let byte = self.buffer[self.at];
            self.at += 1;
            state = match state {
                State::Comment => {
                    self.line += 1;
                    self.after_return = byte == b'\r';
                    any = false;
                    State::Start
                }
                State::Start if Some(byte) == self.comment && record.size() == (0, 0) => State::Comment,
                State::Escaped => {
                    self.line += u64::from(byte == b'\n');
                    record.extend(&[byte]);
                    State::Quoted
                }
                State::Quoted if byte == self.quote => State::Quote,
                State::Quoted => State::Escaped,
                State::Start if byte == self.quote => State::Quoted,
                State::Quote if byte == self.quote => {
                    record.extend(&[byte]);
                    State::Quoted
                }
                _ if byte == self.delimiter => {
                    record.end_field(matches!(state, State::Quote | State::Misquoted));
                    State::Start
                }
                _ if byte == b'\n' || byte == b'\r' => {
                    self.line += 1;
                    self.after_return = byte == b'\r';
                    record.end_field(matches!(state, State::Quote | State::Misquoted));
                    self.check_size(record)?;
                    return Ok(true);
                }
                State::Quote => {
                    record.misquote();
                    record.extend(&[byte]);
                    State::Misquoted
                }
                _ => {
                    record.extend(&[byte]);
                    if state == State::Misquoted {
                        state
                    } else {
                        State::Plain
                    }
                }
            };
            self.check_size(record)?;
        }
    }

    /// Takes what can only be content of an unquoted field.
    fn take_plain(&mut self, record: &mut impl Sink) {
        let rest = &self.buffer[self.at..self.filled];
        let length = memchr3(self.delimiter, b'\n', b'\r', rest).unwrap_or(rest.len());
        record.extend(&rest[..length]);
        self.at += length;
    }

    /// Takes what can only be content of a quoted field.
    fn take_quoted(&mut self, record: &mut impl Sink) {
        let rest = &self.buffer[self.at..self.filled];
        let end = match self.escape {
            Some(escape) => memchr2(self.quote, escape, rest),
            None => memchr(self.quote, rest),
        };
        let length = end.unwrap_or(rest.len());
        record.extend(&rest[..length]);
        self.line += memchr_iter(b'\n', &rest[..length]).count() as u64;
        self.at += length;
    }

    /// Passes over what is left of a line.
    fn pass_line(&mut self) {
        let rest = &self.buffer[self.at..self.filled];
        self.at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    fn end(&mut self, record: &mut impl Sink, state: State, any: bool) -> Result<bool, ReadError> {
        if state == State::Comment {
            return Ok(false);
        }
        if matches!(state, State::Quoted | State::Escaped) {
            let reason = format!(
                "the quote opened in the record at line {} is never closed",
                record.line()
            );
            return Err(ReadError::at(record.line(), reason));
        }
        if any {
            record.end_field(matches!(state, State::Quote | State::Misquoted));
        }
        Ok(any)
    }

    fn check_size(&self, record: &impl Sink) -> Result<(), ReadError> {
        let (bytes, fields) = record.size();
        if bytes > self.max_record_bytes || fields > MAX_FIELDS {
            let reason = format!(
                "the record at line {} has more than {} bytes or {MAX_FIELDS} fields; is a quote not closed?",
                record.line(),
                self.max_record_bytes
            );
            return Err(ReadError::at(record.line(), reason));
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<bool, ReadError> {
        let at_start = std::mem::take(&mut self.at_start);
        (self.at, self.filled) = (0, 0);
        // The first read must see a whole byte order mark.
        let enough = if at_start { BYTE_ORDER_MARK.len() } else { 1 };
        while self.filled < enough {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::of_io(error)),
            }
        }
        self.bytes_read += self.filled as u64;
        if at_start && self.buffer[..self.filled].starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
            return Ok(self.at < self.filled || self.fill()?);
        }
        Ok(self.filled > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in small pieces, as a network does.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    const MAX_RECORD_BYTES: usize = 16 << 20;

    type Fields = Vec<(String, bool)>;

    fn read_all(text: &[u8], step: usize) -> Result<Vec<(u64, Fields)>, ReadError> {
        read_as(text, step, &CsvFormat::default())
    }

    fn read_as(text: &[u8], step: usize, format: &CsvFormat) -> Result<Vec<(u64, Fields)>, ReadError> {
        let mut tokenizer = Tokenizer::new(Trickle(text, step), format, MAX_RECORD_BYTES);
        let mut record = Record::default();
        let mut records = Vec::new();
        while tokenizer.read(&mut record)? {
            let fields = (0..record.len()).map(|at| {
                let (bytes, quoted) = record.field(at);
                (String::from_utf8_lossy(bytes).into_owned(), quoted)
            });
            records.push((record.line, fields.collect()));
        }
        assert_eq!(tokenizer.bytes_read(), text.len() as u64);
        Ok(records)
    }

    fn plain(fields: &[&str]) -> Fields {
        fields.iter().map(|field| ((*field).to_owned(), false)).collect()
    }

    #[test]
    fn records_end_with_any_newline_or_the_file() {
        for step in [1, 2, 3, 100] {
            let records = read_all(b"\xef\xbb\xbfa,b\r\n1,\n2,3\r,\n4,5", step).unwrap();
            let expected = [
                (1, plain(&["a", "b"])),
                (2, plain(&["1", ""])),
                (3, plain(&["2", "3"])),
                (4, plain(&["", ""])),
                (5, plain(&["4", "5"])),
            ];
            assert_eq!(records, expected);
        }
    }

    #[test]
    fn quotes_keep_everything_and_tell_empty_from_nothing() {
        for step in [1, 4, 100] {
            let records = read_all(b"\"a\"\"\r\n,b\",\"\",\nx\"y,\"z\"\n", step).unwrap();
            let first = vec![
                ("a\"\r\n,b".to_owned(), true),
                (String::new(), true),
                (String::new(), false),
            ];
            assert_eq!(
                records,
                [
                    (1, first),
                    (3, vec![("x\"y".to_owned(), false), ("z".to_owned(), true)])
                ]
            );
        }
    }

    #[test]
    fn a_quote_that_never_closes_names_its_line() {
        let error = read_all(b"a,b\n1,\"2\n3,4\n", 5).unwrap_err();
        assert!(
            matches!(error, ReadError::Content { line: Some(2), .. }),
            "{error}"
        );
    }

    #[test]
    fn a_record_cannot_fill_the_memory() {
        let long = [b"\"".as_slice(), &vec![b'x'; MAX_RECORD_BYTES + 1]].concat();
        assert!(matches!(
            read_all(&long, 1 << 16),
            Err(ReadError::Content { line: Some(1), .. })
        ));
        assert!(matches!(
            read_all(&vec![b','; MAX_FIELDS + 1], 1 << 16),
            Err(ReadError::Content { .. })
        ));
    }

    #[test]
    fn text_after_a_closing_quote_is_marked() {
        let mut tokenizer = Tokenizer::new(&b"a,\"b\"c\"d,e\n"[..], &CsvFormat::default(), 100);
        let mut record = Record::default();
        assert!(tokenizer.read(&mut record).unwrap());
        assert_eq!((record.misquoted, record.len()), (Some(1), 3));
    }

    #[test]
    fn escapes_count_within_quotes_and_comments_are_passed_over() {
        let format = CsvFormat {
            escape: Some(b'\\'),
            comment: Some(b'#'),
            ..CsvFormat::default()
        };
        let text = b"#head\r\na\\,\"b\\\"\\\\c\\\n\"\"\"\n#\"x\n\n1,#2\n# end";
        for step in [1, 2, 100] {
            let records = read_as(text, step, &format).unwrap();
            let first = vec![("a\\".to_owned(), false), ("b\"\\c\n\"".to_owned(), true)];
            assert_eq!(records, [(2, first), (5, plain(&[""])), (6, plain(&["1", "#2"]))]);
        }
        assert!(read_as(b"\"a\\", 1, &format).is_err());
    }

    #[test]
    fn one_huge_line_is_refused_in_bounded_memory() {
        let endless = std::io::repeat(b'x');
        let mut tokenizer = Tokenizer::new(endless, &CsvFormat::default(), 1 << 20);
        let mut record = Record::default();
        let error = tokenizer.read(&mut record).unwrap_err();
        assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
        assert!(record.bytes.capacity() < 4 << 20);
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_same_records_however_they_arrive(bytes in "[a,\"\r\n]{0,40}", step in 1_usize..5) {
            match (read_all(bytes.as_bytes(), step), read_all(bytes.as_bytes(), 1000)) {
                (Ok(some), Ok(others)) => prop_assert_eq!(some, others),
                (Err(_), Err(_)) => {}
                (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
            }
        }
    }
}
