//! Formats, compressions and CSV options of requests.

use datacovey_error::Violations;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::{Compression, Format};

use super::options::Csv;

/// The format and the compression of an import; none of what the content is to tell.
pub(crate) fn input(
    format: i32,
    compression: i32,
    violations: &mut Violations,
) -> (Option<Format>, Option<Compression>) {
    let format = named_format(format).unwrap_or_else(|| {
        violations.add("format", "is none of the formats");
        None
    });
    let compression = named_compression(compression, violations);
    if format == Some(Format::Parquet) && compression.is_some_and(|it| it != Compression::None) {
        violations.add("compression", "is not for Parquet, which is compressed within");
    }
    (format, compression)
}

/// The format and the compression of an export, of which only text has one: the other formats are read in
/// parts, from their end.
pub(crate) fn output(
    format: i32,
    compression: i32,
    violations: &mut Violations,
) -> (Option<Format>, Compression) {
    let format = named_format(format).flatten();
    if format.is_none() {
        violations.add(
            "format",
            "is required: FILE_FORMAT_CSV, FILE_FORMAT_NDJSON, FILE_FORMAT_PARQUET or FILE_FORMAT_ARROW",
        );
    }
    let compression = named_compression(compression, violations).unwrap_or_default();
    if compression != Compression::None {
        match format {
            Some(Format::Parquet) => violations.add(
                "compression",
                "is not for Parquet, whose columns are compressed within; leave it out",
            ),
            Some(Format::Arrow) => violations.add(
                "compression",
                "is not for Arrow, which could not be read in parts then; leave it out",
            ),
            Some(Format::Csv | Format::Ndjson) | None => {}
        }
    }
    (format, compression)
}

/// The format, if one is said; none at all if it is none of the formats.
fn named_format(value: i32) -> Option<Option<Format>> {
    Some(match pb::FileFormat::try_from(value).ok()? {
        pb::FileFormat::Unspecified => None,
        pb::FileFormat::Csv => Some(Format::Csv),
        pb::FileFormat::Ndjson => Some(Format::Ndjson),
        pb::FileFormat::Parquet => Some(Format::Parquet),
        pb::FileFormat::Arrow => Some(Format::Arrow),
    })
}

fn named_compression(value: i32, violations: &mut Violations) -> Option<Compression> {
    match pb::Compression::try_from(value) {
        Ok(pb::Compression::Unspecified) => None,
        Ok(pb::Compression::None) => Some(Compression::None),
        Ok(pb::Compression::Gzip) => Some(Compression::Gzip),
        Ok(pb::Compression::Zstd) => Some(Compression::Zstd),
        Err(_) => {
            violations.add("compression", "is none of the compressions");
            None
        }
    }
}

pub(crate) const fn file_format(format: Format) -> pb::FileFormat {
    match format {
        Format::Csv => pb::FileFormat::Csv,
        Format::Ndjson => pb::FileFormat::Ndjson,
        Format::Parquet => pb::FileFormat::Parquet,
        Format::Arrow => pb::FileFormat::Arrow,
    }
}

pub(crate) const fn file_compression(compression: Compression) -> pb::Compression {
    match compression {
        Compression::None => pb::Compression::None,
        Compression::Gzip => pb::Compression::Gzip,
        Compression::Zstd => pb::Compression::Zstd,
    }
}

/// Whether the file is read or written: not every option is for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Import,
    Export,
}

/// The CSV options, all that is wrong with them noted; none for other formats, and where the content is to
/// tell the format.
pub(crate) fn csv(
    given: Option<pb::CsvOptions>,
    format: Option<Format>,
    direction: Direction,
    violations: &mut Violations,
) -> Option<Csv> {
    if format != Some(Format::Csv) {
        if given.is_some() {
            violations.add("csv", "is for the format FILE_FORMAT_CSV only");
        }
        return None;
    }
    let given = given.unwrap_or_default();
    let default = Csv::default();
    let csv = Csv {
        delimiter: character(
            "csv.delimiter",
            given.delimiter.as_deref(),
            default.delimiter,
            violations,
        ),
        quote: character("csv.quote", given.quote.as_deref(), default.quote, violations),
        header: given.header.unwrap_or(default.header),
        columns: given.columns,
        null_values: if given.null_values.is_empty() {
            default.null_values
        } else {
            given.null_values
        },
        escape: optional_character("csv.escape", given.escape.as_deref(), violations),
        comment: optional_character("csv.comment", given.comment.as_deref(), violations),
        encoding: given.encoding,
    };
    if direction == Direction::Export {
        for (field, is_given) in [
            ("csv.escape", csv.escape.is_some()),
            ("csv.comment", csv.comment.is_some()),
            ("csv.encoding", csv.encoding.is_some()),
        ] {
            if is_given {
                violations.add(field, "is for imports only");
            }
        }
    }
    match direction {
        Direction::Import if csv.header && !csv.columns.is_empty() => {
            violations.add(
                "csv.columns",
                "is for files without a header; this one has its own names",
            );
        }
        Direction::Import if !csv.header && csv.columns.is_empty() => {
            violations.add("csv.columns", "is required where the file has no header");
        }
        Direction::Export if !csv.columns.is_empty() => {
            violations.add(
                "csv.columns",
                "is for imports; name the columns of an export in `columns`",
            );
        }
        _ => {}
    }
    for error in csv.format().check().err().unwrap_or_default() {
        violations.add(format!("csv.{}", error.field), error.reason);
    }
    Some(csv)
}

