//! Rows as JSON objects, in the form of `google.protobuf.Struct`.
//!
//! A Struct has one kind of number, a double. What a double does not hold exactly is text.

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray,
    RecordBatch, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

/// The largest integer up to which a double holds every one.
const EXACT: u64 = 1 << 53;

/// An object for each row, by column name.
///
/// # Errors
/// A type that results do not have.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Struct>, ArrowError> {
    let schema = batch.schema();
    let columns = batch
        .columns()
        .iter()
        .map(Cells::new)
        .collect::<Result<Vec<_>, _>>()?;
    let row = |at| Struct {
        fields: schema
            .fields()
            .iter()
            .zip(&columns)
            .map(|(field, cells)| (field.name().clone(), cells.value(at)))
            .collect(),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

enum Cells {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Double(Float64Array),
    Binary(BinaryArray),
    /// With the cells of all lists, one after the other.
    List(ListArray, Box<Cells>),
    /// With the cells of each member.
    Struct(StructArray, Vec<Cells>),
    Text(StringArray),
}

impl Cells {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                Self::Integer(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Float32 | DataType::Float64 => Self::Double(
                cast(array, &DataType::Float64)?
                    .as_primitive::<Float64Type>()
                    .clone(),
            ),
            DataType::Binary => Self::Binary(array.as_binary().clone()),
            DataType::List(_) => {
                let lists = array.as_list::<i32>().clone();
                let items = Self::new(lists.values())?;
                Self::List(lists, Box::new(items))
            }
            DataType::Struct(_) => {
                let structs = array.as_struct().clone();
                let members = structs
                    .columns()
                    .iter()
                    .map(Self::new)
                    .collect::<Result<_, _>>()?;
                Self::Struct(structs, members)
            }
            // Decimals as digits; dates, times and timestamps in ISO 8601.
            _ => Self::Text(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()),
        })
    }

    fn value(&self, at: usize) -> Value {
        let kind = match self {
            Self::Boolean(cells) => cells.is_valid(at).then(|| Kind::BoolValue(cells.value(at))),
            Self::Integer(cells) => cells.is_valid(at).then(|| integer(cells.value(at))),
            Self::Double(cells) => cells.is_valid(at).then(|| double(cells.value(at))),
            Self::Binary(cells) => cells
                .is_valid(at)
                .then(|| Kind::StringValue(STANDARD.encode(cells.value(at)))),
            Self::Text(cells) => cells
                .is_valid(at)
                .then(|| Kind::StringValue(cells.value(at).to_owned())),
            Self::List(lists, items) => lists.is_valid(at).then(|| {
                let offsets = lists.value_offsets();
                let range = offsets[at] as usize..offsets[at + 1] as usize;
                Kind::ListValue(ListValue {
                    values: range.map(|item| items.value(item)).collect(),
                })
            }),
            Self::Struct(structs, members) => structs.is_valid(at).then(|| {
                let names = structs.fields().iter().map(|field| field.name().clone());
                let values = members.iter().map(|cells| cells.value(at));
                Kind::StructValue(Struct {
                    fields: names.zip(values).collect(),
                })
            }),
        };
        Value {
            kind: Some(kind.unwrap_or(Kind::NullValue(0))),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "only where a double holds the integer")]
fn integer(value: i64) -> Kind {
    if value.unsigned_abs() <= EXACT {
        Kind::NumberValue(value as f64)
    } else {
        Kind::StringValue(value.to_string())
    }
}

