//! The fast way for lines as programs write them: one flat object of the table's columns, without escapes.
//!
//! Owns the finding of members in such a line; whatever is in the least unusual, wrong syntax above all, it leaves
//! to the parser. All members are found before the first value is added, so that nothing has to be undone.

mod scan;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::scan::{Kind, Scan};
use crate::read::column::ColumnBuilder;
use crate::read::json::{Member, Places, Unfit};

/// After lines that were looked at in vain, at most so many are not even looked at.
const MAX_REST: u32 = 63;

/// Reads flat lines, with room to work in.
#[derive(Default)]
pub(super) struct Flat {
    /// For each column what follows a quote if it is written plainly, as in `id":`.
    keys: Vec<Option<String>>,
    /// For each column the last line that had it.
    seen: Vec<u64>,
    found: Vec<Found>,
    /// Counts the lines looked at.
    line: u64,
    /// Lines to leave to the parser unseen, and how many after the next one that is looked at in vain.
    rest: u32,
    next_rest: u32,
}

/// A member that its column takes, as far as its kind goes.
struct Found {
    column: usize,
    kind: Kind,
    /// Where the value lies in the line, a text without its quotes.
    span: Range<usize>,
}

impl Flat {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let keys: Vec<_> = names
            .map(|name| (!name.contains('"')).then(|| format!("{name}\":")))
            .collect();
        Self {
            seen: vec![0; keys.len()],
            keys,
            ..Self::default()
        }
    }

    /// Adds a line as a row as the parser would, to each builder exactly one value. False if it is left to that,
    /// with nothing added.
    pub(super) fn read(
        &mut self,
        line: &str,
        places: &Places,
        builders: &mut [ColumnBuilder],
        tell: impl FnMut(Member<'_>),
    ) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        if self.find(line, places, builders).is_none() {
            self.rest = self.next_rest;
            self.next_rest = (2 * self.next_rest + 1).min(MAX_REST);
            return false;
        }
        self.next_rest = 0;
        self.append(line, builders, tell);
        true
    }

    /// Finds all members, or gives up.
    fn find(&mut self, line: &str, places: &Places, builders: &[ColumnBuilder]) -> Option<()> {
        let mut scan = Scan::of(line)?;
        self.line += 1;
        self.found.clear();
        let mut guess = 0;
        scan.take(b'{')?;
        let mut ended = scan.take(b'}').is_some();
        while !ended {
            scan.take(b'"')?;
            let column = match self.keys.get(guess) {
                Some(Some(key)) if scan.pass(key) => guess,
                _ => {
                    let name = scan.before_quote()?;
                    scan.take(b':')?;
                    places.find(&line[name], guess)?
                }
            };
            let (kind, span) = scan.value()?;
            if self.seen[column] == self.line || !kind.is_of(&builders[column]) {
                return None;
            }
            self.seen[column] = self.line;
            self.found.push(Found { column, kind, span });
            guess = column + 1;
            if scan.take(b',').is_none() {
                scan.take(b'}')?;
                ended = true;
            }
        }
        scan.is_at_end().then_some(())
    }

    fn append(&self, line: &str, builders: &mut [ColumnBuilder], mut tell: impl FnMut(Member<'_>)) {
        for Found { column, kind, span } in &self.found {
            let builder = &mut builders[*column];
            let value = &line[span.clone()];
            let added = match *kind {
                Kind::Text => builder.append_text(value),
                Kind::Number => builder.append_digits(value),
                Kind::Boolean(it) if builder.append_boolean(it) => Ok(()),
                _ => {
                    builder.append_null();
                    Ok(())
                }
            };
            if let Err(misfit) = added {
                // Shown as the parser shows it: of a text in a column of numbers the quotes, too.
                let is_quoted = *kind == Kind::Text && builder.is_decimal();
                let margin = usize::from(is_quoted);
                let shown = &line[span.start - margin..span.end + margin];
                tell(Member::Unfit(*column, Unfit::new(misfit, shown)));
            }
        }
        if self.found.len() < builders.len() {
            let builders = builders.iter_mut().zip(&self.seen);
            let missing = builders.filter(|(_, seen)| **seen != self.line);
            missing.for_each(|(builder, _)| builder.append_null());
        }
    }
}

impl Kind {
    /// Whether the builder takes such values; what it refuses, the parser tells.
    const fn is_of(self, builder: &ColumnBuilder) -> bool {
        match self {
            Self::Text => builder.takes_text(),
            Self::Number => builder.is_numeric(),
            Self::Boolean(_) => matches!(builder, ColumnBuilder::Boolean(_)),
            Self::Null => true,
        }
    }
}
