//! A result as a file that people open: CSV, JSON, Parquet, Arrow. The same rows make the same bytes.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use prost_types::value::Kind;
use serde_json::{Map, Value};

use super::json;
use super::result_file::IpcStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileFormat {
    Csv,
    Ndjson,
    /// One array.
    Json,
    Parquet,
    Arrow,
}

/// Rows in, bytes out.
pub(crate) struct ResultEncoder {
    schema: SchemaRef,
    body: Body,
    /// Whether nothing was written yet.
    is_first: bool,
}

enum Body {
    Csv,
    Ndjson,
    Json,
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Arrow(Box<IpcStream>),
}

impl ResultEncoder {
    /// # Errors
    /// A type that the format does not know.
    pub(crate) fn new(schema: SchemaRef, format: FileFormat) -> Result<Self, BoxError> {
        let body = match format {
            FileFormat::Csv => Body::Csv,
            FileFormat::Ndjson => Body::Ndjson,
            FileFormat::Json => Body::Json,
            FileFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(128 << 10))
                    .set_created_by("datacovey".to_owned())
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
                Body::Parquet(Box::new(writer))
            }
            FileFormat::Arrow => Body::Arrow(Box::new(IpcStream::new(&schema)?)),
        };
        Ok(Self {
            schema,
            body,
            is_first: true,
        })
    }

    /// Adds rows, and gives the bytes that are complete by then.
    ///
    /// # Errors
    /// A value that the format cannot hold.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, BoxError> {
        let mut out = String::new();
        match &mut self.body {
            Body::Parquet(writer) => {
                writer.write(batch)?;
                return Ok(std::mem::take(writer.inner_mut()));
            }
            Body::Arrow(stream) => return Ok(stream.write(batch)?),
            Body::Csv => {
                self.header(&mut out);
                for row in json::rows(batch)? {
                    self.fields(row, &mut out, |value, out| csv_field(&value, out));
                }
            }
            Body::Ndjson => {
                for row in json::rows(batch)? {
                    self.object(row, &mut out);
                    out.push('\n');
                }
            }
            Body::Json => {
                for row in json::rows(batch)? {
                    out.push_str(if std::mem::take(&mut self.is_first) {
                        "["
                    } else {
                        ",\n"
                    });
                    self.object(row, &mut out);
                }
            }
        }
        Ok(out.into_bytes())
    }

    /// The last bytes.
    ///
    /// # Errors
    /// None that a buffer in memory has.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, BoxError> {
        let mut out = String::new();
        match self.body {
            Body::Parquet(writer) => return Ok(writer.into_inner()?),
            Body::Arrow(stream) => return Ok(stream.finish()?),
            Body::Csv => self.header(&mut out),
            Body::Ndjson => {}
            Body::Json => out.push_str(if self.is_first { "[]\n" } else { "]\n" }),
        }
        Ok(out.into_bytes())
    }

    fn header(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.is_first) {
            return;
        }
        for (at, field) in self.schema.fields().iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            csv_text(field.name(), out);
        }
        out.push_str("\r\n");
    }

    /// A row in the order of the columns, which a struct has forgotten.
    fn fields(&self, mut row: prost_types::Struct, out: &mut String, write: impl Fn(Value, &mut String)) {
        for (at, field) in self.schema.fields().iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            write(value(row.fields.remove(field.name())), out);
        }
        out.push_str("\r\n");
    }

    fn object(&self, mut row: prost_types::Struct, out: &mut String) {
        let names = self.schema.fields().iter().map(|field| field.name());
        let object: Map<_, _> = names
            .map(|name| (name.clone(), value(row.fields.remove(name))))
            .collect();
        out.push_str(&Value::Object(object).to_string());
    }
}

fn value(value: Option<prost_types::Value>) -> Value {
    /// Up to here, a double that is whole is an integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value.and_then(|it| it.kind) {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
        Some(Kind::NumberValue(value)) if value.fract() == 0.0 && value.abs() <= EXACT => {
            (value as i64).into()
        }
        Some(Kind::NumberValue(value)) => value.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(|it| self::value(Some(it))).collect(),
        Some(Kind::StructValue(fields)) => Value::Object(
            fields
                .fields
                .into_iter()
                .map(|(name, it)| (name, self::value(Some(it))))
                .collect(),
        ),
    }
}

