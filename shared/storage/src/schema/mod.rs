//! What a table's JSON Schema (draft 2020-12) means for its rows: which schemas describe some that can
//! be imported, as Arrow columns with checks.
//!
//! # Where the import differs from JSON Schema
//!
//! Its verdict on a value is that of the crate `jsonschema` with formats asserted (a test compares tens of
//! thousands), but for these:
//!
//! - Null and absent are one, since a column has no third state: an optional member may be null, and a required one
//!   that may be null may be absent.
//! - Items that differ only in members that are passed over are the same for `uniqueItems`.
//! - An integer has 64 bits, a decimal the digits of its column.
//! - Of `date-time`, a blank may stand for the `T`, and a missing offset is UTC, as databases write it. Leap seconds,
//!   more than microseconds, and instants outside the years 1 to 9999 have no place in the column. A `date` has no
//!   year 0.
//! - A `time` may be without an offset, and may have none but that of UTC: without a day no other means anything.
//! - `enum` and `const` of a `date`, `date-time`, `time`, `uuid` or `decimal` list values, not spellings of them.
//! - `byte` and `decimal` are formats of ours, and the bounds of numbers hold for decimals written as strings, too.
//! - An internationalized label (`xn--`) of a mail domain is not decoded.
//! - `multipleOf` of numbers beyond 10^±15 is exact here; there a double or a fraction of about 16 digits.
//! - `pattern`: `\b` and `\p` know all of Unicode. Look-around and back references are refused.

mod checks;
mod column_type;
pub(crate) mod exact;
mod infer;
mod normalize;
#[cfg(test)]
mod oracle;
mod parse;
mod path;
mod pseudonym;
mod types;
mod unique;
mod walk;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

pub use checks::Checks;
pub use column_type::{ColumnType, ObjectType, UTC};
pub use infer::{Sample, infer};
pub use normalize::Normalization;
pub(crate) use walk::Finding;

/// The column of a table file that holds the ids of the column of that name, beside it and never shown.
#[must_use]
pub fn id_column(name: &str) -> String {
    format!("__id_{name}")
}

/// Something wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaViolation {
    /// Where in the document, as a JSON path: `$.properties.year.minimum`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub column_type: ColumnType,
    /// Whether a row may have no value here: the property is not required, or may be null.
    pub nullable: bool,
    /// Whether no two rows of the table may have the same value (`x-unique`).
    pub unique: bool,
    /// The identity domain that the values belong to (`x-identity`); the import proves per
    /// version whether they are unique.
    pub identity: Option<String>,
    /// What is made of a value before it is checked (`x-normalize`).
    pub normalization: Normalization,
    /// What values must satisfy as they are sent, normalized.
    pub checks: Checks,
    /// Whether a value can name an individual (`x-identity`, `x-pseudonymize`).
    sensitive: bool,
}

impl Column {
    /// The column in Arrow, as batches, files and queries have it.
    #[must_use]
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.column_type.arrow(), self.nullable)
    }

    /// Whether a value can name an individual and is not to be quoted anywhere.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether pseudonyms are stored in place of the values (`x-pseudonymize`).
    #[must_use]
    pub const fn is_pseudonymized(&self) -> bool {
        matches!(self.column_type, ColumnType::Pseudonym(_))
    }

    pub(crate) fn without_checks(&self) -> Self {
        Self {
            column_type: self.column_type.without_checks(),
            normalization: Normalization::default(),
            checks: Checks::default(),
            ..self.clone()
        }
    }
}

/// A table's columns, read from its JSON Schema.
#[derive(Clone, Debug)]
pub struct TableSchema {
    columns: Vec<Column>,
    closed: bool,
    arrow: SchemaRef,
}

impl TableSchema {
    /// Reads the columns of a stored schema.
    ///
    /// # Errors
    ///
    /// Every keyword that the import does not know or cannot apply, by its path.
    pub fn parse(document: &serde_json::Value) -> Result<Self, Vec<SchemaViolation>> {
        parse::columns(document).map(Self::new)
    }

    fn new(table: ObjectType) -> Self {
        let ObjectType { columns, closed } = table;
        let fields: Vec<Field> = columns.iter().map(Column::field).collect();
        Self {
            columns,
            closed,
            arrow: Arc::new(Schema::new(fields)),
        }
    }

    /// Whether a file may have no other columns (`"additionalProperties": false`); else those are passed over.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The columns, in the order of the document.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The Arrow schema of the table's batches and files.
    #[must_use]
    pub fn arrow(&self) -> SchemaRef {
        Arc::clone(&self.arrow)
    }

    /// The place of the column of that name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The same table with the named columns alone, in that order.
    ///
    /// # Errors
    ///
    /// The names that are no columns of the table.
    pub fn select(&self, names: &[String]) -> Result<Self, Vec<String>> {
        let (found, missing): (Vec<_>, Vec<_>) = names
            .iter()
            .map(|name| (name, self.index_of(name)))
            .partition(|(_, index)| index.is_some());
        if !missing.is_empty() {
            return Err(missing.into_iter().map(|(name, _)| name.clone()).collect());
        }
        let columns = found
            .into_iter()
            .filter_map(|(_, index)| index.map(|at| self.columns[at].clone()));
        Ok(Self::new(ObjectType {
            columns: columns.collect(),
            closed: self.closed,
        }))
    }

    /// The same columns for values that passed their checks before.
    #[must_use]
    pub(crate) fn without_checks(mut self) -> Self {
        for column in &mut self.columns {
            *column = column.without_checks();
        }
        self
    }

    /// The places of the columns that have an identity.
    pub fn identities(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.identity.is_some())
            .map(|(at, _)| at)
    }
}
