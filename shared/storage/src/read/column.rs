//! Builds columns from texts and from values of JSON.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBufferBuilder, BooleanBuilder, Date32Builder, Decimal128Builder,
    Float64Builder, Int64Builder, ListArray, StringBuilder, StructArray, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

use super::json::{self, Places};
use super::value;
use crate::schema::exact::Exact;
use crate::schema::{ColumnType, ObjectType, UTC};

/// Why a value is none of the column's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Where within the value: nothing, or as in `.tags[2]`.
    pub(crate) within: String,
    pub(crate) reason: Cow<'static, str>,
}

impl From<&'static str> for Misfit {
    fn from(reason: &'static str) -> Self {
        Self {
            within: String::new(),
            reason: reason.into(),
        }
    }
}

impl Misfit {
    pub(crate) fn of(reason: String) -> Self {
        Self {
            within: String::new(),
            reason: reason.into(),
        }
    }

    pub(crate) fn inside(self, place: &str) -> Self {
        Self {
            within: format!("{place}{}", self.within),
            ..self
        }
    }
}

/// Builds one column. Each call adds one value, none where it does not fit.
pub(crate) enum ColumnBuilder {
    Text(StringBuilder),
    Date(Date32Builder),
    DateTime(TimestampMicrosecondBuilder),
    Time(Time64MicrosecondBuilder),
    Uuid(StringBuilder),
    Bytes(BinaryBuilder, Vec<u8>),
    Integer(Int64Builder),
    Number(Float64Builder),
    Decimal(Decimal128Builder, u8, u8),
    Boolean(BooleanBuilder),
    List(Box<Lists>),
    Object(Box<Objects>),
}

pub(crate) struct Lists {
    pub(super) item: ColumnBuilder,
    item_type: DataType,
    ends: Vec<i32>,
    pub(super) items: usize,
    valid: BooleanBufferBuilder,
}

pub(crate) struct Objects {
    pub(super) object: Arc<ObjectType>,
    pub(super) places: Arc<Places>,
    pub(super) members: Vec<ColumnBuilder>,
    fields: Fields,
    pub(super) valid: BooleanBufferBuilder,
}

impl ColumnBuilder {
    pub(crate) fn new(column_type: &ColumnType) -> Self {
        match column_type {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::DateTime => Self::DateTime(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
            ColumnType::Time => Self::Time(Time64MicrosecondBuilder::new()),
            ColumnType::Uuid => Self::Uuid(StringBuilder::new()),
            ColumnType::Bytes => Self::Bytes(BinaryBuilder::new(), Vec::new()),
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Number => Self::Number(Float64Builder::new()),
            ColumnType::Decimal { precision, scale } => {
                let builder = Decimal128Builder::new().with_data_type(column_type.arrow());
                Self::Decimal(builder, *precision, *scale)
            }
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnType::List(item) => Self::List(Box::new(Lists {
                item: Self::new(&item.column_type),
                item_type: item.column_type.arrow(),
                ends: vec![0],
                items: 0,
                valid: BooleanBufferBuilder::new(0),
            })),
            ColumnType::Object(object) => Self::Object(Box::new(Objects {
                object: Arc::clone(object),
                places: Arc::new(object.columns.iter().map(|it| it.name.as_str()).collect()),
                members: object
                    .columns
                    .iter()
                    .map(|it| Self::new(&it.column_type))
                    .collect(),
                fields: match column_type.arrow() {
                    DataType::Struct(fields) => fields,
                    _ => Fields::empty(),
                },
                valid: BooleanBufferBuilder::new(0),
            })),
        }
    }

    /// Adds the value that a text stands for; of a list or an object its JSON.
    pub(crate) fn append_text(&mut self, text: &str) -> Result<(), Misfit> {
        let added = match self {
            Self::Text(builder) => {
                builder.append_value(text);
                Ok(())
            }
            Self::Date(builder) => value::parse_date(text).map(|it| builder.append_value(it)),
            Self::DateTime(builder) => value::parse_date_time(text).map(|it| builder.append_value(it)),
            Self::Time(builder) => value::parse_time(text).map(|it| builder.append_value(it)),
            Self::Uuid(builder) => value::parse_uuid(text).and_then(|it| {
                std::str::from_utf8(&it)
                    .map(|it| builder.append_value(it))
                    .map_err(|_| "")
            }),
            Self::Bytes(builder, bytes) => {
                bytes.clear();
                value::parse_bytes(text, bytes).map(|()| builder.append_value(bytes))
            }
            Self::Integer(builder) => value::parse_integer(text).map(|it| builder.append_value(it)),
            Self::Number(builder) => value::parse_number(text).map(|it| builder.append_value(it)),
            Self::Decimal(builder, precision, scale) => {
                value::parse_decimal(text, *precision, *scale).map(|it| builder.append_value(it))
            }
            Self::Boolean(builder) => value::parse_boolean(text).map(|it| builder.append_value(it)),
            Self::List(_) | Self::Object(_) => return json::append(self, text),
        };
        added.map_err(|reason| {
            self.append_null();
            reason.into()
        })
    }

    /// Adds a number of JSON, by its digits.
    pub(crate) fn append_digits(&mut self, digits: &str) -> Result<(), Misfit> {
        let added = match self {
            Self::Integer(builder) => whole(digits).map(|it| builder.append_value(it)),
            Self::Number(builder) => value::parse_number(digits).map(|it| builder.append_value(it)),
            Self::Decimal(builder, precision, scale) => {
                value::parse_decimal(digits, *precision, *scale).map(|it| builder.append_value(it))
            }
            _ => return self.refuse(),
        };
        added.map_err(|reason| {
            self.append_null();
            reason.into()
        })
    }

    /// Adds no value, and says what was expected.
    pub(crate) fn refuse(&mut self) -> Result<(), Misfit> {
        self.append_null();
        Err(self.expected().into())
    }

    /// Adds a boolean if the column is of those.
    pub(crate) fn append_boolean(&mut self, boolean: bool) -> bool {
        let Self::Boolean(builder) = self else {
            return false;
        };
        builder.append_value(boolean);
        true
    }

    /// Whether numbers of JSON are values of the column.
    pub(crate) const fn is_numeric(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Number(_) | Self::Decimal(..))
    }

