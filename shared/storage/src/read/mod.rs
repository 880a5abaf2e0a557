//! Readers of files that people send, and of the table's own: async byte sources in, checked Arrow
//! batches out, in memory that does not grow with the file. Decoding runs on a thread of its own.

mod arrow_buffers;
mod arrow_ipc;
mod assemble;
mod chunks;
pub(crate) mod column;
mod columnar;
mod convert;
mod csv;
mod csv_format;
mod detect;
mod json;
mod lines;
mod names;
mod ndjson;
mod parallel;
mod parquet;
mod pseudonymize;
mod records;
mod sample;
mod source;
mod stream;
mod thrift;
mod tokenize;
mod transcode;
mod unpack;
pub mod value;

use arrow::record_batch::RecordBatch;

pub use csv_format::{CsvFormat, CsvFormatError};
pub use detect::{Detected, detect};
pub use sample::{SampledSchema, sample_schema};
pub(crate) use source::source_error;
pub use source::{ByteSource, Piece};
pub use stream::{BatchStream, read_import, read_table_files};

use self::column::Misfit;
use crate::StoreError;
use crate::schema::Column;

/// A batch is handed on when it has this many rows …
pub(crate) const BATCH_ROWS: usize = 8_192;
/// … or holds about this many bytes.
pub(crate) const BATCH_BYTES: usize = 16 << 20;
/// Faults reported of one record at most.
const MAX_FAULTS: usize = 8;
/// A value is quoted in a fault up to this many characters.
const MAX_QUOTED: usize = 200;
/// A name is quoted in a reason up to this many characters.
const MAX_NAME: usize = 64;

/// How much one file may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// What compressed content may unpack to.
    pub unpacked_bytes: u64,
    /// A line of NDJSON, or a record of CSV.
    pub line_bytes: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            unpacked_bytes: 1 << 40,
            line_bytes: 16 << 20,
        }
    }
}

/// Why reading a file ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The content is not what its format or the table's schema demand. `reason` is for the one
    /// who sent the file; `line` counts from 1.
    #[error("{reason}")]
    Content { line: Option<u64>, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReadError {
    pub(crate) fn content(reason: impl Into<String>) -> Self {
        Self::Content {
            line: None,
            reason: reason.into(),
        }
    }

    /// What stopped the reading of content: its source, or the content itself.
    pub(crate) fn of_io(error: std::io::Error) -> Self {
        error
            .downcast::<Self>()
            .unwrap_or_else(|other| Self::Store(source_error(other)))
    }

    pub(crate) fn at(line: u64, reason: impl Into<String>) -> Self {
        Self::Content {
            line: Some(line),
            reason: reason.into(),
        }
    }
}

/// Some rows that passed every check, and the records beside them that did not.
#[derive(Debug)]
pub struct CheckedBatch {
    pub batch: RecordBatch,
    /// For each row the line on which its record begins, or the number of the record; from 1.
    pub lines: Vec<u64>,
    pub rejected: Vec<Rejected>,
    /// With the first batch: columns of the file that the table does not have and that are passed over.
    pub ignored: Vec<String>,
    /// Bytes of the source read up to here.
    pub bytes_read: u64,
}

/// A record that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The line of a text file on which the record begins, or the number of the record; from 1.
    pub line: u64,
    /// At least one; of a record with many the first few.
    pub faults: Vec<Fault>,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field; none if it is about the record as a whole.
    pub field: Option<String>,
    /// Why, in a sentence for people.
    pub reason: String,
    /// The value, shortened and printable; empty if it could name an individual.
    pub value: String,
}

impl Fault {
    /// Whether it is about the column's value, or about the record and so about every value.
    fn is_of(&self, column: &Column) -> bool {
        self.field.as_ref().is_none_or(|field| {
            field
                .strip_prefix(column.name.as_str())
                .is_some_and(|rest| rest.is_empty() || column.column_type.is_nested())
        })
    }
}

impl Rejected {
    fn new(line: u64) -> Self {
        Self {
            line,
            faults: Vec::new(),
        }
    }

    fn add(&mut self, field: Option<&str>, reason: impl Into<String>, value: &str) {
        if self.faults.len() < MAX_FAULTS {
            let fault = Fault {
                field: field.map(str::to_owned),
                reason: reason.into(),
                value: shorten(value, MAX_QUOTED),
            };
            self.faults.push(fault);
        }
    }

    /// Adds what is wrong with a value of the column.
    fn add_misfit(&mut self, column: &Column, misfit: Misfit, value: &str) {
        let shown = if column.is_sensitive() { "" } else { value };
        let field = format!("{}{}", column.name, misfit.within);
        self.add(Some(&field), misfit.reason, shown);
    }
}

/// A name of a file's own making, fit for a reason.
fn quoted(name: &str) -> String {
    format!("{:?}", shorten(name, MAX_NAME))
}

/// The beginning of a value, without what a terminal or a database would trip over.
fn shorten(value: &str, most: usize) -> String {
    let mut characters = value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut short: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        short.pop();
        short.push('…');
    }
    short
}
