//! Formats, compressions and CSV options of requests.

use datacovey_error::{Error, Result, Violations};
use datacovey_proto::transfer::v1 as pb;

use super::options::{Csv, Format, OutputFormat, Packing};

/// The format of an import. NDJSON and Arrow are part of the API and not served yet.
pub(crate) fn format(value: i32, violations: &mut Violations) -> Result<Option<Format>> {
    match pb::FileFormat::try_from(value) {
        Ok(pb::FileFormat::Csv) => Ok(Some(Format::Csv)),
        Ok(pb::FileFormat::Parquet) => Ok(Some(Format::Parquet)),
        Ok(format @ (pb::FileFormat::Ndjson | pb::FileFormat::Arrow)) => Err(Error::not_implemented(
            format_args!("the format {}", format.as_str_name()),
        )),
        Ok(pb::FileFormat::Unspecified) | Err(_) => {
            violations.add("format", "is required: FILE_FORMAT_CSV or FILE_FORMAT_PARQUET");
            Ok(None)
        }
    }
}

pub(crate) const fn file_format(format: Format) -> pb::FileFormat {
    match format {
        Format::Csv => pb::FileFormat::Csv,
        Format::Parquet => pb::FileFormat::Parquet,
    }
}

/// The format of an export.
pub(crate) fn output_format(value: i32, violations: &mut Violations) -> Option<OutputFormat> {
    match pb::FileFormat::try_from(value) {
        Ok(pb::FileFormat::Csv) => Some(OutputFormat::Csv),
        Ok(pb::FileFormat::Ndjson) => Some(OutputFormat::Ndjson),
        Ok(pb::FileFormat::Parquet) => Some(OutputFormat::Parquet),
        Ok(pb::FileFormat::Arrow) => Some(OutputFormat::Arrow),
        Ok(pb::FileFormat::Unspecified) | Err(_) => {
            violations.add(
                "format",
                "is required: FILE_FORMAT_CSV, FILE_FORMAT_NDJSON, FILE_FORMAT_PARQUET or FILE_FORMAT_ARROW",
            );
            None
        }
    }
}

/// The compression of an export: of text only, since the other formats are read in parts, from their end.
pub(crate) fn output_compression(
    value: i32,
    format: Option<OutputFormat>,
    violations: &mut Violations,
) -> Option<Packing> {
    let packing = match pb::Compression::try_from(value) {
        Ok(pb::Compression::Unspecified | pb::Compression::None) => return Some(Packing::None),
        Ok(pb::Compression::Gzip) => Packing::Gzip,
        Ok(pb::Compression::Zstd) => Packing::Zstd,
        Err(_) => {
            violations.add("compression", "is none of the compressions");
            return None;
        }
    };
    let reason = match format {
        Some(OutputFormat::Parquet) => {
            "is not for Parquet, whose columns are compressed within; leave it out"
        }
        Some(OutputFormat::Arrow) => "is not for Arrow, which could not be read in parts then; leave it out",
        Some(OutputFormat::Csv | OutputFormat::Ndjson) | None => return Some(packing),
    };
    violations.add("compression", reason);
    None
}

pub(crate) const fn output_file_format(format: OutputFormat) -> pb::FileFormat {
    match format {
        OutputFormat::Csv => pb::FileFormat::Csv,
        OutputFormat::Ndjson => pb::FileFormat::Ndjson,
        OutputFormat::Parquet => pb::FileFormat::Parquet,
        OutputFormat::Arrow => pb::FileFormat::Arrow,
    }
}

pub(crate) const fn packing(packing: Packing) -> pb::Compression {
    match packing {
        Packing::None => pb::Compression::None,
        Packing::Gzip => pb::Compression::Gzip,
        Packing::Zstd => pb::Compression::Zstd,
    }
}

/// Files as they are. Compressed ones are part of the API and not served yet.
pub(crate) fn compression(value: i32, violations: &mut Violations) -> Result<()> {
    match pb::Compression::try_from(value) {
        Ok(pb::Compression::Unspecified | pb::Compression::None) => {}
        Ok(compression) => {
            return Err(Error::not_implemented(format_args!(
                "the compression {}",
                compression.as_str_name()
            )));
        }
        Err(_) => violations.add("compression", "is none of the compressions"),
    }
    Ok(())
}

/// Whether the file is read or written: not every option is for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Import,
    Export,
}

/// The CSV options, all that is wrong with them noted; none for other formats.
pub(crate) fn csv(
    given: Option<pb::CsvOptions>,
    format: Option<Format>,
    direction: Direction,
    violations: &mut Violations,
) -> Option<Csv> {
    if format == Some(Format::Parquet) {
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
    };
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

fn character(field: &str, given: Option<&str>, default: char, violations: &mut Violations) -> char {
    let mut characters = given.unwrap_or_default().chars();
    match (given, characters.next(), characters.next()) {
        (None, _, _) => default,
        (_, Some(character), None) if character.is_ascii() => character,
        _ => {
            violations.add(field, "must be one ASCII character");
            default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacovey_error::Kind;

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
    fn what_is_not_served_yet_is_told_apart_from_nonsense() {
        let mut violations = Violations::new();
        let ndjson = format(pb::FileFormat::Ndjson.into(), &mut violations).unwrap_err();
        let gzip = compression(pb::Compression::Gzip.into(), &mut violations).unwrap_err();
        assert_eq!(
            (ndjson.kind(), gzip.kind()),
            (Kind::Unimplemented, Kind::Unimplemented)
        );
        assert_eq!(format(99, &mut violations).unwrap(), None);
        assert_eq!(format(0, &mut violations).unwrap(), None);
        assert!(compression(99, &mut violations).is_ok());
        assert_eq!(violations.into_vec().len(), 3);
    }
}
