//! Columns of other Arrow types brought into those of the table, value by value without loss.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, Float64Array, ListArray, StringBuilder, StructArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::kernels::cmp::neq;
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use uuid::Uuid;

use super::column::Misfit;
use super::value::{DAYS, MICROS_PER_DAY, parse_uuid};
use super::{MAX_QUOTED, quoted, shorten};
use crate::schema::{Column, ColumnType, ObjectType, UTC};

/// A value that cannot be taken.
pub(super) struct Unfit {
    pub(super) row: usize,
    pub(super) misfit: Misfit,
    /// The value as text.
    pub(super) value: String,
}

/// The column in the type of the table; of a value that does not fit it tells, and it becomes none.
pub(super) fn convert(
    given: &ArrayRef,
    column_type: &ColumnType,
    tell: &mut dyn FnMut(Unfit),
) -> Result<ArrayRef, ArrowError> {
    if given.data_type().is_null() {
        return Ok(new_null_array(&column_type.arrow(), given.len()));
    }
    match column_type {
        ColumnType::List(item) => list(given, item, tell),
        ColumnType::Object(object) => members(given, object, tell),
        _ => {
            let taken = plain(given, column_type)?;
            if taken.null_count() > given.null_count() {
                for row in (0..given.len()).filter(|row| given.is_valid(*row) && taken.is_null(*row)) {
                    tell(Unfit {
                        row,
                        misfit: misfit(column_type).into(),
                        value: array_value_to_string(given, row).unwrap_or_default(),
                    });
                }
            }
            Ok(taken)
        }
    }
}

/// Notes where values of a type cannot be taken for those of the column.
pub(super) fn misfits_of_type(
    given: &DataType,
    column_type: &ColumnType,
    name: &str,
    faults: &mut Vec<String>,
) {
    match (given, column_type) {
        (
            DataType::List(items) | DataType::LargeList(items) | DataType::FixedSizeList(items, _),
            ColumnType::List(item),
        ) => misfits_of_type(items.data_type(), &item.column_type, &format!("{name}[]"), faults),
        (DataType::Struct(fields), ColumnType::Object(object)) => {
            for field in fields {
                let member = object.columns.iter().find(|it| it.name == *field.name());
                let name = format!("{name}.{}", field.name());
                match member {
                    Some(member) => misfits_of_type(field.data_type(), &member.column_type, &name, faults),
                    None if object.closed => faults.push(format!("the table has no {}", quoted(&name))),
                    None => {}
                }
            }
        }
        // What holds no values says nothing of their type.
        _ if given.is_null() || fits(given, column_type) => {}
        _ => faults.push(format!(
            "the column {} is of the type {}, which does not become {} without loss",
            quoted(name),
            shorten(&given.to_string(), MAX_QUOTED),
            column_type.name()
        )),
    }
}

/// Whether values of the type can be taken, each one that fits.
fn fits(given: &DataType, column_type: &ColumnType) -> bool {
    let is_text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match column_type {
        ColumnType::Text => is_text,
        ColumnType::Uuid => is_text || matches!(given, DataType::FixedSizeBinary(16)),
        ColumnType::Date => matches!(given, DataType::Date32),
        ColumnType::DateTime => matches!(given, DataType::Timestamp(_, _)),
        ColumnType::Time => matches!(given, DataType::Time32(_) | DataType::Time64(_)),
        ColumnType::Bytes => given.is_binary() || matches!(given, DataType::FixedSizeBinary(_)),
        ColumnType::Integer => given.is_integer(),
        ColumnType::Number => given.is_integer() || given.is_floating(),
        ColumnType::Decimal { .. } => given.is_integer() || given.is_decimal(),
        ColumnType::Boolean => matches!(given, DataType::Boolean),
        ColumnType::List(_) | ColumnType::Object(_) => false,
    }
}

fn misfit(column_type: &ColumnType) -> &'static str {
    match column_type {
        ColumnType::Integer => "is out of the range of a 64-bit integer",
        ColumnType::Number => "is not a finite double, or not exactly one",
        ColumnType::Decimal { .. } => "has more digits than the column, or more after the point",
        ColumnType::Date | ColumnType::DateTime => {
            "is not between the years 1 and 9999, or finer than a microsecond"
        }
        ColumnType::Time => "is no time of day, or finer than a microsecond",
        ColumnType::Uuid => "is not a UUID as in 0190c6a2-7b1e-7000-8000-0123456789ab",
        _ => "cannot be taken",
    }
}

fn list(given: &ArrayRef, item: &Column, tell: &mut dyn FnMut(Unfit)) -> Result<ArrayRef, ArrowError> {
    let same = match given.data_type() {
        DataType::List(_) => Arc::clone(given),
        DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            safe_cast(given, &DataType::List(Arc::clone(field)))?
        }
        other => return Err(ArrowError::CastError(format!("{other} is no list"))),
    };
    let lists = same.as_list::<i32>();
    let offsets = lists.value_offsets();
    // A slice has the items of all rows behind it.
    let (first, last) = (offsets[0], offsets[lists.len()]);
    let items = lists.values().slice(first as usize, (last - first) as usize);
    let offsets: Vec<i32> = offsets.iter().map(|offset| offset - first).collect();
    let items = convert(&items, &item.column_type, &mut |unfit| {
        let row = offsets.partition_point(|offset| *offset as usize <= unfit.row) - 1;
        if lists.is_valid(row) {
            let place = unfit.row - offsets[row] as usize;
            tell(unfit.inside(row, &format!("[{place}]")));
        }
    })?;
    let field = Arc::new(Field::new_list_field(item.column_type.arrow(), true));
    let nulls = lists.nulls().cloned();
    Ok(Arc::new(ListArray::try_new(
        field,
        OffsetBuffer::new(offsets.into()),
        items,
        nulls,
    )?))
}

