//! A form: one row of texts.

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::percent_decode;

use super::{Payload, object};
use crate::error::Error;

pub(super) fn read(body: &Bytes) -> Result<Payload, Error> {
    let invalid = || Error::body("Invalid form: it is not UTF-8 once it is percent-decoded");
    let text = std::str::from_utf8(body).map_err(|_| invalid())?;
    let decoded = |text: &str| {
        let blanks = text.replace('+', " ");
        let decoded = percent_decode(blanks.as_bytes()).decode_utf8();
        decoded.map(Cow::into_owned).map_err(|_| invalid())
    };
    let mut members = Vec::new();
    for pair in text.split('&').filter(|it| !it.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        members.push((decoded(key)?, decoded(value)?));
    }
    let mut columns: Vec<_> = members.iter().map(|(key, _)| key.clone()).collect();
    columns.sort_unstable();
    columns.dedup();
    let row = object(
        members
            .iter()
            .map(|(key, value)| (key.as_str(), Some(value.as_str()))),
    );
    Ok(Payload {
        rows: vec![row],
        columns,
    })
}