    pub(crate) const fn is_decimal(&self) -> bool {
        matches!(self, Self::Decimal(..))
    }

    /// Whether strings of JSON are values of the column.
    pub(crate) const fn takes_text(&self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Date(_)
                | Self::DateTime(_)
                | Self::Time(_)
                | Self::Uuid(_)
                | Self::Bytes(..)
                | Self::Decimal(..)
        )
    }

    const fn expected(&self) -> &'static str {
        match self {
            Self::List(_) => "is not an array",
            Self::Object(_) => "is not an object",
            Self::Boolean(_) => "is neither true nor false",
            Self::Integer(_) => "is not an integer",
            Self::Number(_) => "is not a number",
            Self::Decimal(..) => "is neither a number nor a string",
            _ => "is not a string",
        }
    }

    pub(crate) fn append_null(&mut self) {
        match self {
            Self::Text(builder) | Self::Uuid(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::DateTime(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Bytes(builder, _) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Number(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::List(lists) => lists.end(false),
            Self::Object(objects) => {
                objects.members.iter_mut().for_each(Self::append_null);
                objects.valid.append(false);
            }
        }
    }

    /// # Errors
    ///
    /// None that a column built here has.
    pub(crate) fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(mut builder) | Self::Uuid(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::DateTime(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish()),
            Self::Bytes(mut builder, _) => Arc::new(builder.finish()),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Number(mut builder) => Arc::new(builder.finish()),
            Self::Decimal(mut builder, ..) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::List(lists) => {
                let Lists {
                    item,
                    item_type,
                    ends,
                    mut valid,
                    ..
                } = *lists;
                let field = Arc::new(Field::new_list_field(item_type, true));
                let nulls = NullBuffer::new(valid.finish());
                let offsets = OffsetBuffer::new(ends.into());
                Arc::new(ListArray::try_new(field, offsets, item.finish()?, Some(nulls))?)
            }
            Self::Object(objects) => {
                let Objects {
                    members,
                    fields,
                    mut valid,
                    ..
                } = *objects;
                let columns = members.into_iter().map(Self::finish).collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new(
                    fields,
                    columns,
                    Some(NullBuffer::new(valid.finish())),
                )?)
            }
        })
    }
}

