//! What a file is, read or written.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::read::CsvFormat;

/// The formats of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    /// One JSON object a line.
    Ndjson,
    Parquet,
    /// Arrow IPC. Read as a file or as a stream, written as a file.
    Arrow,
}

impl Format {
    /// The usual ending of a file's name, without the point.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// Whether it is text, which is compressed as a whole; the others are read in parts, from their end.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Ndjson)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
        })
    }
}

/// How a file is compressed as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What a file's name gets at its end.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
        })
    }
}

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileForm {
    pub format: Format,
    /// Of CSV only.
    pub csv: CsvFormat,
    pub compression: Compression,
}

impl FileForm {
    /// The usual ending of the file's name, as `csv.gz`.
    #[must_use]
    pub fn extension(&self) -> String {
        format!("{}{}", self.format.extension(), self.compression.suffix())
    }

    #[must_use]
    pub fn compressed(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }
}

impl From<Format> for FileForm {
    fn from(format: Format) -> Self {
        Self {
            format,
            csv: CsvFormat::default(),
            compression: Compression::None,
        }
    }
}

impl From<CsvFormat> for FileForm {
    fn from(csv: CsvFormat) -> Self {
        Self {
            csv,
            ..Format::Csv.into()
        }
    }
}