fn optional_character(field: &str, given: Option<&str>, violations: &mut Violations) -> Option<char> {
    let mut characters = given?.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if character.is_ascii() => Some(character),
        _ => {
            violations.add(field, "must be one ASCII character");
            None
        }
    }
}

fn character(field: &str, given: Option<&str>, default: char, violations: &mut Violations) -> char {
    optional_character(field, given, violations).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(given: pb::CsvOptions, direction: Direction) -> Vec<String> {
        let mut violations = Violations::new();
        csv(Some(given), Some(Format::Csv), direction, &mut violations);
        violations.into_vec().into_iter().map(|it| it.field).collect()
    }

    #[test]
    fn defaults_are_those_of_rfc_4180() {
        let mut violations = Violations::new();
        assert_eq!(
            csv(None, Some(Format::Csv), Direction::Import, &mut violations),
            Some(Csv::default())
        );
        assert_eq!(
            csv(None, Some(Format::Parquet), Direction::Import, &mut violations),
            None
        );
        assert!(violations.is_empty());
    }

    #[test]
    fn every_wrong_option_is_named() {
        let odd = pb::CsvOptions {
            delimiter: Some("ab".to_owned()),
            quote: Some("é".to_owned()),
            columns: vec!["a".to_owned()],
            null_values: vec!["\n".to_owned()],
            ..Default::default()
        };
        assert_eq!(
            fields(odd.clone(), Direction::Import),
            ["csv.delimiter", "csv.quote", "csv.columns", "csv.null_values"]
        );
        assert_eq!(fields(odd, Direction::Export).len(), 4);
        let same = pb::CsvOptions {
            delimiter: Some("\"".to_owned()),
            ..Default::default()
        };
        assert_eq!(fields(same, Direction::Import), ["csv.quote"]);
        let no_names = pb::CsvOptions {
            header: Some(false),
            ..Default::default()
        };
        assert_eq!(fields(no_names.clone(), Direction::Import), ["csv.columns"]);
        assert!(fields(no_names, Direction::Export).is_empty());
        let mut violations = Violations::new();
        csv(
            Some(pb::CsvOptions::default()),
            Some(Format::Parquet),
            Direction::Import,
            &mut violations,
        );
        assert!(!violations.is_empty());
    }

    #[test]
    fn formats_are_told_or_said_and_compressions_fit_them() {
        use pb::Compression::{Gzip, Zstd};
        use pb::FileFormat::{Arrow, Ndjson, Parquet};
        let fields = |violations: Violations| {
            let violations = violations.into_vec().into_iter();
            violations.map(|it| it.field).collect::<Vec<_>>()
        };
        for (format, compression, expected, refused) in [
            (0, 0, (None, None), vec![]),
            (
                Ndjson.into(),
                Gzip.into(),
                (Some(Format::Ndjson), Some(Compression::Gzip)),
                vec![],
            ),
            (99, 99, (None, None), vec!["format", "compression"]),
            (
                Parquet.into(),
                Zstd.into(),
                (Some(Format::Parquet), Some(Compression::Zstd)),
                vec!["compression"],
            ),
        ] {
            let mut violations = Violations::new();
            assert_eq!(input(format, compression, &mut violations), expected);
            assert_eq!(fields(violations), refused);
        }
        for (format, compression, refused) in [
            (0, 0, vec!["format"]),
            (99, 99, vec!["format", "compression"]),
            (Ndjson.into(), Zstd.into(), vec![]),
            (Parquet.into(), 0, vec![]),
            (Parquet.into(), Zstd.into(), vec!["compression"]),
            (Arrow.into(), Gzip.into(), vec!["compression"]),
        ] {
            let mut violations = Violations::new();
            output(format, compression, &mut violations);
            assert_eq!(fields(violations), refused);
        }
    }
}
