use std::str::FromStr as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

/// What the rows of a list may be filtered and ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The relation whose columns they are.
    pub relation: &'static str,
    pub all: &'static [Field],
    /// Those of [`Self::all`] that may order a list, by name.
    pub sortable: &'static [&'static str],
    /// The field that tells two rows of a list apart and orders them unless something else is asked for.
    pub key: Field,
}

/// A field of a resource and the column that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// In the words of the API.
    pub name: &'static str,
    pub column: &'static str,
    pub kind: Kind,
    /// Whether every row has a value.
    pub is_always_set: bool,
}

/// What values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Id,
    Text,
    /// UTC.
    Time,
    Bool,
    /// A word of an enum: as the API writes it, and as it is stored.
    Word(&'static [(&'static str, &'static str)]),
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Id(Uuid),
    Text(String),
    Time(NaiveDateTime),
    Bool(bool),
}

impl Field {
    /// A field whose column has its name, and a value in every row.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            column: name,
            kind,
            is_always_set: true,
        }
    }

    /// A field whose column has its name, and not in every row a value.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind) -> Self {
        Self {
            is_always_set: false,
            ..Self::new(name, kind)
        }
    }

    /// The same, held by a column of another name.
    #[must_use]
    pub const fn in_column(self, column: &'static str) -> Self {
        Self { column, ..self }
    }

    /// Reads a value as a filter writes it; what is wrong with it is said as the end of a sentence.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        match self.kind {
            Kind::Id => Uuid::from_str(text)
                .map(Value::Id)
                .map_err(|_| "takes a UUID".to_owned()),
            // jsonb and text of the database cannot hold it.
            Kind::Text if text.contains('\0') => Err("takes a text without the NUL character".to_owned()),
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Time => time(text)
                .map(Value::Time)
                .ok_or_else(|| "takes a time as in \"2026-01-31T10:00:00Z\"".to_owned()),
            Kind::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err("takes true or false".to_owned()),
            },
            Kind::Word(words) => words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, stored)| Value::Text((*stored).to_owned()))
                .ok_or_else(|| {
                    let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                    format!("takes one of {}", known.join(", "))
                }),
        }
    }

    /// Reads a value as a row holds it in JSON; none where it is no value of the field. NULL is `Some(None)`.
    pub(crate) fn restore(&self, stored: &serde_json::Value) -> Option<Option<Value>> {
        use serde_json::Value as Json;
        let value = match (self.kind, stored) {
            (_, Json::Null) => return Some(None),
            (Kind::Id, Json::String(text)) => Value::Id(text.parse().ok()?),
            (Kind::Text | Kind::Word(_), Json::String(text)) if !text.contains('\0') => {
                Value::Text(text.clone())
            }
            (Kind::Time, Json::String(text)) => Value::Time(text.parse().ok().filter(is_storable)?),
            (Kind::Bool, Json::Bool(it)) => Value::Bool(*it),
            _ => return None,
        };
        Some(Some(value))
    }
}

/// A text of the caller's, cut so that a violation stays readable.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// RFC 3339, or a date, which means its beginning.
fn time(text: &str) -> Option<NaiveDateTime> {
    let at = match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.naive_utc(),
        Err(_) => text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN),
    };
    Some(at).filter(is_storable)
}

/// The database's times begin in 4713 BC; no API speaks of any before the year 1 or after 9999.
fn is_storable(at: &NaiveDateTime) -> bool {
    use chrono::Datelike as _;
    (1..=9999).contains(&at.year())
}