/// The words of JSON's mapping of protobuf for what JSON has no numbers for.
fn double(value: f64) -> Kind {
    match value {
        _ if value.is_finite() => Kind::NumberValue(value),
        _ if value.is_nan() => Kind::StringValue("NaN".to_owned()),
        _ if value > 0.0 => Kind::StringValue("Infinity".to_owned()),
        _ => Kind::StringValue("-Infinity".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Array as _, Date32Array, Decimal128Array, Int32Array, Time64MicrosecondArray,
        TimestampMicrosecondArray,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Field, Fields, Int32Type};

    use super::*;

    fn cells(column: ArrayRef) -> Vec<Kind> {
        let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
        rows(&batch)
            .unwrap()
            .into_iter()
            .map(|mut row| row.fields.remove("c").unwrap().kind.unwrap())
            .collect()
    }

    fn text(text: &str) -> Kind {
        Kind::StringValue(text.to_owned())
    }

    #[test]
    fn numbers_stay_exact() {
        let edge = 1_i64 << 53;
        let integers = Int64Array::from(vec![Some(edge), Some(edge + 1), Some(i64::MIN), None]);
        assert_eq!(
            cells(Arc::new(integers)),
            [
                Kind::NumberValue(9_007_199_254_740_992.0),
                text("9007199254740993"),
                text("-9223372036854775808"),
                Kind::NullValue(0)
            ]
        );
        let decimal = Decimal128Array::from(vec![12345])
            .with_precision_and_scale(10, 2)
            .unwrap();
        assert_eq!(cells(Arc::new(decimal)), [text("123.45")]);
        let doubles = Float64Array::from(vec![0.1, f64::NAN, f64::NEG_INFINITY]);
        assert_eq!(
            cells(Arc::new(doubles)),
            [Kind::NumberValue(0.1), text("NaN"), text("-Infinity")]
        );
    }

    #[test]
    fn times_are_iso_8601() {
        assert_eq!(
            cells(Arc::new(Date32Array::from(vec![15_706]))),
            [text("2013-01-01")]
        );
        let instant = TimestampMicrosecondArray::from(vec![1_357_016_400_000_000]).with_timezone("+00:00");
        assert_eq!(cells(Arc::new(instant)), [text("2013-01-01T05:00:00Z")]);
    }

    #[test]
    fn objects_in_lists() {
        let (name, at) = (
            StringArray::from(vec![Some("a"), None]),
            Time64MicrosecondArray::from(vec![1, 2]),
        );
        let fields = Fields::from(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("at", at.data_type().clone(), true),
        ]);
        let objects = StructArray::new(
            fields,
            vec![Arc::new(name), Arc::new(at)],
            Some(vec![true, true].into()),
        );
        let field = Arc::new(Field::new_list_field(objects.data_type().clone(), true));
        let lists = ListArray::new(field, OffsetBuffer::from_lengths([0, 2]), Arc::new(objects), None);
        let object = |name: Kind, at: &str| Value {
            kind: Some(Kind::StructValue(Struct {
                fields: [("name", name), ("at", text(at))]
                    .map(|(key, kind)| (key.to_owned(), Value { kind: Some(kind) }))
                    .into(),
            })),
        };
        let list = |values| Kind::ListValue(ListValue { values });
        assert_eq!(
            cells(Arc::new(lists)),
            [
                list(vec![]),
                list(vec![
                    object(text("a"), "00:00:00.000001"),
                    object(Kind::NullValue(0), "00:00:00.000002")
                ])
            ]
        );
    }

    #[test]
    fn bytes_and_lists() {
        assert_eq!(
            cells(Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()]))),
            [text("AP8=")]
        );
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
            Some(vec![Some(2)]),
        ]);
        let list = |values: Vec<Kind>| {
            let values = values
                .into_iter()
                .map(|kind| Value { kind: Some(kind) })
                .collect();
            Kind::ListValue(ListValue { values })
        };
        assert_eq!(
            // A slice: offsets do not begin at 0.
            cells(Arc::new(lists.slice(0, 3))),
            [
                list(vec![Kind::NumberValue(1.0), Kind::NullValue(0)]),
                Kind::NullValue(0),
                list(vec![Kind::NumberValue(2.0)])
            ]
        );
        assert_eq!(
            cells(Arc::new(lists.slice(2, 1))),
            [list(vec![Kind::NumberValue(2.0)])]
        );
        assert_eq!(
            cells(Arc::new(Int32Array::from(vec![5]))),
            [Kind::NumberValue(5.0)]
        );
    }
}
