//! CSV: a line of names and a line for each row; `NULL` is NULL.

use bytes::Bytes;

use super::{MAX_ROWS, Payload, object, too_many_rows};
use crate::error::Error;

const UNEVEN: &str = "All lines must have same number of fields";

pub(super) fn read(body: &Bytes) -> Result<Payload, Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(&**body);
    let invalid = |error: &csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths { .. } => Error::body(UNEVEN),
        _ => Error::body("Invalid csv: it is not UTF-8"),
    };
    let names = reader.headers().map_err(|it| invalid(&it))?.clone();
    if names.is_empty() {
        return Err(Error::body("Empty or invalid csv"));
    }
    let mut payload = Payload {
        rows: Vec::new(),
        columns: names.iter().map(str::to_owned).collect(),
    };
    payload.columns.sort_unstable();
    payload.columns.dedup();
    for record in reader.records() {
        let record = record.map_err(|it| invalid(&it))?;
        if payload.rows.len() == MAX_ROWS {
            return too_many_rows();
        }
        let values = record.iter().map(|it| (it != "NULL").then_some(it));
        payload.rows.push(object(names.iter().zip(values)));
    }
    Ok(payload)
}
