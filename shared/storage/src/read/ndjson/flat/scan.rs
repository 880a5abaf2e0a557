//! The grammar of a flat line: names, plain values and what stands between them.

use std::ops::Range;

use memchr::memchr;

/// What a value that is neither an array nor an object is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean(bool),
    Null,
}

/// A place in a line that has neither backslashes nor control characters.
pub(super) struct Scan<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// At the line's start, unless one of those is in it. That is seen of the line as a whole, which takes one
    /// instruction for many bytes.
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let is_odd = |byte: &u8| (*byte < b' ') | (*byte == b'\\');
        let has_odd = line.as_bytes().iter().fold(false, |odd, it| odd | is_odd(it));
        (!has_odd).then_some(Self { line, at: 0 })
    }

    /// Whether nothing but blanks is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.blanks();
        self.peek().is_none()
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    /// Goes past the next byte if it is such a one.
    fn next(&mut self, fits: impl Fn(u8) -> bool) -> Option<()> {
        fits(self.peek()?).then(|| self.at += 1)
    }

    fn blanks(&mut self) {
        while self.next(|it| it == b' ').is_some() {}
    }

    /// Goes past blanks, and the byte that follows if it is this one.
    pub(super) fn take(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        self.next(|it| it == byte)
    }

    pub(super) fn pass(&mut self, text: &str) -> bool {
        let is_next = self.line.as_bytes()[self.at..].starts_with(text.as_bytes());
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    /// Goes past the next quote; what lies before it.
    pub(super) fn before_quote(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let end = start + memchr(b'"', &self.line.as_bytes()[start..])?;
        self.at = end + 1;
        Some(start..end)
    }

    pub(super) fn value(&mut self) -> Option<(Kind, Range<usize>)> {
        if self.take(b'"').is_some() {
            return self.before_quote().map(|text| (Kind::Text, text));
        }
        let start = self.at;
        let kind = match self.peek()? {
            b't' if self.pass("true") => Kind::Boolean(true),
            b'f' if self.pass("false") => Kind::Boolean(false),
            b'n' if self.pass("null") => Kind::Null,
            _ => self.number().map(|()| Kind::Number)?,
        };
        Some((kind, start..self.at))
    }

    /// A number by the grammar of RFC 8259.
    fn number(&mut self) -> Option<()> {
        let _sign = self.next(|it| it == b'-');
        if self.next(|it| it == b'0').is_none() {
            self.digits()?;
        }
        if self.next(|it| it == b'.').is_some() {
            self.digits()?;
        }
        if self.next(|it| matches!(it, b'e' | b'E')).is_some() {
            let _sign = self.next(|it| matches!(it, b'+' | b'-'));
            self.digits()?;
        }
        Some(())
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        self.next(|it| it.is_ascii_digit())?;
        while self.next(|it| it.is_ascii_digit()).is_some() {}
        Some(())
    }
}
