use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::Column;
use crate::keys::PSEUDONYM_BYTES;

/// The time zone of every instant: it is stored in UTC, whatever offset it came with.
pub const UTC: &str = "+00:00";

/// The type of a column's values.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnType {
    /// `string`, of no format or of one that only binds its values.
    Text,
    /// `string` of the format `date`.
    Date,
    /// `string` of the format `date-time`: an instant, to the microsecond.
    DateTime,
    /// `string` of the format `time`: a time of day, to the microsecond.
    Time,
    /// `string` of the format `uuid`: a text of 36 characters in lower case, so that equal ones are equal
    /// texts wherever they are compared.
    Uuid,
    /// `string` of the format `byte`, or of the content encoding `base64`.
    Bytes,
    /// `integer`, of 64 bits.
    Integer,
    /// `number`: a finite double.
    Number,
    /// `string` or `number` of the format `decimal`, with so many digits (`x-precision`), so many of them
    /// after the point (`x-scale`).
    Decimal {
        /// 1 to 38.
        precision: u8,
        /// 0 to `precision`.
        scale: u8,
    },
    /// `boolean`.
    Boolean,
    /// `array`: the column describes an item.
    List(Arc<Column>),
    /// `object`.
    Object(Arc<ObjectType>),
    /// In place of a value of that type its pseudonym (`x-pseudonymize`).
    Pseudonym(Box<Self>),
}

/// The members of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectType {
    /// In the order of the document.
    pub columns: Vec<Column>,
    /// Whether other members than these are refused (`"additionalProperties": false`); else they are
    /// passed over.
    pub closed: bool,
}

impl ColumnType {
    /// The Arrow type of the column.
    #[must_use]
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Text | Self::Uuid => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::DateTime => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Bytes => DataType::Binary,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, scale.cast_signed()),
            Self::Boolean => DataType::Boolean,
            Self::Pseudonym(_) => DataType::FixedSizeBinary(PSEUDONYM_BYTES),
            // Within lists and objects anything may be null for Arrow: the checks know better, and rows
            // that have yet to be rejected must have a place.
            Self::List(item) => {
                DataType::List(Arc::new(Field::new_list_field(item.column_type.arrow(), true)))
            }
            Self::Object(object) => {
                let field = |it: &Column| Field::new(&it.name, it.column_type.arrow(), true);
                DataType::Struct(object.columns.iter().map(field).collect())
            }
        }
    }

    /// The type in the words of JSON Schema, for messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Bytes => "byte",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Decimal { .. } => "decimal",
            Self::Boolean => "boolean",
            Self::List(_) => "array",
            Self::Object(_) => "object",
            Self::Pseudonym(_) => "pseudonym",
        }
    }

    /// Whether a value has values within.
    #[must_use]
    pub const fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Object(_))
    }

    pub(crate) fn without_checks(&self) -> Self {
        match self {
            Self::List(item) => Self::List(Arc::new(item.without_checks())),
            Self::Object(object) => Self::Object(Arc::new(ObjectType {
                columns: object.columns.iter().map(Column::without_checks).collect(),
                closed: object.closed,
            })),
            plain => plain.clone(),
        }
    }
}
