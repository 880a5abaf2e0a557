//! What a job was asked to do, as its run row keeps it.

use datacovey_storage::read::{CsvFormat, Detected};
use datacovey_storage::{Compression, FileForm, Format};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an import does with the rows that the table holds; the words are those of `table_version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    #[default]
    Append,
    Replace,
    EmptyOnly,
}

impl Mode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
            Self::EmptyOnly => "empty_only",
        }
    }
}

/// How a CSV file is written. Delimiter and quote are ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Csv {
    pub(crate) delimiter: char,
    pub(crate) quote: char,
    pub(crate) header: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<String>,
    /// Never empty.
    pub(crate) null_values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) escape: Option<char>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<char>,
    /// A label of the WHATWG Encoding Standard; none for UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encoding: Option<String>,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: ',',
            quote: '"',
            header: true,
            columns: Vec::new(),
            null_values: vec![String::new()],
            escape: None,
            comment: None,
            encoding: None,
        }
    }
}

impl Csv {
    pub(crate) fn format(&self) -> CsvFormat {
        // What is not ASCII was refused; NUL is what the check of the format refuses.
        let byte = |character: char| u8::try_from(character).unwrap_or_default();
        CsvFormat {
            delimiter: byte(self.delimiter),
            quote: byte(self.quote),
            columns: (!self.header).then(|| self.columns.clone()),
            null_values: self.null_values.clone(),
            escape: self.escape.map(byte),
            comment: self.comment.map(byte),
            encoding: self.encoding.clone(),
        }
    }
}

/// The options of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportOptions {
    /// None if the content is to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<Format>,
    /// None if the content is to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compression: Option<Compression>,
    pub(crate) mode: Mode,
    pub(crate) max_bad_records: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) csv: Option<Csv>,
    /// Where the content is; none if it is uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    /// What was uploaded, once it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<Uploaded>,
}

/// A complete upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Uploaded {
    pub(crate) size_bytes: u64,
    /// 64 hexadecimal digits; none if nobody computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

impl ImportOptions {
    /// How a file is written that was found to be this.
    pub(crate) fn form(&self, found: Detected) -> FileForm {
        form(found.format, found.compression, self.csv.as_ref())
    }
}

fn form(format: Format, compression: Compression, csv: Option<&Csv>) -> FileForm {
    FileForm {
        format,
        csv: csv.map(Csv::format).unwrap_or_default(),
        compression,
    }
}

/// The options of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExportOptions {
    pub(crate) format: Format,
    #[serde(default)]
    pub(crate) compression: Compression,
    /// The pinned version; 0 for a table that never held data.
    pub(crate) table_version: i64,
    pub(crate) columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) csv: Option<Csv>,
    /// Where the file goes; none if it is kept to be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    /// Whether what is at the URI already is replaced.
    #[serde(default)]
    pub(crate) overwrite: bool,
}

impl ExportOptions {
    pub(crate) fn form(&self) -> FileForm {
        form(self.format, self.compression, self.csv.as_ref())
    }
}

/// Options as the run row keeps them. Rows that other software wrote may hold anything: then none.
pub(crate) fn stored<T: serde::de::DeserializeOwned>(options: &Value) -> Option<T> {
    T::deserialize(options).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_kept_as_they_were() {
        let options = ImportOptions {
            format: Some(Format::Csv),
            compression: Some(Compression::Gzip),
            mode: Mode::EmptyOnly,
            max_bad_records: 3,
            csv: Some(Csv {
                delimiter: ';',
                header: false,
                columns: vec!["a".to_owned()],
                ..Csv::default()
            }),
            uri: None,
            upload: Some(Uploaded {
                size_bytes: 7,
                sha256: None,
            }),
        };
        let kept = serde_json::to_value(&options).unwrap();
        assert_eq!(kept["mode"], json!(Mode::EmptyOnly.as_str()));
        assert_eq!(stored::<ImportOptions>(&kept), Some(options));
        assert_eq!(stored::<ImportOptions>(&json!({ "format": "orc" })), None);
    }
}
