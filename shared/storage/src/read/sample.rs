//! The schema that a file's first rows have, for whoever makes a table of it.

use std::fs::File;
use std::io::{Read, Seek as _};
use std::path::Path;

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use serde_json::{Value, json};

use super::arrow_ipc::stream_of;
use super::chunks::Chunks;
use super::detect::{HEAD_BYTES, judge};
use super::lines::Lines;
use super::tokenize::{Record, Tokenizer};
use super::transcode::Transcoded;
use super::{CsvFormat, Detected, ReadError, ReadLimits};
use crate::schema::{Sample, infer, infer_arrow};
use crate::{Compression, Format};

/// Rows that are looked at.
const ROWS: usize = 10_000;

/// The schema of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledSchema {
    /// A JSON Schema that the import takes.
    pub schema: Value,
    /// What the file was found to be.
    pub detected: Detected,
    /// Whether it holds for all rows; else for the first ones, and no column is required.
    pub is_whole: bool,
}

/// Reads the first rows of a file and infers the schema that they have; of a file with types, these are it.
/// What is not said of the file is found out as [`super::detect`] does. Blocks.
///
/// # Errors
///
/// [`ReadError::Content`] if the content is not what was said, or has no columns.
pub fn sample_schema(
    path: &Path,
    said: Option<Format>,
    compression: Option<Compression>,
    csv: &CsvFormat,
) -> Result<SampledSchema, ReadError> {
    let mut file = File::open(path).map_err(ReadError::of_io)?;
    let mut packed = Vec::new();
    (&file)
        .take(HEAD_BYTES)
        .read_to_end(&mut packed)
        .map_err(ReadError::of_io)?;
    let name = path.file_name().map(|it| it.to_string_lossy());
    let found = Compression::of(&packed);
    let head = found.unpack(packed.as_slice()).map_err(ReadError::of_io)?;
    let mut unpacked = Vec::new();
    // Of a part of a compressed file, the end is missing.
    let _ = head.take(HEAD_BYTES).read_to_end(&mut unpacked);
    let detected = judge(said, compression, found, &unpacked, name.as_deref())?;
    file.rewind().map_err(ReadError::of_io)?;
    let (schema, is_whole) = match detected.format {
        Format::Parquet => (of_parquet(&file)?, true),
        format => {
            let content = found.unpack(file).map_err(ReadError::of_io)?;
            match format {
                Format::Ndjson => of_ndjson(content)?,
                Format::Arrow => (infer_arrow(of_arrow(content)?.as_ref()), true),
                Format::Csv | Format::Parquet => of_csv(content, csv)?,
            }
        }
    };
    if schema["properties"] == json!({}) {
        return Err(ReadError::content("no column can be told from the content"));
    }
    Ok(SampledSchema {
        schema: if is_whole {
            schema
        } else {
            without_required(schema)
        },
        detected,
        is_whole,
    })
}

fn of_parquet(file: &File) -> Result<Value, ReadError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(file, options)
        .map_err(|error| ReadError::content(format!("the file is not readable as Parquet: {error}")))?;
    Ok(infer_arrow(metadata.schema()))
}

fn of_arrow(content: impl Read) -> Result<SchemaRef, ReadError> {
    let content = stream_of(content)?;
    let reader = StreamReader::try_new(content, None)
        .map_err(|error| ReadError::content(format!("the file is not readable as Arrow: {error}")))?;
    Ok(reader.schema())
}

fn of_ndjson(content: impl Read) -> Result<(Value, bool), ReadError> {
    let max_line_bytes = ReadLimits::default().line_bytes;
    let mut chunks = Chunks::new(content, Lines { max_line_bytes });
    let chunk = chunks.next()?;
    let bytes = chunk.map(|it| it.bytes).unwrap_or_default();
    // What is no object is a bad record of the import, which says why.
    let mut objects = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(Value::is_object);
    let rows: Vec<Value> = objects.by_ref().take(ROWS).collect();
    let is_whole = objects.next().is_none() && chunks.next()?.is_none();
    Ok((infer(&Sample::Json(&rows)), is_whole))
}

