//! A JSON object a line, every column in it, written so that the reader gives back the same values.

use std::io;

use arrow::array::RecordBatch;

use super::render::Cells;
use super::text::Lines;
use crate::schema::TableSchema;

/// Renders records of one table.
pub(super) struct NdjsonLines {
    schema: TableSchema,
    /// For each column what comes before its value.
    heads: Vec<String>,
}

impl NdjsonLines {
    pub(super) fn new(schema: TableSchema) -> io::Result<Self> {
        let heads = schema.columns().iter().enumerate().map(|(at, column)| {
            let before = if at == 0 { '{' } else { ',' };
            Ok(format!("{before}{}:", serde_json::to_string(&column.name)?))
        });
        let heads = heads.collect::<io::Result<_>>()?;
        Ok(Self { schema, heads })
    }
}

impl Lines for NdjsonLines {
    fn head(&self) -> Vec<u8> {
        Vec::new()
    }

    fn of(&self, batch: &RecordBatch) -> io::Result<Vec<u8>> {
        let columns = self.schema.columns().iter().zip(batch.columns());
        let columns: Vec<_> = columns
            .map(|(column, values)| Cells::of(values, &column.column_type))
            .collect();
        let mut lines = String::with_capacity(batch.num_rows() * 16);
        for row in 0..batch.num_rows() {
            for (head, cells) in self.heads.iter().zip(&columns) {
                lines.push_str(head);
                cells.json(&mut lines, row).map_err(io::Error::other)?;
            }
            lines.push_str("}\n");
        }
        Ok(lines.into_bytes())
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
        let lines = NdjsonLines::new(schema).unwrap().of(&batch).unwrap();
        let text = String::from_utf8(lines).unwrap();
        let hex = [0xab_u8, 0, 9].map(|byte| format!("{byte:02x}").repeat(32));
        let expected = [
            format!(r#"{{"a\"b":"x\"\n\u0001é","n":0.1,"p":"{}"}}"#, hex[0]),
            format!(r#"{{"a\"b":"","n":-1e300,"p":"{}"}}"#, hex[1]),
            format!(r#"{{"a\"b":null,"n":null,"p":"{}"}}"#, hex[2]),
        ];
        assert_eq!(text, expected.join("\n") + "\n");
    }
}
