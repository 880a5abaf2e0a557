//! What a file is, as its name says.

use std::path::Path;

use datacovey_proto::transfer::v1::{Compression, CsvOptions, FileFormat};

/// Format and compression of a file, and how its CSV is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileForm {
    /// Unspecified if the content is to tell.
    pub format: FileFormat,
    /// Unspecified if the content is to tell.
    pub compression: Compression,
    /// None for what is usual.
    pub csv: Option<CsvOptions>,
}

/// The endings of names, without those of compressions.
const ENDINGS: [(&str, FileFormat); 12] = [
    ("csv", FileFormat::Csv),
    ("tsv", FileFormat::Csv),
    ("tab", FileFormat::Csv),
    ("ndjson", FileFormat::Ndjson),
    ("jsonl", FileFormat::Ndjson),
    ("json", FileFormat::Ndjson),
    ("parquet", FileFormat::Parquet),
    ("arrow", FileFormat::Arrow),
    ("arrows", FileFormat::Arrow),
    ("feather", FileFormat::Arrow),
    ("ipc", FileFormat::Arrow),
    ("pq", FileFormat::Parquet),
];

impl FileForm {
    /// What is left open here, as the file's name says it; what that leaves open stays so.
    #[must_use]
    pub fn or_by_name(&self, path: &Path) -> Self {
        let name = path
            .file_name()
            .map(|it| it.to_string_lossy().to_ascii_lowercase());
        let name = name.as_deref().unwrap_or_default();
        let (name, compression) = [
            (".gz", Compression::Gzip),
            (".zst", Compression::Zstd),
            (".zstd", Compression::Zstd),
        ]
        .into_iter()
        .find_map(|(ending, it)| Some((name.strip_suffix(ending)?, it)))
        .unwrap_or((name, Compression::Unspecified));
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let mut form = self.clone();
        if form.format == FileFormat::Unspecified {
            let known = ENDINGS.iter().find(|(it, _)| *it == ending);
            form.format = known.map_or(FileFormat::Unspecified, |(_, format)| *format);
        }
        if form.compression == Compression::Unspecified {
            form.compression = compression;
        }
        if form.format == FileFormat::Csv && matches!(ending, "tsv" | "tab") {
            let csv = form.csv.get_or_insert_default();
            csv.delimiter.get_or_insert_with(|| "\t".to_owned());
        }
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_not_said_otherwise() {
        let by_name = |name: &str| FileForm::default().or_by_name(Path::new(name));
        for (name, format, compression) in [
            ("a/b.csv", FileFormat::Csv, Compression::Unspecified),
            ("B.NDJSON.GZ", FileFormat::Ndjson, Compression::Gzip),
            ("b.jsonl.zst", FileFormat::Ndjson, Compression::Zstd),
            ("b.parquet", FileFormat::Parquet, Compression::Unspecified),
            ("b.feather", FileFormat::Arrow, Compression::Unspecified),
            ("b.gz", FileFormat::Unspecified, Compression::Gzip),
            ("csv", FileFormat::Unspecified, Compression::Unspecified),
            ("-", FileFormat::Unspecified, Compression::Unspecified),
        ] {
            let form = by_name(name);
            assert_eq!(
                (form.format, form.compression, form.csv),
                (format, compression, None),
                "{name}"
            );
        }
        let tabs = by_name("b.tsv").csv.unwrap();
        assert_eq!(tabs.delimiter.as_deref(), Some("\t"));
        let said = FileForm {
            format: FileFormat::Ndjson,
            ..FileForm::default()
        };
        assert_eq!(said.or_by_name(Path::new("b.csv")), said);
    }
}