fn of_csv(content: impl Read, csv: &CsvFormat) -> Result<(Value, bool), ReadError> {
    let content: Box<dyn Read> = match csv.other_encoding() {
        Some(encoding) => Box::new(Transcoded::new(content, encoding)),
        None => Box::new(content),
    };
    let mut tokenizer = Tokenizer::new(content, csv, ReadLimits::default().line_bytes);
    let mut record = Record::default();
    let columns = match &csv.columns {
        Some(names) => names.clone(),
        None => super::csv::header(&mut tokenizer, &mut record)?,
    };
    let mut rows = Vec::new();
    let mut is_whole = true;
    while tokenizer.read(&mut record)? {
        if rows.len() == ROWS {
            is_whole = false;
            break;
        }
        // A record of another length is one that the import rejects.
        if record.len() != columns.len() || record.is_blank() && columns.len() > 1 {
            continue;
        }
        let cell = |at| {
            let (bytes, quoted) = record.field(at);
            let is_null = !quoted && csv.null_values.iter().any(|it| it.as_bytes() == bytes);
            (!is_null).then(|| String::from_utf8_lossy(bytes).into_owned())
        };
        rows.push((0..columns.len()).map(cell).collect::<Vec<_>>());
    }
    let sample = Sample::Text {
        columns: &columns,
        rows: &rows,
    };
    Ok((infer(&sample), is_whole))
}

/// That the first rows have a value says nothing of the others.
fn without_required(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keywords) => {
            keywords.remove("required");
            for (keyword, nested) in keywords.iter_mut() {
                match keyword.as_str() {
                    "items" => *nested = without_required(nested.take()),
                    "properties" => {
                        for property in nested.as_object_mut().into_iter().flat_map(|it| it.values_mut()) {
                            *property = without_required(property.take());
                        }
                    }
                    _ => {}
                }
            }
            schema
        }
        _ => schema,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::schema::TableSchema;

    fn sample(name: &str, content: &[u8]) -> Result<SampledSchema, ReadError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let sampled = sample_schema(&path, None, None, &CsvFormat::default());
        if let Ok(sampled) = &sampled {
            assert!(TableSchema::parse(&sampled.schema).is_ok(), "{sampled:?}");
        }
        sampled
    }

    #[test]
    fn rows_of_text_have_types() {
        let csv = sample("a.csv", b"id,day,note\n1,2013-01-31,\n2,2013-02-01,x\n").unwrap();
        let expected = json!({
            "type": "object",
            "properties": {
                "id": { "type": "integer" },
                "day": { "type": "string", "format": "date" },
                "note": { "type": ["string", "null"] },
            },
            "required": ["id", "day"],
        });
        assert_eq!((&csv.schema, csv.is_whole), (&expected, true));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed
            .write_all(b"{\"id\": 1, \"tags\": [\"a\"]}\n[]\n{\"id\": null}\n")
            .unwrap();
        let ndjson = sample("a", &packed.finish().unwrap()).unwrap();
        assert_eq!(ndjson.detected.format, Format::Ndjson);
        assert_eq!(ndjson.detected.compression, Compression::Gzip);
        assert_eq!(
            ndjson.schema["properties"]["id"],
            json!({ "type": ["integer", "null"] })
        );
    }

    #[test]
    fn of_long_files_nothing_is_required() {
        let rows: String = (0..=ROWS).map(|id| format!("{id}\n")).collect();
        let csv = sample("a.csv", format!("id\n{rows}").as_bytes()).unwrap();
        assert!(!csv.is_whole && csv.schema.get("required").is_none(), "{csv:?}");
    }

    #[test]
    fn what_has_no_columns_says_so() {
        assert!(sample("a.csv", b"").unwrap_err().to_string().contains("empty"));
        let none = sample("a.ndjson", b"[]\n").unwrap_err();
        assert!(none.to_string().contains("no column"), "{none}");
        assert!(sample("a", b"PAR1").is_err());
        assert!(sample("a", b"ARROW1").is_err());
    }
}
