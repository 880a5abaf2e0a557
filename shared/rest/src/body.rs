//! Bodies of requests: rows, whatever they are written in.

mod csv;
mod form;
mod json;

use bytes::Bytes;

use crate::error::Error;

/// Most rows of a body.
pub const MAX_ROWS: usize = 100_000;

/// The rows of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    /// A JSON object each, as it stands in the body if that is JSON.
    pub(crate) rows: Vec<Bytes>,
    /// The keys that are used of them.
    pub(crate) columns: Vec<String>,
}

impl Payload {
    /// Reads a body of this `Content-Type`; with columns named, only those are used, and rows need not have
    /// the same keys.
    pub(crate) fn read(
        content_type: Option<&str>,
        body: &Bytes,
        columns: Option<&[String]>,
    ) -> Result<Self, Error> {
        let kind = content_type.unwrap_or("application/json");
        let name = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let mut payload = match name.as_str() {
            "" | "application/json" => return json::read(body, columns),
            "text/csv" => csv::read(body)?,
            "application/x-www-form-urlencoded" => form::read(body)?,
            _ => return Err(Error::body(format!("Content-Type not acceptable: {name}"))),
        };
        if let Some(columns) = columns {
            payload.columns = columns.to_vec();
        }
        Ok(payload)
    }

    /// The keys of one JSON object; none for anything else.
    pub(crate) fn keys(body: &Bytes) -> Vec<String> {
        json::keys(body)
    }
}

fn too_many_rows<T>() -> Result<T, Error> {
    Err(Error::body(format!("A body has at most {MAX_ROWS} rows")))
}

/// An object of texts and NULLs.
fn object<'a>(members: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Bytes {
    let mut object = serde_json::Map::new();
    for (key, value) in members {
        object.insert(key.to_owned(), value.map_or(serde_json::Value::Null, Into::into));
    }
    serde_json::Value::Object(object).to_string().into()
}
