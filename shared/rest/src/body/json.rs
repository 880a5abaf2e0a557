//! JSON: split into its rows where they stand; values are not read, so that they stay as they are.

use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_ROWS, Payload, too_many_rows};
use crate::error::Error;

pub(super) fn read(body: &Bytes, columns: Option<&[String]>) -> Result<Payload, Error> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(Error::body("Empty or invalid json"));
    };
    let text = text.trim_ascii();
    let split = rows(text);
    let Some(columns) = columns else {
        return uniform(body, split.map_err(|_| Error::body("Empty or invalid json"))?);
    };
    let rows = match split {
        Ok(Split::Rows(rows)) => rows,
        Ok(Split::Scalar) => return Err(parameter("cannot call json_to_recordset on a scalar")),
        Err(_) => {
            let message = "invalid input syntax for type json";
            return Err(Error::new(StatusCode::BAD_REQUEST, "22P02", message));
        }
    };
    if rows.iter().any(|it| !it.starts_with('{')) {
        return Err(parameter(
            "argument of json_to_recordset must be an array of objects",
        ));
    }
    if rows.len() > MAX_ROWS {
        return too_many_rows();
    }
    Ok(Payload {
        rows: rows.iter().map(|it| part(body, it)).collect(),
        columns: unique(columns),
    })
}

fn unique(columns: &[String]) -> Vec<String> {
    let mut unique = columns.to_vec();
    unique.sort_unstable();
    unique.dedup();
    unique
}

fn parameter(message: &str) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "22023", message)
}

enum Split<'a> {
    Rows(Vec<&'a str>),
    Scalar,
}

fn rows(text: &str) -> serde_json::Result<Split<'_>> {
    if text.starts_with('[') {
        let rows: Vec<&RawValue> = serde_json::from_str(text)?;
        return Ok(Split::Rows(rows.into_iter().map(RawValue::get).collect()));
    }
    let whole: &RawValue = serde_json::from_str(text)?;
    Ok(match whole.get() {
        object if object.starts_with('{') => Split::Rows(vec![object]),
        _ => Split::Scalar,
    })
}

/// Rows that all have the keys of the first.
fn uniform(body: &Bytes, split: Split<'_>) -> Result<Payload, Error> {
    let Split::Rows(rows) = split else {
        return Ok(Payload::default());
    };
    if rows.len() > MAX_ROWS {
        return too_many_rows();
    }
    let mut payload = Payload::default();
    for (index, row) in rows.iter().enumerate() {
        let keys: Option<Keys> = serde_json::from_str(row).ok();
        match keys {
            Some(Keys(keys)) if index == 0 => payload.columns = keys,
            Some(Keys(keys)) if keys == payload.columns => {}
            _ => return Err(Error::body("All object keys must match")),
        }
        payload.rows.push(part(body, row));
    }
    Ok(payload)
}

/// The keys of one object.
pub(super) fn keys(body: &Bytes) -> Vec<String> {
    serde_json::from_slice::<Keys>(body)
        .map(|it| it.0)
        .unwrap_or_default()
}

/// A part of the body where it lies.
fn part(body: &Bytes, text: &str) -> Bytes {
    body.slice_ref(text.as_bytes())
}

/// The keys of an object, sorted and each once.
struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Keys;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys: Vec<String> = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.push(key);
                }
                keys.sort_unstable();
                keys.dedup();
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
