//! What a table's JSON Schema (draft 2020-12) means for its rows: which schemas describe some that can
//! be imported, as Arrow columns with checks.

mod checks;
mod normalize;
mod parse;
mod path;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub use checks::Checks;
pub use normalize::Normalization;
pub(crate) use normalize::normalize;

use crate::keys::PSEUDONYM_BYTES;

/// The time zone of every instant: it is stored in UTC, whatever offset it came with.
pub const UTC: &str = "+00:00";

/// The column of a table file that holds the ids of the column of that name, beside it and never shown.
#[must_use]
pub fn id_column(name: &str) -> String {
    format!("__id.{name}")
}

/// Something wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaViolation {
    /// Where in the document, as a JSON path: `$.properties.year.minimum`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `string`.
    Text,
    /// `string` of the format `date`.
    Date,
    /// `string` of the format `date-time`: an instant, to the microsecond.
    DateTime,
    /// `integer`, of 64 bits.
    Integer,
    /// `number`: a finite double.
    Number,
    /// `boolean`.
    Boolean,
    /// In place of a value of another type, its keyed hash (`x-pseudonymize`).
    Pseudonym,
}

impl ColumnType {
    /// The Arrow type of the column.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::DateTime => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Pseudonym => DataType::FixedSizeBinary(PSEUDONYM_BYTES as i32),
        }
    }

    /// The type in the words of JSON Schema, for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Pseudonym => "pseudonym",
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// The type of the values as they are stored.
    pub column_type: ColumnType,
    /// The type of the values as they are sent: another one where they are pseudonymized.
    pub given_type: ColumnType,
    /// Whether a row may have no value here: the property is not required, or may be null.
    pub nullable: bool,
    /// The identity domain that the values belong to (`x-identity`); the import proves per
    /// version whether they are unique.
    pub identity: Option<String>,
    /// What is made of a text before it is checked (`x-normalize`).
    pub normalize: Vec<Normalization>,
    /// Of the values as they are sent, normalized.
    pub checks: Checks,
}

impl Column {
    /// Whether the values themselves are never stored, nor told (`x-pseudonymize`).
    #[must_use]
    pub fn is_pseudonymized(&self) -> bool {
        self.column_type == ColumnType::Pseudonym || self.given_type != self.column_type
    }

    /// A value as it may be told.
    pub(crate) fn told<'v>(&self, value: &'v str) -> &'v str {
        if self.is_pseudonymized() { HIDDEN } else { value }
    }
}

/// What is told instead of a value that nobody shall know.
pub(crate) const HIDDEN: &str = "(hidden)";

/// A table's columns, read from its JSON Schema.
#[derive(Clone, Debug)]
pub struct TableSchema {
    columns: Vec<Column>,
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

    fn new(columns: Vec<Column>) -> Self {
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(&column.name, column.column_type.arrow(), column.nullable))
            .collect();
        Self {
            columns,
            arrow: Arc::new(Schema::new(fields)),
        }
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
        Ok(Self::new(columns.collect()))
    }

    /// The same columns for values that passed their checks before.
    #[must_use]
    pub(crate) fn without_checks(mut self) -> Self {
        for column in &mut self.columns {
            column.normalize.clear();
            column.checks = Checks::default();
        }
        self
    }

    /// The same columns with the values as they are sent.
    #[must_use]
    pub fn as_given(&self) -> Self {
        let mut columns = self.columns.clone();
        for column in &mut columns {
            std::mem::swap(&mut column.column_type, &mut column.given_type);
        }
        Self::new(columns)
    }

    /// Whether a file's values are not to be told: those of some column are pseudonymized.
    pub(crate) fn hides(&self) -> bool {
        self.columns.iter().any(Column::is_pseudonymized)
    }

    /// Whether an import needs the keys of the project.
    #[must_use]
    pub fn needs_keys(&self) -> bool {
        self.hides() || self.identities().next().is_some()
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