/// A whole number of 64 bits, however it is written: JSON has one kind of number.
fn whole(digits: &str) -> Result<i64, &'static str> {
    if let Ok(whole) = digits.parse() {
        return Ok(whole);
    }
    match Exact::parse(digits) {
        Some(exact) if exact.fits_scale(0) => exact
            .exact_units(0)
            .and_then(|it| i64::try_from(it).ok())
            .ok_or("is out of the range of a 64-bit integer"),
        // So many digits that they are not looked at.
        None if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
            Err("is out of the range of a 64-bit integer")
        }
        _ => Err("is not an integer"),
    }
}

impl Lists {
    pub(super) fn end(&mut self, valid: bool) {
        // A batch has far fewer bytes than that many items would take.
        self.ends.push(i32::try_from(self.items).unwrap_or(i32::MAX));
        self.valid.append(valid);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array as _;
    use arrow::util::display::array_value_to_string;
    use serde_json::{Value, json};

    use super::*;
    use crate::schema::TableSchema;

    impl ColumnBuilder {
        /// Adds a value of JSON.
        pub(crate) fn append_json(&mut self, given: &Value) -> Result<(), Misfit> {
            json::append(self, &given.to_string())
        }
    }

    fn builder(property: Value) -> ColumnBuilder {
        let document = json!({ "type": "object", "properties": { "a": property } });
        ColumnBuilder::new(&TableSchema::parse(&document).unwrap().columns()[0].column_type)
    }

    #[test]
    fn nested_values_are_built_from_json_and_misfits_have_a_place() {
        let mut orders = builder(
            json!({ "type": "array", "items": { "type": "object", "additionalProperties": false,
            "required": ["id"], "properties": {
            "id": { "type": "integer" },
            "at": { "type": "string", "format": "date" },
            "tags": { "type": "array", "items": { "type": "string" } },
        } } }),
        );
        let texts = [
            r#"[{"id": 1, "at": "2013-01-31", "tags": ["x", null]}, null, {"id": 2.0}]"#,
            "null",
            "[]",
        ];
        for text in texts {
            assert_eq!(orders.append_text(text), Ok(()), "{text}");
        }
        for (text, within, reason) in [
            ("[", "", "is not JSON"),
            ("{}", "", "is not an array"),
            (
                r#"[{"id": 1, "at": "x"}]"#,
                "[0].at",
                "is not a date as in 2013-01-31",
            ),
            (r#"[{"id": 1}, {"id": "1"}]"#, "[1].id", "is not an integer"),
            (
                r#"[{"id": 1, "tags": ["a", 1]}]"#,
                "[0].tags[1]",
                "is not a string",
            ),
            (r#"[{"id": 1, "Id": 1}]"#, "[0]", "may have no member \"Id\""),
        ] {
            let misfit = orders.append_text(text).unwrap_err();
            assert_eq!(
                (misfit.within.as_str(), misfit.reason.as_ref()),
                (within, reason),
                "{text}"
            );
        }
        orders.append_null();
        let built = orders.finish().unwrap();
        assert_eq!(built.len(), 10);
        let told: Vec<_> = (0..3)
            .map(|row| array_value_to_string(&built, row).unwrap())
            .collect();
        assert_eq!(
            told,
            [
                "[{id: 1, at: 2013-01-31, tags: [x, ]}, , {id: 2, at: , tags: }]",
                "",
                "[]"
            ]
        );
    }

    #[test]
    fn decimals_of_json_keep_their_digits_or_are_refused() {
        let mut prices =
            builder(json!({ "type": "number", "format": "decimal", "x-precision": 20, "x-scale": 2 }));
        for given in [
            "0.1",
            "12",
            "\"123456789012345678.25\"",
            "1e3",
            "123456789012345678.75",
        ] {
            assert_eq!(json::append(&mut prices, given), Ok(()), "{given}");
        }
        for given in ["0.001", "true", "1e300", "\"1,5\"", "1 2"] {
            assert!(json::append(&mut prices, given).is_err(), "{given}");
        }
        let built = prices.finish().unwrap();
        for (row, text) in [(2, "123456789012345678.25"), (4, "123456789012345678.75")] {
            assert_eq!(array_value_to_string(&built, row).unwrap(), text);
        }
        assert_eq!(built.len(), 10);
    }
}