fn members(
    given: &ArrayRef,
    object: &ObjectType,
    tell: &mut dyn FnMut(Unfit),
) -> Result<ArrayRef, ArrowError> {
    let Some(members) = given.as_struct_opt() else {
        return Err(ArrowError::CastError(format!(
            "{} is no object",
            given.data_type()
        )));
    };
    let mut fields = Vec::with_capacity(object.columns.len());
    let mut columns = Vec::with_capacity(object.columns.len());
    for column in &object.columns {
        let data_type = column.column_type.arrow();
        columns.push(match members.column_by_name(&column.name) {
            Some(member) => convert(member, &column.column_type, &mut |unfit| {
                if members.is_valid(unfit.row) {
                    let row = unfit.row;
                    tell(unfit.inside(row, &format!(".{}", column.name)));
                }
            })?,
            None => new_null_array(&data_type, members.len()),
        });
        fields.push(Field::new(&column.name, data_type, true));
    }
    let nulls = members.nulls().cloned();
    Ok(Arc::new(StructArray::try_new(fields.into(), columns, nulls)?))
}

impl Unfit {
    fn inside(self, row: usize, place: &str) -> Self {
        Self {
            row,
            misfit: self.misfit.inside(place),
            ..self
        }
    }
}

fn safe_cast(given: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    cast_with_options(given, to, &options)
}

fn plain(given: &ArrayRef, column_type: &ColumnType) -> Result<ArrayRef, ArrowError> {
    let to = column_type.arrow();
    match column_type {
        ColumnType::Date => {
            let days = safe_cast(given, &to)?;
            let days = days.as_primitive::<Date32Type>();
            Ok(Arc::new(days.unary_opt::<_, Date32Type>(|day| {
                DAYS.contains(&day).then_some(day)
            })))
        }
        ColumnType::Number => Ok(Arc::new(numbers(given)?)),
        ColumnType::DateTime => Ok(Arc::new(instants(given).with_timezone(UTC))),
        ColumnType::Decimal { .. } | ColumnType::Time => there_and_back(given, &to),
        ColumnType::Uuid => uuids(given),
        _ => safe_cast(given, &to),
    }
}

/// What is the same when it is cast back.
fn there_and_back(given: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let taken = safe_cast(given, to)?;
    if given.data_type() == to {
        return Ok(taken);
    }
    let back = safe_cast(&taken, given.data_type())?;
    nullif(&taken, &neq(&back, given)?)
}

fn uuids(given: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let mut builder = StringBuilder::with_capacity(given.len(), given.len() * 36);
    if let Some(raw) = given.as_fixed_size_binary_opt() {
        let mut text = Uuid::encode_buffer();
        for bytes in raw {
            let uuid = bytes.and_then(|it| Uuid::from_slice(it).ok());
            builder.append_option(uuid.map(|it| &*it.hyphenated().encode_lower(&mut text)));
        }
    } else {
        let texts = safe_cast(given, &DataType::Utf8)?;
        for text in texts.as_string::<i32>() {
            let uuid = text.and_then(|it| parse_uuid(it).ok());
            builder.append_option(uuid.as_ref().and_then(|it| std::str::from_utf8(it).ok()));
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn numbers(given: &ArrayRef) -> Result<Float64Array, ArrowError> {
    Ok(match given.data_type() {
        DataType::Int64 => given.as_primitive::<Int64Type>().unary_opt(|whole| {
            let double = whole as f64;
            (double as i128 == i128::from(whole)).then_some(double)
        }),
        DataType::UInt64 => given.as_primitive::<UInt64Type>().unary_opt(|whole| {
            let double = whole as f64;
            (double as i128 == i128::from(whole)).then_some(double)
        }),
        _ => safe_cast(given, &DataType::Float64)?
            .as_primitive::<Float64Type>()
            .unary_opt(|double| double.is_finite().then_some(double)),
    })
}

fn instants(given: &ArrayRef) -> TimestampMicrosecondArray {
    let within = |micros: &i64| {
        let day = micros.div_euclid(MICROS_PER_DAY);
        i32::try_from(day).is_ok_and(|day| DAYS.contains(&day))
    };
    match given.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => given
            .as_primitive::<TimestampSecondType>()
            .unary_opt(|raw| raw.checked_mul(1_000_000).filter(within)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => given
            .as_primitive::<TimestampMillisecondType>()
            .unary_opt(|raw| raw.checked_mul(1_000).filter(within)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => given
            .as_primitive::<TimestampNanosecondType>()
            .unary_opt(|raw| (raw % 1_000 == 0).then_some(raw / 1_000).filter(within)),
        _ => given
            .as_primitive::<TimestampMicrosecondType>()
            .unary_opt(|raw| Some(raw).filter(within)),
    }
}
