//! Values as text, such that the readers of this crate give back the same values.

use std::fmt::{Error, Result, Write as _};

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::read::value::MICROS_PER_DAY;
use crate::schema::ColumnType;

/// Adds the value of a row that has one; of a list or an object its JSON.
pub(super) fn text(text: &mut String, values: &dyn Array, row: usize, column_type: &ColumnType) -> Result {
    // Pseudonyms stand in for values of any type.
    if let Some(pseudonyms) = values.as_fixed_size_binary_opt() {
        return pseudonyms
            .value(row)
            .iter()
            .try_for_each(|byte| write!(text, "{byte:02x}"));
    }
    match column_type {
        ColumnType::Text | ColumnType::Uuid => {
            text.push_str(values.as_string::<i32>().value(row));
            Ok(())
        }
        ColumnType::Bytes => {
            STANDARD.encode_string(values.as_binary::<i32>().value(row), text);
            Ok(())
        }
        ColumnType::Integer => write!(text, "{}", values.as_primitive::<Int64Type>().value(row)),
        // The shortest digits that read back as the same double.
        ColumnType::Number => write!(text, "{:?}", values.as_primitive::<Float64Type>().value(row)),
        ColumnType::Decimal { .. } => {
            text.push_str(&values.as_primitive::<Decimal128Type>().value_as_string(row));
            Ok(())
        }
        ColumnType::Boolean => write!(text, "{}", values.as_boolean().value(row)),
        ColumnType::Date => date(text, values.as_primitive::<Date32Type>().value(row).into()),
        ColumnType::Time => time(text, values.as_primitive::<Time64MicrosecondType>().value(row)),
        ColumnType::DateTime => {
            let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
            date(text, micros.div_euclid(MICROS_PER_DAY))?;
            text.push('T');
            time(text, micros.rem_euclid(MICROS_PER_DAY))?;
            text.push('Z');
            Ok(())
        }
        ColumnType::List(_) | ColumnType::Object(_) => json(text, values, row, column_type),
    }
}

/// Adds the value of a row, if it has one, as JSON.
pub(super) fn json(out: &mut String, values: &dyn Array, row: usize, column_type: &ColumnType) -> Result {
    if values.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    if values.as_fixed_size_binary_opt().is_some() {
        out.push('"');
        text(out, values, row, column_type)?;
        out.push('"');
        return Ok(());
    }
    match column_type {
        ColumnType::Integer | ColumnType::Number | ColumnType::Boolean => text(out, values, row, column_type),
        ColumnType::Text => quote(out, values.as_string::<i32>().value(row)),
        ColumnType::List(item) => {
            let lists = values.as_list::<i32>();
            let offsets = lists.value_offsets();
            let range = offsets[row] as usize..offsets[row + 1] as usize;
            out.push('[');
            for at in range.clone() {
                if at > range.start {
                    out.push(',');
                }
                json(out, lists.values(), at, &item.column_type)?;
            }
            out.push(']');
            Ok(())
        }
        ColumnType::Object(object) => {
            let members = values.as_struct();
            let mut before = '{';
            for (column, member) in object.columns.iter().zip(members.columns()) {
                // What is null reads back from nothing.
                if member.is_valid(row) {
                    out.push(before);
                    before = ',';
                    quote(out, &column.name)?;
                    out.push(':');
                    json(out, member, row, &column.column_type)?;
                }
            }
            out.push_str(if before == '{' { "{}" } else { "}" });
            Ok(())
        }
        // Their texts have nothing that would need an escape.
        _ => {
            out.push('"');
            text(out, values, row, column_type)?;
            out.push('"');
            Ok(())
        }
    }
}

fn quote(out: &mut String, text: &str) -> Result {
    out.push_str(&serde_json::to_string(text).map_err(|_| Error)?);
    Ok(())
}

fn date(text: &mut String, days: i64) -> Result {
    let days = chrono::TimeDelta::try_days(days).ok_or(Error)?;
    let date = chrono::NaiveDate::default()
        .checked_add_signed(days)
        .ok_or(Error)?;
    write!(text, "{}", date.format("%Y-%m-%d"))
}

fn time(text: &mut String, micros: i64) -> Result {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(text, "{hour:02}:{minute:02}:{second:02}")?;
    match fraction {
        0 => Ok(()),
        millis if millis % 1_000 == 0 => write!(text, ".{:03}", millis / 1_000),
        _ => write!(text, ".{fraction:06}"),
    }
}
