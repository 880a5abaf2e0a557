//! What an import does with its content, as requests say it.

use datacovey_error::{Error, Result, Violations};
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::Format;

use super::file::{self, Direction};
use super::options::{ImportOptions, Mode};

/// Records that may be rejected at most.
const MAX_BAD_RECORDS: i64 = 1_000_000;

/// The mode, if one is said; none at all if it is none of the modes.
pub(crate) fn mode(value: i32, violations: &mut Violations) -> Option<Option<Mode>> {
    Some(match pb::ImportMode::try_from(value) {
        Ok(pb::ImportMode::Unspecified) => None,
        Ok(pb::ImportMode::Append) => Some(Mode::Append),
        Ok(pb::ImportMode::Replace) => Some(Mode::Replace),
        Ok(pb::ImportMode::EmptyOnly) => Some(Mode::EmptyOnly),
        Err(_) => {
            violations.add("mode", "is none of the modes");
            return None;
        }
    })
}

pub(crate) fn max_bad_records(count: i64, violations: &mut Violations) -> Option<u64> {
    let in_range = (0..=MAX_BAD_RECORDS).contains(&count);
    if !in_range {
        violations.add("max_bad_records", format!("must be 0 to {MAX_BAD_RECORDS}"));
    }
    u64::try_from(count).ok().filter(|_| in_range)
}

/// What the upload of an import says beside its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    said: ImportOptions,
    mode: Option<Mode>,
    max_bad_records: Option<u64>,
}

impl Settings {
    /// INVALID_ARGUMENT with all that is wrong.
    pub(crate) fn parse(given: pb::UploadSettings) -> Result<Self> {
        let mut violations = Violations::new();
        let (format, compression) = file::input(given.format, given.compression, &mut violations);
        // Who says how the CSV is written says that it is CSV.
        let format = format.or_else(|| given.csv.is_some().then_some(Format::Csv));
        let settings = Self {
            said: ImportOptions {
                format,
                compression,
                csv: file::csv(given.csv, format, Direction::Import, &mut violations),
                ..ImportOptions::default()
            },
            mode: mode(given.mode, &mut violations).flatten(),
            max_bad_records: given
                .max_bad_records
                .and_then(|it| max_bad_records(it, &mut violations)),
        };
        let wrong = violations.into_vec();
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(Error::invalid(wrong))
        }
    }

    /// Puts what was said in the place of what the job says.
    pub(crate) fn apply(self, options: &mut ImportOptions) {
        if self.said.format.is_some() {
            options.format = self.said.format;
            options.csv = self.said.csv;
        }
        options.compression = self.said.compression.or(options.compression);
        options.mode = self.mode.unwrap_or(options.mode);
        options.max_bad_records = self.max_bad_records.unwrap_or(options.max_bad_records);
    }
}

#[cfg(test)]
mod tests {
    use datacovey_storage::Compression;

    use super::*;
    use crate::domain::options::Csv;

    fn job() -> ImportOptions {
        ImportOptions {
            format: Some(Format::Csv),
            compression: Some(Compression::Gzip),
            mode: Mode::EmptyOnly,
            max_bad_records: 3,
            csv: Some(Csv::default()),
            ..ImportOptions::default()
        }
    }

    #[test]
    fn what_is_not_said_is_as_the_job_has_it() {
        let mut options = job();
        Settings::parse(pb::UploadSettings::default())
            .unwrap()
            .apply(&mut options);
        assert_eq!(options, job());

        let said = pb::UploadSettings {
            format: pb::FileFormat::Ndjson.into(),
            compression: pb::Compression::None.into(),
            mode: pb::ImportMode::Replace.into(),
            max_bad_records: Some(0),
            csv: None,
        };
        Settings::parse(said).unwrap().apply(&mut options);
        let expected = ImportOptions {
            format: Some(Format::Ndjson),
            compression: Some(Compression::None),
            mode: Mode::Replace,
            ..ImportOptions::default()
        };
        assert_eq!(options, expected);

        let said = pb::UploadSettings {
            csv: Some(pb::CsvOptions {
                delimiter: Some(";".to_owned()),
                ..pb::CsvOptions::default()
            }),
            ..pb::UploadSettings::default()
        };
        Settings::parse(said).unwrap().apply(&mut options);
        assert_eq!(options.format, Some(Format::Csv));
        assert_eq!(options.csv.map(|it| it.delimiter), Some(';'));
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let said = pb::UploadSettings {
            format: 99,
            compression: 99,
            mode: 99,
            max_bad_records: Some(-1),
            csv: None,
        };
        let error = Settings::parse(said).unwrap_err();
        let fields: Vec<_> = error.violations().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["format", "compression", "mode", "max_bad_records"]);
    }
}
