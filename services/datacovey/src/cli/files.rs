//! Arguments of the commands that move files.

use std::path::PathBuf;

use clap::Args;
use datacovey_proto::transfer::v1::{self as transfer, CsvOptions};

use super::Connection;
use crate::client::FileForm;

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub connection: Connection,
    /// Id of the table; with --create, the name of the new one; with --resume, the file.
    #[arg(required = true)]
    pub table: Option<String>,
    /// Files to import, in order; patterns as 'part-*.csv.gz' in quotes, too, and - for standard input. The first one
    /// is imported by --mode, the rest appended.
    #[arg(required_unless_present = "resume")]
    pub files: Vec<String>,
    /// Make the table first, in the dataset of this id, by the schema that the first file's rows have; it is shown, and
    /// made when that is agreed to.
    #[arg(long, value_name = "DATASET_ID")]
    pub create: Option<String>,
    /// Agree to the schema of --create without being asked.
    #[arg(long, requires = "create")]
    pub yes: bool,
    /// Go on with an import that was interrupted: its id, as ctrl-c told it.
    #[arg(long, value_name = "JOB_ID", conflicts_with = "create")]
    pub resume: Option<String>,
    /// What becomes of the rows that are there.
    #[arg(long, value_enum, default_value_t = Mode::Append)]
    pub mode: Mode,
    #[command(flatten)]
    pub form: Form,
    #[command(flatten)]
    pub csv: ReadCsv,
    /// Bad records to pass over before the import fails.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    pub max_bad_records: u32,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub connection: Connection,
    /// Id of the table, which must be your own organization's; with --resume, the file.
    #[arg(required = true)]
    pub table_id: Option<String>,
    /// Where to write; - for standard output. A file appears whole or not at all.
    #[arg(required_unless_present = "resume")]
    pub file: Option<PathBuf>,
    /// Go on with a download that was interrupted: the id of the export, as ctrl-c told it.
    #[arg(long, value_name = "JOB_ID")]
    pub resume: Option<String>,
    /// Replace the file that is there.
    #[arg(long)]
    pub force: bool,
    /// Columns, in this order, separated by commas; all by default.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub columns: Vec<String>,
    /// Version of the table; the newest by default.
    #[arg(long, value_name = "VERSION")]
    pub table_version: Option<i64>,
    #[command(flatten)]
    pub form: Form,
    /// Between fields of CSV; a comma by default, and a tab in .tsv.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
    #[command(flatten)]
    pub output: Output,
}

/// What a file is; by default as its name or its content says.
#[derive(Clone, Debug, Args)]
pub struct Form {
    /// Format of the files; by default by their names and, on import, their content.
    #[arg(long, value_enum)]
    pub format: Option<FileFormat>,
    /// Compression of the files; by default likewise.
    #[arg(long, value_enum)]
    pub compression: Option<Compression>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum FileFormat {
    Csv,
    Ndjson,
    Parquet,
    Arrow,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// How a CSV file that is read is written.
#[derive(Clone, Debug, Args)]
pub struct ReadCsv {
    /// Text that stands for no value in a CSV file, besides the empty one; may be repeated.
    #[arg(long = "null", value_name = "TEXT")]
    pub null_values: Vec<String>,
    /// Between fields of CSV; a comma by default, and a tab in .tsv.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
    /// Around fields of CSV; " by default.
    #[arg(long, value_name = "CHARACTER")]
    pub quote: Option<char>,
    /// Within quotes, takes the next character as it is; none by default, where quotes are doubled.
    #[arg(long, value_name = "CHARACTER")]
    pub escape: Option<char>,
    /// Lines of CSV that begin with it are passed over.
    #[arg(long, value_name = "CHARACTER")]
    pub comment: Option<char>,
    /// Names of the columns of CSV without a header, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub no_header: Vec<String>,
    /// Encoding of CSV, as latin1 or utf-16le; utf-8 by default.
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
}

/// What is said while and after files are moved.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Say nothing but errors.
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// Say what was done as one JSON object a file, for scripts.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Mode {
    Append,
    Replace,
    EmptyOnly,
}

impl Form {
    /// The form that is said, with the options of CSV where there are any.
    fn with(&self, csv: CsvOptions) -> FileForm {
        FileForm {
            format: match self.format {
                None => transfer::FileFormat::Unspecified,
                Some(FileFormat::Csv) => transfer::FileFormat::Csv,
                Some(FileFormat::Ndjson) => transfer::FileFormat::Ndjson,
                Some(FileFormat::Parquet) => transfer::FileFormat::Parquet,
                Some(FileFormat::Arrow) => transfer::FileFormat::Arrow,
            },
            compression: match self.compression {
                None => transfer::Compression::Unspecified,
                Some(Compression::None) => transfer::Compression::None,
                Some(Compression::Gzip) => transfer::Compression::Gzip,
                Some(Compression::Zstd) => transfer::Compression::Zstd,
            },
            csv: (csv != CsvOptions::default()).then_some(csv),
        }
    }
}

impl Import {
    #[must_use]
    pub fn form(&self) -> FileForm {
        let csv = &self.csv;
        self.form.with(CsvOptions {
            delimiter: csv.delimiter.map(String::from),
            quote: csv.quote.map(String::from),
            header: (!csv.no_header.is_empty()).then_some(false),
            columns: csv.no_header.clone(),
            escape: csv.escape.map(String::from),
            comment: csv.comment.map(String::from),
            encoding: csv.encoding.clone(),
            null_values: Vec::new(),
        })
    }
}

impl Export {
    #[must_use]
    pub fn form(&self) -> FileForm {
        self.form.with(CsvOptions {
            delimiter: self.delimiter.map(String::from),
            ..CsvOptions::default()
        })
    }
}
