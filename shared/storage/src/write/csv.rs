//! CSV as in RFC 4180, written so that the reader of this crate gives back the same values.

use std::io::{self, Write};

use arrow::array::RecordBatch;

use super::render;
use crate::read::CsvFormat;
use crate::schema::TableSchema;

/// Writes records of one table.
pub(super) struct CsvEncoder<W> {
    out: W,
    format: CsvFormat,
    /// Whether the names of the columns are still to be written.
    header: bool,
    schema: TableSchema,
    line: Vec<u8>,
    text: String,
}

impl<W: Write> CsvEncoder<W> {
    pub(super) fn new(out: W, format: CsvFormat, schema: TableSchema) -> Self {
        Self {
            out,
            header: format.columns.is_none(),
            format,
            schema,
            line: Vec::new(),
            text: String::new(),
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.write_header()?;
        for row in 0..batch.num_rows() {
            for (index, column) in self.schema.columns().iter().enumerate() {
                if index > 0 {
                    self.line.push(self.format.delimiter);
                }
                let values = batch.column(index).as_ref();
                if values.is_null(row) {
                    let text = self.format.null_values.first().map_or("", String::as_str);
                    self.line.extend_from_slice(text.as_bytes());
                    continue;
                }
                self.text.clear();
                render::text(&mut self.text, values, row, &column.column_type).map_err(io::Error::other)?;
                push_field(&mut self.line, self.text.as_bytes(), &self.format);
            }
            self.end_line()?;
        }
        Ok(())
    }

    /// Writes what is left and gives back where it went.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_header()?;
        self.out.write_all(&self.line)?;
        Ok(self.out)
    }

    fn write_header(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.header) {
            return Ok(());
        }
        for (index, column) in self.schema.columns().iter().enumerate() {
            if index > 0 {
                self.line.push(self.format.delimiter);
            }
            push_field(&mut self.line, column.name.as_bytes(), &self.format);
        }
        self.end_line()
    }

    /// Lines are gathered, so that the one below sees few large writes.
    fn end_line(&mut self) -> io::Result<()> {
        self.line.extend_from_slice(b"\r\n");
        if self.line.len() >= 64 << 10 {
            self.out.write_all(&self.line)?;
            self.line.clear();
        }
        Ok(())
    }
}

/// Quotes a field that would not read back as itself: also one that reads as no value.
fn push_field(line: &mut Vec<u8>, field: &[u8], format: &CsvFormat) {
    let special =
        |byte: &u8| *byte == format.delimiter || *byte == format.quote || matches!(*byte, b'\r' | b'\n');
    let is_null = field.is_empty() || format.null_values.iter().any(|text| text.as_bytes() == field);
    // At the start of a file these bytes would be taken for a byte order mark.
    let is_mark = field.starts_with(b"\xef\xbb\xbf");
    if !is_null && !is_mark && !field.iter().any(special) {
        line.extend_from_slice(field);
        return;
    }
    line.push(format.quote);
    for &byte in field {
        if byte == format.quote {
            line.push(byte);
        }
        line.push(byte);
    }
    line.push(format.quote);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Float64Array, StringArray, TimestampMicrosecondArray};
    use serde_json::json;

    use super::*;
    use crate::schema::UTC;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let schema = TableSchema::parse(&json!({ "type": "object", "properties": {
            "a,b": { "type": "string" },
            "n": { "type": "number" },
            "d": { "type": "string", "format": "date" },
            "t": { "type": "string", "format": "date-time" },
        } }))
        .unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("x\"y"), Some("NA"), None]));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![0.1, -0.0, 1e300]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![0, -1, 19_782]));
        let instants: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 1_357_034_400_000_000]).with_timezone(UTC));
        let batch = RecordBatch::try_new(schema.arrow(), vec![texts, numbers, days, instants]).unwrap();
        let format = CsvFormat {
            null_values: vec!["NA".to_owned()],
            ..CsvFormat::default()
        };
        let mut encoder = CsvEncoder::new(Vec::new(), format, schema);
        encoder.write(&batch).unwrap();
        let text = String::from_utf8(encoder.finish().unwrap()).unwrap();
        let expected = "\"a,b\",n,d,t\r\n\
            \"x\"\"y\",0.1,1970-01-01,1970-01-01T00:00:00Z\r\n\
            \"NA\",-0.0,1969-12-31,1970-01-01T00:00:00.000001Z\r\n\
            NA,1e300,2024-02-29,2013-01-01T10:00:00Z\r\n";
        assert_eq!(text, expected);
    }
}
