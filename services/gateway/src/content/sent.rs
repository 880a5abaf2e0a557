//! What the headers of an upload say: which piece it is, and of what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacovey_error::{Error, Result};
use http::header::{CONTENT_ENCODING, CONTENT_RANGE};
use http::{HeaderMap, HeaderName};

use super::{CONTENT_DIGEST, CONTENT_SHA256, REPR_DIGEST};

/// Which part of the content the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// All of it.
    Whole,
    /// From `start` up to and without `end`; it is the last one where that is the `total`.
    Part {
        start: u64,
        end: u64,
        total: Option<u64>,
    },
    /// Nothing: the question how far the upload is, and the word that it is complete if it has so many
    /// bytes.
    Ask { total: Option<u64> },
}

impl Piece {
    pub(super) const fn start(self) -> u64 {
        match self {
            Self::Part { start, .. } => start,
            Self::Whole | Self::Ask { .. } => 0,
        }
    }
}

/// Reads `Content-Range` (RFC 9110, 14.4).
pub(super) fn piece(headers: &HeaderMap) -> Result<Piece> {
    let Some(value) = text(headers, CONTENT_RANGE)? else {
        return Ok(Piece::Whole);
    };
    let wrong = |why: &str| Error::invalid_field("content-range", why);
    const FORM: &str = "must be as \"bytes 0-999/5000\", \"bytes 0-999/*\" or \"bytes */5000\"";
    let parsed = (|| {
        let (unit, range) = value.trim().split_once(' ')?;
        let (range, total) = range.trim().split_once('/')?;
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        if range == "*" {
            return Some(Piece::Ask { total });
        }
        let (start, last) = range.split_once('-')?;
        let (start, end) = (number(start)?, number(last)?.checked_add(1)?);
        Some(Piece::Part { start, end, total })
    })();
    match parsed.ok_or_else(|| wrong(FORM))? {
        Piece::Part { start, end, .. } if start >= end => Err(wrong("ends before it begins")),
        Piece::Part {
            end,
            total: Some(total),
            ..
        } if end > total => Err(wrong("ends behind the end of the content")),
        piece => Ok(piece),
    }
}

/// The SHA-256 of the whole content in hexadecimal digits, where a header says it.
pub(super) fn sha256(headers: &HeaderMap, piece: Piece) -> Result<Option<String>> {
    let is_whole = match piece {
        Piece::Whole => true,
        Piece::Part { start, end, total } => start == 0 && total == Some(end),
        Piece::Ask { .. } => false,
    };
    let mut said: Vec<(HeaderName, String)> = Vec::new();
    if let Some(digits) = text(headers, CONTENT_SHA256)? {
        if digits.len() != 64 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(Error::invalid_field(
                CONTENT_SHA256.as_str(),
                "must be 64 hexadecimal digits",
            ));
        }
        said.push((CONTENT_SHA256, digits.to_ascii_lowercase()));
    }
    for name in [REPR_DIGEST, CONTENT_DIGEST] {
        let Some(digests) = text(headers, name.clone())? else {
            continue;
        };
        let Some(sha256) = digest(digests) else {
            let why = "must have a SHA-256 in base64, as \"sha-256=:…:\"";
            return Err(Error::invalid_field(name.as_str(), why));
        };
        if name == CONTENT_DIGEST && !is_whole {
            let why = "is of this part only, which cannot be taken back; send repr-digest, of the whole";
            return Err(Error::invalid_field(name.as_str(), why));
        }
        said.push((name, sha256));
    }
    let first = said.first().cloned();
    match said
        .into_iter()
        .find(|(_, it)| first.as_ref().is_some_and(|(_, of_first)| it != of_first))
    {
        Some((name, _)) => Err(Error::invalid_field(
            name.as_str(),
            "says another SHA-256 than the other header",
        )),
        None => Ok(first.map(|(_, sha256)| sha256)),
    }
}

/// Content is stored as it comes: whoever compresses it says so in the job.
pub(super) fn check_encoding(headers: &HeaderMap) -> Result<()> {
    match text(headers, CONTENT_ENCODING)? {
        None | Some("identity") => Ok(()),
        Some(_) => Err(Error::invalid_field(
            CONTENT_ENCODING.as_str(),
            "must not be sent; a compressed file is uploaded as it is",
        )),
    }
}

/// The SHA-256 among digests (RFC 9530), in hexadecimal digits.
fn digest(value: &str) -> Option<String> {
    let mut entries = value.split(',').filter_map(|entry| entry.trim().split_once('='));
    let (_, encoded) = entries.find(|(name, _)| name.eq_ignore_ascii_case("sha-256"))?;
    let bytes = STANDARD
        .decode(encoded.strip_prefix(':')?.strip_suffix(':')?)
        .ok()?;
    (bytes.len() == 32).then(|| hex::encode(bytes))
}

/// The one value of a header.
fn text(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>> {
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) if values.next().is_none() => Ok(Some(text)),
        _ => Err(Error::invalid_field(
            name.as_str(),
            "must be there once, and be text",
        )),
    }
}

/// Digits and nothing else.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    fn of(range: &str) -> Result<Piece> {
        piece(&headers(&[("content-range", range)]))
    }

    #[test]
    fn a_piece_is_what_content_range_says() {
        assert_eq!(piece(&HeaderMap::new()).unwrap(), Piece::Whole);
        let part = |start, end, total| Piece::Part { start, end, total };
        assert_eq!(of("bytes 0-0/1").unwrap(), part(0, 1, Some(1)));
        assert_eq!(of("Bytes 5-9/*").unwrap(), part(5, 10, None));
        assert_eq!(of("bytes */7").unwrap(), Piece::Ask { total: Some(7) });
        assert_eq!(of("bytes */*").unwrap(), Piece::Ask { total: None });
        for wrong in [
            "",
            "bytes",
            "bytes 0-1",
            "0-1/2",
            "items 0-1/2",
            "bytes 2-1/5",
            "bytes 0-5/5",
            "bytes -5/9",
            "bytes 0-/9",
            "bytes +1-2/9",
            "bytes 0-1/x",
            "bytes 0-18446744073709551615/*",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_checksum_is_said_in_three_ways_and_is_one() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = "sha-512=:AA==:, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        let part = Piece::Part {
            start: 5,
            end: 9,
            total: Some(9),
        };
        for (pairs, piece, expected) in [
            (vec![], Piece::Whole, Ok(None)),
            (vec![("x-content-sha256", hex)], part, Ok(Some(hex))),
            (vec![("repr-digest", digest)], part, Ok(Some(hex))),
            (vec![("content-digest", digest)], Piece::Whole, Ok(Some(hex))),
            (
                vec![("content-digest", digest), ("x-content-sha256", hex)],
                Piece::Whole,
                Ok(Some(hex)),
            ),
            (vec![("content-digest", digest)], part, Err("content-digest")),
            (vec![("repr-digest", "sha-256=47DE")], part, Err("repr-digest")),
            (vec![("repr-digest", "sha-256=:AA==:")], part, Err("repr-digest")),
            (vec![("x-content-sha256", "ab")], part, Err("x-content-sha256")),
            (
                vec![
                    ("x-content-sha256", &hex.replace('e', "f")),
                    ("repr-digest", digest),
                ],
                part,
                Err("repr-digest"),
            ),
        ] {
            let found = sha256(&headers(&pairs), piece);
            let found = found
                .as_ref()
                .map(|it| it.as_deref())
                .map_err(|it| it.violations()[0].field.as_str());
            assert_eq!(found, expected, "{pairs:?}");
        }
    }
}
