//! Values as text, such that the readers of this crate give back the same values.

use std::fmt::{Error, Result, Write as _};

use arrow::array::{
    Array, AsArray as _, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float64Array, Int64Array, ListArray, StringArray, StructArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Datelike as _;

use crate::read::value::MICROS_PER_DAY;
use crate::schema::{Column, ColumnType};

/// The values of a column, as what they are.
pub(super) enum Cells<'a> {
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Integer(&'a Int64Array),
    Number(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Boolean(&'a BooleanArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    DateTime(&'a TimestampMicrosecondArray),
    Pseudonym(&'a FixedSizeBinaryArray),
    List(&'a ListArray, Box<Self>),
    Object(&'a StructArray, Vec<(&'a Column, Self)>),
}

impl<'a> Cells<'a> {
    pub(super) fn of(values: &'a dyn Array, column_type: &'a ColumnType) -> Self {
        // Pseudonyms stand in for values of any type.
        if let Some(pseudonyms) = values.as_fixed_size_binary_opt() {
            return Self::Pseudonym(pseudonyms);
        }
        match column_type {
            ColumnType::Text | ColumnType::Uuid => Self::Text(values.as_string()),
            ColumnType::Bytes => Self::Bytes(values.as_binary()),
            ColumnType::Integer => Self::Integer(values.as_primitive()),
            ColumnType::Number => Self::Number(values.as_primitive()),
            ColumnType::Decimal { .. } => Self::Decimal(values.as_primitive()),
            ColumnType::Boolean => Self::Boolean(values.as_boolean()),
            ColumnType::Date => Self::Date(values.as_primitive()),
            ColumnType::Time => Self::Time(values.as_primitive()),
            ColumnType::DateTime => Self::DateTime(values.as_primitive()),
            ColumnType::Pseudonym(_) => Self::Pseudonym(values.as_fixed_size_binary()),
            ColumnType::List(item) => {
                let lists = values.as_list();
                Self::List(lists, Box::new(Self::of(lists.values(), &item.column_type)))
            }
            ColumnType::Object(object) => {
                let members = values.as_struct();
                let columns = object.columns.iter().zip(members.columns());
                let columns = columns.map(|(column, member)| (column, Self::of(member, &column.column_type)));
                Self::Object(members, columns.collect())
            }
        }
    }

    /// The value of a row that has one, if it is a text.
    pub(super) fn as_str(&self, row: usize) -> Option<&str> {
        match self {
            Self::Text(values) => Some(values.value(row)),
            _ => None,
        }
    }

    /// Adds the value of a row that has one; of a list or an object its JSON.
    pub(super) fn text(&self, text: &mut String, row: usize) -> Result {
        match self {
            Self::Text(values) => text.push_str(values.value(row)),
            Self::Bytes(values) => STANDARD.encode_string(values.value(row), text),
            Self::Integer(values) => text.push_str(itoa::Buffer::new().format(values.value(row))),
            // The shortest digits that read back as the same double.
            Self::Number(values) => text.push_str(ryu::Buffer::new().format(values.value(row))),
            Self::Decimal(values) => text.push_str(&values.value_as_string(row)),
            Self::Boolean(values) => text.push_str(if values.value(row) { "true" } else { "false" }),
            Self::Date(values) => date(text, values.value(row).into())?,
            Self::Time(values) => time(text, values.value(row))?,
            Self::DateTime(values) => {
                let micros = values.value(row);
                date(text, micros.div_euclid(MICROS_PER_DAY))?;
                text.push('T');
                time(text, micros.rem_euclid(MICROS_PER_DAY))?;
                text.push('Z');
            }
            Self::Pseudonym(values) => text.push_str(&hex::encode(values.value(row))),
            Self::List(..) | Self::Object(..) => self.json(text, row)?,
        }
        Ok(())
    }

    /// Adds the value of a row, if it has one, as JSON.
    pub(super) fn json(&self, out: &mut String, row: usize) -> Result {
        if self.values().is_null(row) {
            out.push_str("null");
            return Ok(());
        }
        match self {
            Self::Integer(_) | Self::Number(_) | Self::Boolean(_) => self.text(out, row),
            Self::Text(values) => quote(out, values.value(row)),
            Self::List(lists, items) => {
                let offsets = lists.value_offsets();
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                out.push('[');
                for at in range.clone() {
                    if at > range.start {
                        out.push(',');
                    }
                    items.json(out, at)?;
                }
                out.push(']');
                Ok(())
            }
            Self::Object(_, members) => {
                let mut before = '{';
                for (column, member) in members {
                    // What is null reads back from nothing.
                    if member.values().is_valid(row) {
                        out.push(before);
                        before = ',';
                        quote(out, &column.name)?;
                        out.push(':');
                        member.json(out, row)?;
                    }
                }
                out.push_str(if before == '{' { "{}" } else { "}" });
                Ok(())
            }
            // Their texts have nothing that would need an escape.
            _ => {
                out.push('"');
                self.text(out, row)?;
                out.push('"');
                Ok(())
            }
        }
    }

    fn values(&self) -> &dyn Array {
        match self {
            Self::Text(values) => values,
            Self::Bytes(values) => values,
            Self::Integer(values) => values,
            Self::Number(values) => values,
            Self::Decimal(values) => values,
            Self::Boolean(values) => values,
            Self::Date(values) => values,
            Self::Time(values) => values,
            Self::DateTime(values) => values,
            Self::Pseudonym(values) => values,
            Self::List(values, _) => values,
            Self::Object(values, _) => values,
        }
    }
}

fn quote(out: &mut String, text: &str) -> Result {
    if text
        .bytes()
        .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
    {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return Ok(());
    }
    out.push_str(&serde_json::to_string(text).map_err(|_| Error)?);
    Ok(())
}

fn date(text: &mut String, days: i64) -> Result {
    let days = chrono::TimeDelta::try_days(days).ok_or(Error)?;
    let date = chrono::NaiveDate::default()
        .checked_add_signed(days)
        .ok_or(Error)?;
    match u32::try_from(date.year()) {
        Ok(year @ 0..10_000) => {
            two_digits(text, year / 100);
            two_digits(text, year % 100);
        }
        // As ISO 8601 has it.
        _ => write!(text, "{:+05}", date.year())?,
    }
    text.push('-');
    two_digits(text, date.month());
    text.push('-');
    two_digits(text, date.day());
    Ok(())
}

fn time(text: &mut String, micros: i64) -> Result {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let seconds = u32::try_from(seconds).map_err(|_| Error)?;
    for (before, number) in [
        ("", seconds / 3_600),
        (":", seconds / 60 % 60),
        (":", seconds % 60),
    ] {
        text.push_str(before);
        two_digits(text, number);
    }
    match fraction {
        0 => Ok(()),
        millis if millis % 1_000 == 0 => write!(text, ".{:03}", millis / 1_000),
        _ => write!(text, ".{fraction:06}"),
    }
}

/// Of a number below 100.
fn two_digits(text: &mut String, number: u32) {
    for digit in [number / 10, number % 10] {
        text.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}
