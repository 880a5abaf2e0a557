//! What the query string of an upload says about its content, as `?format=csv&mode=replace`.

use std::str::FromStr;

use datacovey_error::{Error, Result, Violations};
use datacovey_proto::transfer::v1::{Compression, CsvOptions, FileFormat, ImportMode, UploadSettings};

const FORMATS: [(&str, FileFormat); 4] = [
    ("csv", FileFormat::Csv),
    ("ndjson", FileFormat::Ndjson),
    ("parquet", FileFormat::Parquet),
    ("arrow", FileFormat::Arrow),
];
const COMPRESSIONS: [(&str, Compression); 3] = [
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("zstd", Compression::Zstd),
];
const MODES: [(&str, ImportMode); 3] = [
    ("append", ImportMode::Append),
    ("replace", ImportMode::Replace),
    ("empty_only", ImportMode::EmptyOnly),
];
const KNOWN: &str = "is unknown; there are format, compression, mode, max_bad_records and, of CSV, delimiter, \
                     quote, header, column, null_value, escape, comment and encoding";

/// The settings; INVALID_ARGUMENT with everything that is wrong. `column` and `null_value` may be said more than
/// once.
pub(super) fn settings(query: Option<&str>) -> Result<UploadSettings> {
    let mut settings = UploadSettings::default();
    let mut csv = CsvOptions::default();
    let mut said = Vec::new();
    let mut violations = Violations::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let wrong = &mut violations;
        match &*name {
            "format" => settings.format = one_of(&FORMATS, &name, &value, wrong).map_or(0, Into::into),
            "compression" => {
                settings.compression = one_of(&COMPRESSIONS, &name, &value, wrong).map_or(0, Into::into);
            }
            "mode" => settings.mode = one_of(&MODES, &name, &value, wrong).map_or(0, Into::into),
            "max_bad_records" => {
                settings.max_bad_records = parsed(&name, &value, "must be a whole number", wrong);
            }
            "delimiter" => csv.delimiter = Some(value.into_owned()),
            "quote" => csv.quote = Some(value.into_owned()),
            "header" => csv.header = parsed(&name, &value, "must be true or false", wrong),
            "escape" => csv.escape = Some(value.into_owned()),
            "comment" => csv.comment = Some(value.into_owned()),
            "encoding" => csv.encoding = Some(value.into_owned()),
            "column" => csv.columns.push(value.into_owned()),
            "null_value" => csv.null_values.push(value.into_owned()),
            _ => wrong.add(&*name, KNOWN),
        }
        if said.contains(&name) && !matches!(&*name, "column" | "null_value") {
            wrong.add(&*name, "is said more than once");
        }
        said.push(name);
    }
    let wrong = violations.into_vec();
    if !wrong.is_empty() {
        return Err(Error::invalid(wrong));
    }
    settings.csv = (csv != CsvOptions::default()).then_some(csv);
    Ok(settings)
}

fn one_of<T: Copy>(words: &[(&str, T)], name: &str, value: &str, violations: &mut Violations) -> Option<T> {
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    if found.is_none() {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        violations.add(name, format!("must be one of {}", words.join(", ")));
    }
    found.map(|(_, it)| *it)
}

fn parsed<T: FromStr>(name: &str, value: &str, why: &str, violations: &mut Violations) -> Option<T> {
    let parsed = value.parse().ok();
    if parsed.is_none() {
        violations.add(name, why);
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_said_in_the_words_of_the_command() {
        assert_eq!(settings(None).unwrap(), UploadSettings::default());
        let all = "format=CSV&compression=gzip&mode=empty_only&max_bad_records=5&delimiter=%3B&header=false\
                   &column=a+b&column=c&null_value=&null_value=NA&encoding=latin1";
        let expected = UploadSettings {
            format: FileFormat::Csv.into(),
            compression: Compression::Gzip.into(),
            mode: ImportMode::EmptyOnly.into(),
            max_bad_records: Some(5),
            csv: Some(CsvOptions {
                delimiter: Some(";".to_owned()),
                header: Some(false),
                columns: vec!["a b".to_owned(), "c".to_owned()],
                null_values: vec![String::new(), "NA".to_owned()],
                encoding: Some("latin1".to_owned()),
                ..CsvOptions::default()
            }),
        };
        assert_eq!(settings(Some(all)).unwrap(), expected);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = "format=orc&mode=&mode=append&max_bad_records=x&header=1&select=*";
        let error = settings(Some(wrong)).unwrap_err();
        let fields: Vec<_> = error.violations().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(
            fields,
            ["format", "mode", "mode", "max_bad_records", "header", "select"]
        );
    }
}
