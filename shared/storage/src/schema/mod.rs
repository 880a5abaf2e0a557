//! What a table's JSON Schema (draft 2020-12) means for its rows: which schemas describe some that can
//! be imported, as Arrow columns with checks.

mod checks;
mod parse;
mod path;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub use checks::Checks;

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
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub column_type: ColumnType,
    /// Whether a row may have no value here: the property is not required, or may be null.
    pub nullable: bool,
    /// The identity domain that the values belong to (`x-identity`); the import proves per
    /// version whether they are unique.
    pub identity: Option<String>,
    pub checks: Checks,
}

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
            column.checks = Checks::default();
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
