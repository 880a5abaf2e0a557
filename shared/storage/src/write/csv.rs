//! CSV as in RFC 4180, written so that the reader of this crate gives back the same values.

use std::io;

use arrow::array::{Array as _, RecordBatch};

use super::render::Cells;
use super::text::Lines;
use crate::read::CsvFormat;
use crate::schema::TableSchema;

/// Renders records of one table.
pub(super) struct CsvLines {
    format: CsvFormat,
    schema: TableSchema,
    /// Bytes that a field without quotes may not hold.
    is_special: [bool; 256],
}

impl CsvLines {
    pub(super) fn new(format: CsvFormat, schema: TableSchema) -> Self {
        let mut is_special = [false; 256];
        for byte in [format.delimiter, format.quote, b'\r', b'\n'] {
            is_special[usize::from(byte)] = true;
        }
        Self {
            format,
            schema,
            is_special,
        }
    }

    /// Quotes a field that would not read back as itself: also one that reads as no value.
    fn push_field(&self, line: &mut Vec<u8>, field: &[u8]) {
        let is_null = field.is_empty()
            || self
                .format
                .null_values
                .iter()
                .any(|text| text.as_bytes() == field);
        // At the start of a file these bytes would be taken for a byte order mark.
        let is_mark = field.starts_with(b"\xef\xbb\xbf");
        if !is_null && !is_mark && !field.iter().any(|byte| self.is_special[usize::from(*byte)]) {
            line.extend_from_slice(field);
            return;
        }
        line.push(self.format.quote);
        for &byte in field {
            if byte == self.format.quote {
                line.push(byte);
            }
            line.push(byte);
        }
        line.push(self.format.quote);
    }
}

impl Lines for CsvLines {
    fn head(&self) -> Vec<u8> {
        let mut line = Vec::new();
        if self.format.columns.is_some() {
            return line;
        }
        for (index, column) in self.schema.columns().iter().enumerate() {
            if index > 0 {
                line.push(self.format.delimiter);
            }
            self.push_field(&mut line, column.name.as_bytes());
        }
        line.extend_from_slice(b"\r\n");
        line
    }

    fn of(&self, batch: &RecordBatch) -> io::Result<Vec<u8>> {
        let null = self.format.null_values.first().map_or("", String::as_str);
        let columns = self.schema.columns().iter().zip(batch.columns());
        let columns: Vec<_> = columns
            .map(|(column, values)| (values.nulls(), Cells::of(values, &column.column_type)))
            .collect();
        let (mut lines, mut text) = (Vec::with_capacity(batch.num_rows() * 16), String::new());
        for row in 0..batch.num_rows() {
            for (index, (nulls, cells)) in columns.iter().enumerate() {
                if index > 0 {
                    lines.push(self.format.delimiter);
                }
                if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                    lines.extend_from_slice(null.as_bytes());
                } else if let Some(text) = cells.as_str(row) {
                    self.push_field(&mut lines, text.as_bytes());
                } else {
                    text.clear();
                    cells.text(&mut text, row).map_err(io::Error::other)?;
                    self.push_field(&mut lines, text.as_bytes());
                }
            }
            lines.extend_from_slice(b"\r\n");
        }
        Ok(lines)
    }
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
        let lines = CsvLines::new(format, schema);
        let text = [lines.head(), lines.of(&batch).unwrap()].concat();
        let text = String::from_utf8(text).unwrap();
        let expected = "\"a,b\",n,d,t\r\n\
            \"x\"\"y\",0.1,1970-01-01,1970-01-01T00:00:00Z\r\n\
            \"NA\",-0.0,1969-12-31,1970-01-01T00:00:00.000001Z\r\n\
            NA,1e300,2024-02-29,2013-01-01T10:00:00Z\r\n";
        assert_eq!(text, expected);
    }
}
