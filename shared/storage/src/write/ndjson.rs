//! A JSON object a line, every column in it, written so that the reader gives back the same values.

use std::io::{self, Write};

use arrow::array::RecordBatch;

use super::render;
use crate::schema::TableSchema;

/// Writes records of one table.
pub(super) struct NdjsonEncoder<W> {
    out: W,
    schema: TableSchema,
    /// For each column what comes before its value.
    heads: Vec<String>,
    lines: String,
}

impl<W: Write> NdjsonEncoder<W> {
    pub(super) fn new(out: W, schema: TableSchema) -> io::Result<Self> {
        let heads = schema.columns().iter().enumerate().map(|(at, column)| {
            let before = if at == 0 { '{' } else { ',' };
            Ok(format!("{before}{}:", serde_json::to_string(&column.name)?))
        });
        let heads = heads.collect::<io::Result<_>>()?;
        Ok(Self {
            out,
            schema,
            heads,
            lines: String::new(),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            for (at, column) in self.schema.columns().iter().enumerate() {
                self.lines.push_str(&self.heads[at]);
                render::json(&mut self.lines, batch.column(at), row, &column.column_type)
                    .map_err(io::Error::other)?;
            }
            self.lines.push_str("}\n");
            // Lines are gathered, so that the one below sees few large writes.
            if self.lines.len() >= 64 << 10 {
                self.out.write_all(self.lines.as_bytes())?;
                self.lines.clear();
            }
        }
        Ok(())
    }

    /// Writes what is left and gives back where it went.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(self.lines.as_bytes())?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, FixedSizeBinaryArray, Float64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_a_line_whatever_its_texts_hold() {
        let schema = TableSchema::parse(&json!({ "type": "object", "properties": {
            "a\"b": { "type": "string" },
            "n": { "type": "number" },
            "p": { "type": "string" },
        } }))
        .unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("x\"\n\u{1}é"), Some(""), None]));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.1), Some(-1e300), None]));
        let pseudonyms: ArrayRef = Arc::new(
            FixedSizeBinaryArray::try_from_iter([[0xab_u8; 32], [0; 32], [9; 32]].into_iter()).unwrap(),
        );
        let fields = [
            ("a\"b", DataType::Utf8),
            ("n", DataType::Float64),
            ("p", DataType::FixedSizeBinary(32)),
        ]
        .map(|(name, data_type)| Field::new(name, data_type, true));
        let arrow = Arc::new(Schema::new(fields.to_vec()));
        let batch = RecordBatch::try_new(arrow, vec![texts, numbers, pseudonyms]).unwrap();
        let mut encoder = NdjsonEncoder::new(Vec::new(), schema).unwrap();
        encoder.write(&batch).unwrap();
        let text = String::from_utf8(encoder.finish().unwrap()).unwrap();
        let hex = [0xab_u8, 0, 9].map(|byte| format!("{byte:02x}").repeat(32));
        let expected = [
            format!(r#"{{"a\"b":"x\"\n\u0001é","n":0.1,"p":"{}"}}"#, hex[0]),
            format!(r#"{{"a\"b":"","n":-1e300,"p":"{}"}}"#, hex[1]),
            format!(r#"{{"a\"b":null,"n":null,"p":"{}"}}"#, hex[2]),
        ];
        assert_eq!(text, expected.join("\n") + "\n");
    }
}
