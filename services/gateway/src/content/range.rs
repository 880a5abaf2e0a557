//! Which part of a file is asked for (RFC 9110, 13 and 14).

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

use super::sent::number;

/// What `Range` asks for. What is not understood, or is several ranges, is answered with the whole, as the
/// standard allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    All,
    /// From a byte on, up to and with another.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl Asked {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let parsed = (|| {
            let value = headers.get(RANGE)?.to_str().ok()?;
            let (unit, range) = value.split_once('=')?;
            if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
                return None;
            }
            let (first, last) = range.trim().split_once('-')?;
            if first.is_empty() {
                return number(last).map(Self::Last);
            }
            let first = number(first)?;
            let last = match last {
                "" => None,
                last => Some(number(last)?),
            };
            (last.is_none_or(|last| last >= first)).then_some(Self::From(first, last))
        })();
        parsed.unwrap_or(Self::All)
    }

    /// The part of a file of `total` bytes, by its first byte and its length; none if there is nothing.
    pub(super) fn of(self, total: u64) -> Option<(u64, u64)> {
        let (first, end) = match self {
            Self::All => return Some((0, total)),
            Self::From(first, last) => {
                let end = last.map_or(total, |last| last.saturating_add(1).min(total));
                (first, end)
            }
            Self::Last(count) => (total.saturating_sub(count), total),
        };
        (first < end).then(|| (first, end - first))
    }
}

/// Whether `If-None-Match` says that the caller has the file already.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

/// Whether a part of another file than the one that the caller has begun with would do harm: then the
/// whole is sent. A date is never that of a file here.
pub(super) fn is_of_another(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get(IF_RANGE)
        .is_some_and(|tag| tag.as_bytes() != etag.as_bytes())
}

/// Whether the answer hangs on what the file is.
pub(super) fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_RANGE) || headers.contains_key(IF_NONE_MATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_or_taken_as_none() {
        for (value, asked) in [
            ("bytes=0-0", Asked::From(0, Some(0))),
            ("bytes=5-", Asked::From(5, None)),
            ("Bytes = -7".trim(), Asked::Last(7)),
            ("bytes=0-1,3-4", Asked::All),
            ("bytes=2-1", Asked::All),
            ("items=0-1", Asked::All),
            ("bytes=-", Asked::All),
            ("bytes=x-", Asked::All),
            ("", Asked::All),
        ] {
            let headers = HeaderMap::from_iter([(RANGE, value.parse().unwrap())]);
            assert_eq!(Asked::read(&headers), asked, "{value}");
        }
        assert_eq!(Asked::read(&HeaderMap::new()), Asked::All);
    }

    #[test]
    fn a_range_is_cut_to_what_there_is() {
        for (asked, part) in [
            (Asked::All, Some((0, 10))),
            (Asked::From(3, Some(5)), Some((3, 3))),
            (Asked::From(3, Some(u64::MAX)), Some((3, 7))),
            (Asked::From(9, None), Some((9, 1))),
            (Asked::From(10, None), None),
            (Asked::Last(4), Some((6, 4))),
            (Asked::Last(40), Some((0, 10))),
            (Asked::Last(0), None),
        ] {
            assert_eq!(asked.of(10), part, "{asked:?}");
        }
        assert_eq!(Asked::All.of(0), Some((0, 0)));
        assert_eq!(Asked::From(0, None).of(0), None);
    }

    #[test]
    fn tags_are_compared() {
        let with =
            |name: http::HeaderName, value: &str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        assert!(is_known(&with(IF_NONE_MATCH, "\"x\", W/\"a\""), "\"a\""));
        assert!(is_known(&with(IF_NONE_MATCH, "*"), "\"a\""));
        assert!(!is_known(&with(IF_NONE_MATCH, "\"x\""), "\"a\""));
        assert!(!is_of_another(&HeaderMap::new(), "\"a\""));
        assert!(!is_of_another(&with(IF_RANGE, "\"a\""), "\"a\""));
        for other in ["\"b\"", "W/\"a\"", "Sat, 28 Nov 2026 00:00:00 GMT"] {
            assert!(is_of_another(&with(IF_RANGE, other), "\"a\""), "{other}");
        }
    }
}
