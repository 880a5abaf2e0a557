//! The lines of one chunk, straight into columns.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use memchr::memchr_iter;
use serde::de::DeserializeSeed;

use super::MAX_IGNORED;
use super::flat::Flat;
use crate::read::assemble::{Decoded, check};
use crate::read::chunks::{Chunk, too_long};
use crate::read::column::{ColumnBuilder, Misfit};
use crate::read::json::{Member, Places, RowSeed};
use crate::read::parallel::{Decode, Send};
use crate::read::{BATCH_BYTES, BATCH_ROWS, MAX_NAME, ReadError, ReadLimits, Rejected, quoted, shorten};
use crate::schema::{Column, ColumnType, TableSchema};

/// Of a line, enough for what is quoted of it.
const MAX_SHOWN_BYTES: usize = 1_024;

/// Decodes lines into columns.
pub(super) struct Decoder {
    schema: TableSchema,
    places: Places,
    /// None where each line goes to the parser.
    pub(super) flat: Option<Flat>,
    seen: Vec<bool>,
    max_line_bytes: usize,
    /// Rows of a batch at most, so that empty objects do not make large ones.
    max_rows: usize,
    has_sensitive: bool,
}

impl Decoder {
    pub(super) fn new(schema: TableSchema, limits: ReadLimits) -> Self {
        let columns = schema.columns();
        let names = || columns.iter().map(|it| it.name.as_str());
        Self {
            places: names().collect(),
            flat: Some(Flat::new(names())),
            seen: vec![false; columns.len()],
            max_line_bytes: limits.line_bytes,
            max_rows: (BATCH_BYTES / (8 * leaves(columns)).max(1)).clamp(16, BATCH_ROWS),
            has_sensitive: columns.iter().any(Column::is_sensitive),
            schema,
        }
    }
}

impl Decode for Decoder {
    fn decode(&mut self, chunk: &Chunk, send: Send<'_>) -> Result<(), ReadError> {
        let mut line_number = chunk.first_line;
        // Found to be UTF-8 as a whole, which is much faster than text by text.
        let text = std::str::from_utf8(&chunk.bytes).ok();
        let mut lines = lines_of(&chunk.bytes).peekable();
        while lines.peek().is_some() {
            let columns = self.schema.columns().iter();
            let mut builders: Vec<_> = columns.map(|it| ColumnBuilder::new(&it.column_type)).collect();
            let mut rejected = BTreeMap::new();
            let mut numbers = Vec::new();
            let mut ignored = BTreeSet::new();
            while numbers.len() < self.max_rows
                && let Some(line) = lines.next()
            {
                let number = line_number;
                line_number += 1;
                if line.len() > self.max_line_bytes {
                    return Err(too_long(number, self.max_line_bytes));
                }
                let line = trimmed(&chunk.bytes, line);
                if line.is_empty() {
                    continue;
                }
                let text = text.and_then(|text| text.get(line.clone()));
                let found = self.append(&chunk.bytes[line], text, number, &mut builders, &mut ignored);
                if !found.faults.is_empty() {
                    rejected.insert(numbers.len(), found);
                }
                numbers.push(number);
            }
            if numbers.is_empty() {
                continue;
            }
            let columns = builders.into_iter().map(ColumnBuilder::finish);
            let decoded = Decoded {
                columns: columns
                    .collect::<Result<_, _>>()
                    .map_err(|error| ReadError::content(error.to_string()))?,
                rejected,
                ignored: ignored.into_iter().collect(),
                bytes_read: chunk.end,
            };
            if !send(check(&self.schema, decoded, |row| numbers[row])?) {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Decoder {
    /// Adds a line, which is that text if it is any, as a row, with no value where something is wrong.
    fn append(
        &mut self,
        line: &[u8],
        text: Option<&str>,
        number: u64,
        builders: &mut [ColumnBuilder],
        ignored: &mut BTreeSet<String>,
    ) -> Rejected {
        let columns = self.schema.columns();
        let mut rejected = Rejected::new(number);
        let mut stranger = None;
        let mut tell = |member: Member<'_>| match member {
            Member::Unfit(at, unfit) => rejected.add_misfit(&columns[at], unfit.misfit, &unfit.value),
            Member::Twice(at) => {
                rejected.add_misfit(&columns[at], Misfit::from("occurs twice"), "");
            }
            Member::Unknown(name) => {
                stranger.get_or_insert_with(|| name.to_owned());
                if !self.schema.is_closed() && ignored.len() < MAX_IGNORED {
                    ignored.insert(shorten(name, MAX_NAME));
                }
            }
        };
        if let (Some(text), Some(flat)) = (text, &mut self.flat)
            && flat.read(text, &self.places, builders, &mut tell)
        {
            return rejected;
        }
        let seed = RowSeed {
            builders,
            places: &self.places,
            seen: &mut self.seen,
            tell,
        };
        let read = match text {
            Some(text) => read(seed, serde_json::Deserializer::from_str(text)),
            None => read(seed, serde_json::Deserializer::from_slice(line)),
        };
        let fault = match (read, stranger) {
            (Err(error), _) => Some(syntax(&error)),
            (Ok(_), Some(name)) if self.schema.is_closed() => {
                Some(format!("may have no member {}", quoted(&name)))
            }
            (Ok(0), Some(name)) => Some(format!(
                "has none of the table's columns, but others as {}",
                quoted(&name)
            )),
            _ => None,
        };
        if let Some(reason) = fault {
            let line = &line[..line.len().min(MAX_SHOWN_BYTES)];
            let shown = String::from_utf8_lossy(line);
            // Whose values they are, nobody knows.
            rejected.add(None, reason, if self.has_sensitive { "" } else { &shown });
        }
        rejected
    }
}

fn read<'de, T, R: serde_json::de::Read<'de>>(
    seed: impl DeserializeSeed<'de, Value = T>,
    mut line: serde_json::Deserializer<R>,
) -> serde_json::Result<T> {
    let read = seed.deserialize(&mut line)?;
    line.end()?;
    Ok(read)
}

/// Where each line lies, without its end. What follows the last end is one, too.
fn lines_of(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    ends.map(move |end| std::mem::replace(&mut start, end + 1)..end)
}

fn trimmed(bytes: &[u8], line: Range<usize>) -> Range<usize> {
    let from_first = bytes[line.clone()].trim_ascii_start();
    let start = line.end - from_first.len();
    start..start + from_first.trim_ascii_end().len()
}

/// What the parser says, without the line, which is always its first.
fn syntax(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let reason = told
        .rsplit_once(" at line ")
        .map_or(told.as_str(), |(reason, _)| reason);
    format!("is not an object of JSON: {reason} at byte {}", error.column())
}

/// Plain columns, in all objects together.
fn leaves(columns: &[Column]) -> usize {
    columns
        .iter()
        .map(|column| match &column.column_type {
            ColumnType::Object(object) => 1 + leaves(&object.columns),
            _ => 1,
        })
        .sum()
}