fn csv_field(value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => out.push_str("\"\""),
        Value::String(text) => csv_text(text, out),
        other => csv_text(&other.to_string(), out),
    }
}

fn csv_text(text: &str, out: &mut String) {
    if text.contains([',', '"', '\r', '\n']) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray};
    use arrow::datatypes::Int64Type;
    use arrow::ipc::reader::StreamReader;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

    use super::*;

    fn batch() -> RecordBatch {
        let text = StringArray::from(vec![Some("a,\"b\"\nc"), Some(""), None]);
        let number = Int64Array::from(vec![Some(1), Some(i64::MAX), None]);
        let double = Float64Array::from(vec![Some(0.5), Some(2.0), None]);
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
            Some(vec![Some(1), None]),
            Some(vec![]),
            None,
        ]);
        let columns: [(&str, ArrayRef); 4] = [
            ("z", Arc::new(text)),
            ("a \"name\"", Arc::new(number)),
            ("double", Arc::new(double)),
            ("list", Arc::new(list)),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn encoded(format: FileFormat, batches: &[RecordBatch]) -> Vec<u8> {
        let mut encoder = ResultEncoder::new(batch().schema(), format).unwrap();
        let mut bytes = Vec::new();
        for batch in batches {
            bytes.extend(encoder.write(batch).unwrap());
        }
        bytes.extend(encoder.finish().unwrap());
        bytes
    }

    fn text(format: FileFormat, batches: &[RecordBatch]) -> String {
        String::from_utf8(encoded(format, batches)).unwrap()
    }

    #[test]
    fn text_has_the_columns_in_their_order() {
        let (first, rest) = (batch().slice(0, 1), batch().slice(1, 2));
        assert_eq!(
            text(FileFormat::Csv, &[first.clone(), rest.clone()]),
            "z,\"a \"\"name\"\"\",double,list\r\n\
             \"a,\"\"b\"\"\nc\",1,0.5,\"[1,null]\"\r\n\
             \"\",9223372036854775807,2,[]\r\n\
             ,,,\r\n"
        );
        let lines = [
            r#"{"z":"a,\"b\"\nc","a \"name\"":1,"double":0.5,"list":[1,null]}"#,
            r#"{"z":"","a \"name\"":"9223372036854775807","double":2,"list":[]}"#,
            r#"{"z":null,"a \"name\"":null,"double":null,"list":null}"#,
        ];
        assert_eq!(text(FileFormat::Ndjson, &[batch()]), lines.join("\n") + "\n");
        assert_eq!(
            text(FileFormat::Json, &[first, rest]),
            format!("[{}]\n", lines.join(",\n"))
        );
    }

    #[test]
    fn a_result_without_rows_is_a_file_all_the_same() {
        assert_eq!(text(FileFormat::Csv, &[]), "z,\"a \"\"name\"\"\",double,list\r\n");
        assert_eq!(text(FileFormat::Json, &[]), "[]\n");
        assert_eq!(text(FileFormat::Ndjson, &[]), "");
        for format in [FileFormat::Parquet, FileFormat::Arrow] {
            assert!(!encoded(format, &[]).is_empty());
        }
    }

    #[test]
    fn columns_read_back_and_are_the_same_each_time() {
        let parts = [batch(), batch()];
        let arrow = encoded(FileFormat::Arrow, &parts);
        let read: Vec<_> = StreamReader::try_new(arrow.as_slice(), None).unwrap().collect();
        assert_eq!(read.len(), 2);
        let parquet = encoded(FileFormat::Parquet, &parts);
        assert_eq!(parquet, encoded(FileFormat::Parquet, &parts));
        let read = ParquetRecordBatchReader::try_new(bytes::Bytes::from(parquet), 100).unwrap();
        let rows: usize = read.map(|it| it.unwrap().num_rows()).sum();
        assert_eq!(rows, 6);
    }
}
