//! Formats of downloads: their media types and names.

use datacovey_error::{Error, Result};
use datacovey_proto::query::v1::ResultFileFormat;
use datacovey_proto::transfer::v1::{Compression, FileFormat};
use http::HeaderMap;
use http::header::ACCEPT;

/// What a file is, as HTTP says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) content_type: &'static str,
    pub(super) extension: &'static str,
    /// What follows the extension where the file is compressed, as in `.gz`.
    pub(super) suffix: &'static str,
}

const CSV: Media = Media {
    content_type: "text/csv; charset=utf-8",
    extension: "csv",
    suffix: "",
};
const NDJSON: Media = Media {
    content_type: "application/x-ndjson",
    extension: "ndjson",
    suffix: "",
};
const JSON: Media = Media {
    content_type: "application/json",
    extension: "json",
    suffix: "",
};
const PARQUET: Media = Media {
    content_type: "application/vnd.apache.parquet",
    extension: "parquet",
    suffix: "",
};
const ARROW_FILE: Media = Media {
    content_type: "application/vnd.apache.arrow.file",
    extension: "arrow",
    suffix: "",
};
const ARROW_STREAM: Media = Media {
    content_type: "application/vnd.apache.arrow.stream",
    extension: "arrows",
    suffix: "",
};
const UNKNOWN: Media = Media {
    content_type: "application/octet-stream",
    extension: "bin",
    suffix: "",
};

/// Formats that a result can be asked for, the default first.
const OF_RESULTS: [(ResultFileFormat, Media, &[&str]); 5] = [
    (ResultFileFormat::Csv, CSV, &["text/csv"]),
    (
        ResultFileFormat::Ndjson,
        NDJSON,
        &["application/x-ndjson", "application/jsonl", "application/ndjson"],
    ),
    (ResultFileFormat::Json, JSON, &["application/json"]),
    (
        ResultFileFormat::Parquet,
        PARQUET,
        &["application/vnd.apache.parquet", "application/parquet"],
    ),
    (
        ResultFileFormat::Arrow,
        ARROW_STREAM,
        &["application/vnd.apache.arrow.stream"],
    ),
];

pub(super) fn of_export(format: FileFormat, compression: Compression) -> Media {
    let plain = match format {
        FileFormat::Csv => CSV,
        FileFormat::Ndjson => NDJSON,
        FileFormat::Parquet => PARQUET,
        FileFormat::Arrow => ARROW_FILE,
        FileFormat::Unspecified => UNKNOWN,
    };
    // A file that is compressed is one of its own, not a text on its way: its bytes are what is counted
    // and checked.
    let (content_type, suffix) = match compression {
        Compression::Unspecified | Compression::None => return plain,
        Compression::Gzip => ("application/gzip", ".gz"),
        Compression::Zstd => ("application/zstd", ".zst"),
    };
    Media {
        content_type,
        suffix,
        ..plain
    }
}

pub(super) fn of_result(format: ResultFileFormat) -> Media {
    let known = OF_RESULTS.iter().find(|(it, ..)| *it == format);
    known.map_or(CSV, |(_, media, _)| *media)
}

/// The format that a query string names (`format=parquet`), else the one that is accepted best.
///
/// INVALID_ARGUMENT, of `format` or of `accept`, where there is none.
pub(super) fn asked(query: Option<&str>, headers: &HeaderMap) -> Result<ResultFileFormat> {
    let mut pairs = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|it| it.split_once('='));
    if let Some((_, name)) = pairs.find(|(key, _)| *key == "format") {
        let named = OF_RESULTS
            .iter()
            .find(|(format, media, _)| named(*format, *media).eq_ignore_ascii_case(name));
        let why = "must be csv, ndjson, json, parquet or arrow";
        let (format, ..) = named.ok_or_else(|| Error::invalid_field("format", why))?;
        return Ok(*format);
    }
    let ranges: Vec<_> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .filter_map(Range::read)
        .collect();
    if ranges.is_empty() {
        return Ok(ResultFileFormat::Csv);
    }
    let weights = OF_RESULTS.iter().map(|(format, _, types)| {
        let weights = types.iter().map(|it| weight(&ranges, it));
        (*format, weights.max().unwrap_or_default())
    });
    // Of the best, the first: `max_by_key` would give the last.
    let best = weights.fold(None, |best: Option<(ResultFileFormat, u32)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    });
    match best {
        Some((format, 1..)) => Ok(format),
        _ => {
            let why = "accepts none of text/csv, application/x-ndjson, application/json, \
                       application/vnd.apache.parquet and application/vnd.apache.arrow.stream";
            Err(Error::invalid_field(ACCEPT.as_str(), why))
        }
    }
}

fn named(format: ResultFileFormat, media: Media) -> &'static str {
    match format {
        ResultFileFormat::Arrow => "arrow",
        _ => media.extension,
    }
}

/// A media range of `Accept`, with its weight in thousandths.
struct Range<'a> {
    name: &'a str,
    weight: u32,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|it| it.contains('/'))?;
        let weight = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
        let weight = weight.and_then(|it| it.parse::<f32>().ok()).unwrap_or(1.0);
        Some(Self {
            name,
            weight: (weight.clamp(0.0, 1.0) * 1000.0) as u32,
        })
    }
}

/// The weight of a type: that of the range which names it most exactly.
fn weight(ranges: &[Range<'_>], name: &str) -> u32 {
    let family = name.split('/').next().unwrap_or_default();
    let exact = |it: &&Range<'_>| it.name.eq_ignore_ascii_case(name);
    let of_family = |it: &&Range<'_>| {
        it.name
            .strip_suffix("/*")
            .is_some_and(|it| it.eq_ignore_ascii_case(family))
    };
    let any = |it: &&Range<'_>| it.name == "*/*";
    let found = ranges
        .iter()
        .find(exact)
        .or_else(|| ranges.iter().find(of_family));
    found
        .or_else(|| ranges.iter().find(any))
        .map_or(0, |it| it.weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResultFileFormat::{Arrow, Csv, Json, Ndjson, Parquet};

    #[test]
    fn a_format_is_named_or_accepted() {
        let accept = |value: &str| HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())]);
        for (query, headers, expected) in [
            (None, HeaderMap::new(), Some(Csv)),
            (None, accept("*/*"), Some(Csv)),
            (Some("format=parquet"), accept("text/csv"), Some(Parquet)),
            (Some("a=b&format=ARROW"), accept("*/*"), Some(Arrow)),
            (Some("format=orc"), accept("*/*"), None),
            (None, accept("application/json"), Some(Json)),
            (None, accept("application/*"), Some(Ndjson)),
            (
                None,
                accept("text/html, application/vnd.apache.parquet;q=0.5, */*;q=0.1"),
                Some(Parquet),
            ),
            (None, accept("text/csv;q=0, */*"), Some(Ndjson)),
            (None, accept("text/html"), None),
        ] {
            assert_eq!(asked(query, &headers).ok(), expected, "{query:?} {headers:?}");
        }
    }
}
