//! Reading a text from left to right, and saying where it went wrong the way the original's parser does:
//! clients show these texts, and people compare them.
//!
//! A reader that fails returns [`Failed`]; what it had expected is noted in the [`Text`]. One that failed
//! without having taken a character may be followed by another. What was expected is forgotten with the
//! next character that is taken, so that in the end it is known for the place where nothing fitted.

use std::borrow::Cow;

use crate::error::Error;

/// A reader did not find what it expected; the [`Text`] knows what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

pub(crate) type Parsed<T> = Result<T, Failed>;

pub(crate) struct Text<'a> {
    text: &'a str,
    at: usize,
    /// Whether it is kept what was expected, which only those read who are told what is wrong.
    notes: bool,
    failure: Failure,
}

/// What would have been right.
#[derive(Clone, Copy)]
enum Expected<'a> {
    Label(&'static str),
    Word(&'a str),
}

#[derive(Default)]
struct Failure {
    at: usize,
    is_set: bool,
    /// The character that a primitive found instead; empty at the end of the text.
    found: Option<String>,
    /// What a rule refused.
    refused: Vec<String>,
    expected: Vec<Cow<'static, str>>,
    /// A bound that was exceeded: it is said instead of all that.
    bound: Option<String>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str, notes: bool) -> Self {
        Self {
            text,
            at: 0,
            notes,
            failure: Failure::default(),
        }
    }

    /// Reads a text that a parameter has, named by `what` in an error.
    pub(crate) fn parse<T>(
        what: &str,
        shown: &str,
        text: &'a str,
        reader: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Result<T, Error> {
        if let Ok(it) = reader(&mut Self::new(text, false)) {
            return Ok(it);
        }
        // Once more, to be able to say why.
        let mut input = Self::new(text, true);
        match reader(&mut input) {
            Ok(it) => Ok(it),
            Err(Failed) => Err(input.error(what, shown)),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, bytes: usize) {
        self.at += bytes;
        self.failure = Failure::default();
    }

    /// Notes at a place what was found there and what would have been right.
    fn note(
        &mut self,
        at: usize,
        found: Option<Option<char>>,
        refused: Option<char>,
        expected: Option<Expected<'_>>,
    ) {
        if !self.notes || self.failure.is_set && at < self.failure.at {
            return;
        }
        if !self.failure.is_set || at > self.failure.at {
            self.failure = Failure {
                at,
                is_set: true,
                ..Failure::default()
            };
        }
        if self.failure.found.is_none() {
            self.failure.found = found.map(|it| it.map(String::from).unwrap_or_default());
        }
        self.failure.refused.extend(refused.map(|it| format!("'{it}'")));
        self.failure.expected.extend(expected.map(|it| match it {
            Expected::Label(it) => Cow::Borrowed(it),
            Expected::Word(it) => quoted(it),
        }));
    }

    pub(crate) fn expected<T>(&mut self, what: &'static str) -> Parsed<T> {
        self.note(self.at, Some(self.peek()), None, Some(Expected::Label(what)));
        Err(Failed)
    }

    /// Gives up because of a bound.
    pub(crate) fn exceeded<T>(&mut self, bound: String) -> Parsed<T> {
        self.failure = Failure {
            at: self.at,
            is_set: true,
            bound: Some(bound),
            ..Failure::default()
        };
        Err(Failed)
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.failure.bound.is_some()
    }

    pub(crate) fn char(&mut self, wanted: char) -> Parsed<()> {
        if self.peek() == Some(wanted) {
            self.take(wanted.len_utf8());
            return Ok(());
        }
        let mut room = [0; 4];
        let expected = Expected::Word(wanted.encode_utf8(&mut room));
        self.note(self.at, Some(self.peek()), None, Some(expected));
        Err(Failed)
    }

    /// Takes characters while they fit; at most all.
    pub(crate) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|it| !fits(it)).unwrap_or(rest.len());
        if end > 0 {
            self.take(end);
        }
        // What a loop stopped at is unexpected, should nothing else fit.
        self.note(self.at, Some(self.peek()), None, None);
        rest.get(..end).unwrap_or_default()
    }

    pub(crate) fn any(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.take(next.len_utf8());
        Some(next)
    }

    /// Exactly this word. One that begins like it has been taken in part when this fails.
    pub(crate) fn word(&mut self, word: &str) -> Parsed<()> {
        let rest = self.rest();
        let mut found = rest.char_indices();
        for wanted in word.chars() {
            match found.next() {
                Some((_, it)) if it == wanted => {}
                other => {
                    let (at, unexpected) = other.unzip();
                    self.note(self.at, Some(unexpected), None, Some(Expected::Word(word)));
                    self.at += at.unwrap_or(rest.len());
                    return Err(Failed);
                }
            }
        }
        self.take(word.len());
        Ok(())
    }

    /// A word of ASCII letters, whatever their case.
    pub(crate) fn word_of_any_case(&mut self, word: &str) -> Parsed<()> {
        for wanted in word.chars() {
            match self.peek() {
                Some(it) if it == wanted || it == wanted.to_ascii_uppercase() => self.take(it.len_utf8()),
                _ => return self.char(wanted),
            }
        }
        Ok(())
    }

    /// Whether this comes next; nothing is taken.
    pub(crate) fn follows(&mut self, word: &str) -> bool {
        if self.rest().starts_with(word) {
            return true;
        }
        self.note(self.at, Some(self.peek()), None, Some(Expected::Word(word)));
        false
    }

    pub(crate) fn ends(&mut self) -> bool {
        match self.peek() {
            None => true,
            Some(it) => {
                let expected = Expected::Label("end of input");
                self.note(self.at, None, Some(it), Some(expected));
                false
            }
        }
    }

    /// Fails if a character follows that does not fit.
    pub(crate) fn not_followed_by(&mut self, misfit: impl Fn(char) -> bool) -> Parsed<()> {
        match self.peek() {
            Some(it) if misfit(it) => {
                self.note(self.at + it.len_utf8(), None, Some(it), None);
                Err(Failed)
            }
            _ => Ok(()),
        }
    }

    /// Reads, and takes nothing if that fails.
    pub(crate) fn attempt<T>(&mut self, reader: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let start = self.at;
        let before = std::mem::take(&mut self.failure);
        let result = reader(self);
        if result.is_err() {
            self.at = start;
        }
        if self.at == start && !self.is_exceeded() {
            // Nothing was taken: what was expected before still is.
            let inner = std::mem::replace(&mut self.failure, before);
            self.merge(inner);
        }
        result
    }

    /// Reads if it can; fails only if something was taken.
    pub(crate) fn optional<T>(&mut self, reader: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        let start = self.at;
        match reader(self) {
            Ok(it) => Ok(Some(it)),
            Err(Failed) if self.at == start && !self.is_exceeded() => Ok(None),
            Err(Failed) => Err(Failed),
        }
    }

    /// Calls by a name all that a reader expected where it began.
    pub(crate) fn labelled<T>(
        &mut self,
        name: &'static str,
        reader: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.at;
        let before = std::mem::take(&mut self.failure);
        let result = reader(self);
        if self.at == start && !self.is_exceeded() {
            if self.failure.is_set {
                self.failure.expected = vec![Cow::Borrowed(name)];
            }
            let inner = std::mem::replace(&mut self.failure, before);
            self.merge(inner);
        }
        result
    }

    fn merge(&mut self, other: Failure) {
        if !other.is_set {
            return;
        }
        if !self.failure.is_set || other.at > self.failure.at {
            self.failure = other;
        } else if other.at == self.failure.at {
            self.failure.found = self.failure.found.take().or(other.found);
            self.failure.refused.extend(other.refused);
            self.failure.expected.extend(other.expected);
        }
    }

    /// One or more of what a reader reads, with a separator between.
    pub(crate) fn separated<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
        mut separator: impl FnMut(&mut Self) -> Parsed<()>,
    ) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.optional(&mut separator)?.is_some() {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn error(&self, what: &str, shown: &str) -> Error {
        let before = self
            .text
            .get(..self.failure.at.min(self.text.len()))
            .unwrap_or_default();
        let (mut line, mut column) = (1_usize, 1_usize);
        for it in before.chars() {
            match it {
                '\n' => (line, column) = (line + 1, 1),
                '\t' => column += 8 - (column - 1) % 8,
                _ => column += 1,
            }
        }
        let place = format!("(line {line}, column {column})");
        Error::parse(
            format!("\"failed to parse {what} ({shown})\" {place}"),
            self.failure.details(),
        )
    }
}

impl Failure {
    fn details(&self) -> String {
        if let Some(bound) = &self.bound {
            return bound.clone();
        }
        let mut parts = Vec::new();
        let refused: Vec<_> = self.refused.iter().map(|it| Cow::Borrowed(it.as_str())).collect();
        if !refused.is_empty() {
            parts.push(format!("unexpected {}", listed(&refused)));
        } else if let Some(found) = &self.found {
            parts.push(match found.as_str() {
                "" => "unexpected end of input".to_owned(),
                found => format!("unexpected {}", quoted(found)),
            });
        }
        if !self.expected.is_empty() {
            parts.push(format!("expecting {}", listed(&self.expected)));
        }
        parts.join(" ")
    }
}

fn quoted(text: &str) -> Cow<'static, str> {
    Cow::Owned(format!("\"{}\"", text.escape_default()))
}

/// With commas and "or", each once.
fn listed(items: &[Cow<'_, str>]) -> String {
    let mut unique: Vec<&str> = Vec::new();
    for it in items {
        if !unique.contains(&&**it) {
            unique.push(it);
        }
    }
    match unique.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
