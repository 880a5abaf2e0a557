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
use serde_json::{Map, Number, Value};

use super::{quoted, value};
use crate::schema::exact::Exact;
use crate::schema::{ColumnType, ObjectType, UTC};

/// Digits that a number of JSON keeps on its way through a double.
const SURE_DIGITS: u32 = 15;

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
    item: ColumnBuilder,
    item_type: DataType,
    ends: Vec<i32>,
    items: usize,
    valid: BooleanBufferBuilder,
}

pub(crate) struct Objects {
    object: Arc<ObjectType>,
    members: Vec<ColumnBuilder>,
    fields: Fields,
    valid: BooleanBufferBuilder,
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
            // A file that is sent holds the values themselves.
            ColumnType::Pseudonym(given) => Self::new(given),
            ColumnType::List(item) => Self::List(Box::new(Lists {
                item: Self::new(&item.column_type),
                item_type: item.column_type.arrow(),
                ends: vec![0],
                items: 0,
                valid: BooleanBufferBuilder::new(0),
            })),
            ColumnType::Object(object) => Self::Object(Box::new(Objects {
                object: Arc::clone(object),
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
            Self::List(_) | Self::Object(_) => match serde_json::from_str::<Value>(text) {
                Ok(value) => return self.append_json(&value),
                Err(_) => Err("is not JSON"),
            },
        };
        added.map_err(|reason| {
            self.append_null();
            reason.into()
        })
    }

    /// Adds a value of JSON, which has to be of the type that the schema says.
    pub(crate) fn append_json(&mut self, given: &Value) -> Result<(), Misfit> {
        match (&mut *self, given) {
            (_, Value::Null) => {
                self.append_null();
                Ok(())
            }
            (Self::List(lists), Value::Array(items)) => lists.append(items),
            (Self::Object(objects), Value::Object(members)) => objects.append(members),
            (Self::Boolean(builder), Value::Bool(boolean)) => {
                builder.append_value(*boolean);
                Ok(())
            }
            (Self::Integer(_) | Self::Number(_) | Self::Decimal(..), Value::Number(number)) => {
                self.append_number(number)
            }
            (
                Self::Text(_)
                | Self::Date(_)
                | Self::DateTime(_)
                | Self::Time(_)
                | Self::Uuid(_)
                | Self::Bytes(..)
                | Self::Decimal(..),
                Value::String(text),
            ) => self.append_text(text),
            _ => {
                let reason = self.expected();
                self.append_null();
                Err(reason.into())
            }
        }
    }

    fn append_number(&mut self, number: &Number) -> Result<(), Misfit> {
        let exact = Exact::of(number);
        let added = match self {
            Self::Integer(builder) => match exact {
                Some(exact) if exact.fits_scale(0) => exact
                    .exact_units(0)
                    .and_then(|it| i64::try_from(it).ok())
                    .map(|it| builder.append_value(it))
                    .ok_or("is out of the range of a 64-bit integer"),
                _ => Err("is not an integer"),
            },
            Self::Number(builder) => match number.as_f64() {
                Some(double) => {
                    builder.append_value(double);
                    Ok(())
                }
                None => Err("is out of the range of a double"),
            },
            Self::Decimal(..) => match exact {
                Some(exact) if number.is_f64() && exact.digit_count() > SURE_DIGITS => {
                    Err("has more digits than a number of JSON is sure to keep; write it as a string")
                }
                _ => return self.append_text(&number.to_string()),
            },
            _ => Err("is a number"),
        };
        added.map_err(|reason| {
            self.append_null();
            reason.into()
        })
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

impl Lists {
    fn append(&mut self, items: &[Value]) -> Result<(), Misfit> {
        let mut first = Ok(());
        for (index, item) in items.iter().enumerate() {
            let added = self.item.append_json(item);
            first = first.and(added.map_err(|misfit| misfit.inside(&format!("[{index}]"))));
        }
        self.items += items.len();
        self.end(true);
        first
    }

    fn end(&mut self, valid: bool) {
        // A batch has far fewer bytes than that many items would take.
        self.ends.push(i32::try_from(self.items).unwrap_or(i32::MAX));
        self.valid.append(valid);
    }
}

impl Objects {
    fn append(&mut self, given: &Map<String, Value>) -> Result<(), Misfit> {
        let mut first = Ok(());
        for (column, member) in self.object.columns.iter().zip(&mut self.members) {
            let added = match given.get(&column.name) {
                Some(value) => member.append_json(value),
                None => {
                    member.append_null();
                    Ok(())
                }
            };
            first = first.and(added.map_err(|misfit| misfit.inside(&format!(".{}", column.name))));
        }
        self.valid.append(true);
        if self.object.closed {
            let columns = &self.object.columns;
            let unknown = given.keys().find(|key| columns.iter().all(|it| it.name != **key));
            first = first.and(unknown.map_or(Ok(()), |key| {
                Err(Misfit {
                    within: String::new(),
                    reason: format!("may have no member {}", quoted(key)).into(),
                })
            }));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array as _;
    use arrow::util::display::array_value_to_string;
    use serde_json::json;

    use super::*;
    use crate::schema::TableSchema;

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
        let decimal =
            || builder(json!({ "type": "number", "format": "decimal", "x-precision": 20, "x-scale": 2 }));
        let mut prices = decimal();
        for given in [json!(0.1), json!(12), json!("123456789012345678.25"), json!(1e3)] {
            assert_eq!(prices.append_json(&given), Ok(()), "{given}");
        }
        for given in [json!(1234567890123456.5), json!(0.001), json!(true), json!(1e300)] {
            assert!(prices.append_json(&given).is_err(), "{given}");
        }
        let built = prices.finish().unwrap();
        assert_eq!(array_value_to_string(&built, 2).unwrap(), "123456789012345678.25");
        assert_eq!((built.len(), built.null_count()), (8, 4));
    }
}
