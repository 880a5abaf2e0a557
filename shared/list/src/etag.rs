use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datacovey_error::{Error, Result};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Enough of SHA-256 that two states of one row never share a tag by chance.
const TAG_BYTES: usize = 12;

/// The etag of a resource: a hash of its row, so that any change of any column changes it.
///
/// `row` must serialize the same way each time (structs and sorted maps do). Fails only for a
/// value that JSON cannot hold, such as a map whose keys are no text.
pub fn etag(row: &impl Serialize) -> Result<String> {
    let bytes = serde_json::to_vec(row).map_err(Error::internal)?;
    let hash = Sha256::digest(&bytes);
    Ok(URL_SAFE_NO_PAD.encode(&hash[..TAG_BYTES]))
}

/// Whether the state that a caller read is still the one stored. An empty `given` asks for no check.
///
/// ABORTED with ETAG_MISMATCH if not.
pub fn check_etag(
    given: &str,
    row: &impl Serialize,
    kind: &'static str,
    name: impl fmt::Display,
) -> Result<()> {
    if given.is_empty() || given == etag(row)? {
        Ok(())
    } else {
        Err(Error::etag_mismatch(kind, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacovey_error::ErrorReason;

    #[derive(Serialize)]
    struct Row {
        id: u32,
        name: Option<&'static str>,
    }

    #[test]
    fn each_column_counts() {
        let tag = |id, name| etag(&Row { id, name }).unwrap();
        assert_eq!(tag(1, Some("a")), tag(1, Some("a")));
        assert_ne!(tag(1, Some("a")), tag(2, Some("a")));
        assert_ne!(tag(1, Some("")), tag(1, None));
    }

    #[test]
    fn an_empty_etag_asks_for_no_check() {
        let row = Row { id: 1, name: None };
        assert!(check_etag("", &row, "table", 1).is_ok());
        assert!(check_etag(&etag(&row).unwrap(), &row, "table", 1).is_ok());
        let error = check_etag("stale", &row, "table", 1).unwrap_err();
        assert_eq!(error.reason(), ErrorReason::EtagMismatch);
    }
}
