//! Which part of the rows an answer has.

use http::StatusCode;

use crate::error::Error;

/// `first-last/total`; `*` for no rows and for a total that is not known.
pub(super) fn content_range(first: i64, last: i64, total: Option<u64>) -> String {
    let range = if first <= last && total != Some(0) {
        format!("{first}-{last}")
    } else {
        "*".to_owned()
    };
    match total {
        Some(total) => format!("{range}/{total}"),
        None => format!("{range}/*"),
    }
}

/// 200, 206 where there are more rows, 416 where the page begins beyond them; it takes a total to know.
pub(super) fn status(offset: i64, rows: i64, total: Option<u64>) -> Result<StatusCode, Error> {
    let Some(total) = total else {
        return Ok(StatusCode::OK);
    };
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    if offset > total {
        return Err(Error::range(&format!(
            "An offset of {offset} was requested, but there are only {total} rows."
        )));
    }
    Ok(if rows < total {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    })
}
