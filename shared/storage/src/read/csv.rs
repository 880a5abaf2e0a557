use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};

use super::assemble::{Decoded, check};
use super::source::SequentialReader;
use super::tokenize::{Record, Tokenizer};
use super::{BATCH_BYTES, BATCH_ROWS, CheckedBatch, CsvFormat, ReadError, Rejected, quoted, value};
use crate::schema::{ColumnType, HIDDEN, TableSchema, UTC};

/// Faults of a file's columns that are told at most.
const MAX_LISTED: usize = 20;

/// Decodes CSV by the columns' names, in any order.
pub(super) struct CsvDecoder<R> {
    tokenizer: Tokenizer<R>,
    record: Record,
    schema: TableSchema,
    null_values: Vec<Vec<u8>>,
    /// For each field of the file its column.
    columns: Vec<usize>,
    /// Columns that the file does not have; all may be without a value.
    absent: Vec<usize>,
}

impl CsvDecoder<SequentialReader> {
    pub(super) fn open(
        source: SequentialReader,
        format: &CsvFormat,
        schema: TableSchema,
    ) -> Result<Self, ReadError> {
        Self::new(source, format, schema)
    }
}

impl<R: Read> CsvDecoder<R> {
    fn new(input: R, format: &CsvFormat, schema: TableSchema) -> Result<Self, ReadError> {
        let mut tokenizer = Tokenizer::new(input, format);
        let mut record = Record::default();
        let names = match &format.columns {
            Some(names) => names.clone(),
            None => header(&mut tokenizer, &mut record)?,
        };
        let columns = match_columns(&names, &schema)?;
        let absent = (0..schema.columns().len())
            .filter(|at| !columns.contains(at))
            .collect();
        let null_values = format
            .null_values
            .iter()
            .map(|text| text.clone().into_bytes())
            .collect();
        Ok(Self {
            tokenizer,
            record,
            schema,
            null_values,
            columns,
            absent,
        })
    }

    /// The next rows; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<CheckedBatch>, ReadError> {
        let mut builders: Vec<Builder> = self
            .schema
            .columns()
            .iter()
            .map(|column| Builder::new(column.column_type))
            .collect();
        let mut rejected = BTreeMap::new();
        let mut lines = Vec::new();
        let mut size_bytes = 0;
        while lines.len() < BATCH_ROWS && size_bytes < BATCH_BYTES && self.tokenizer.read(&mut self.record)? {
            // An empty line is a row only where a row is one field.
            if self.record.is_blank() && self.columns.len() > 1 {
                continue;
            }
            size_bytes += self.record.size_bytes();
            if let Some(fault) = self.append(&mut builders) {
                rejected.insert(lines.len(), fault);
            }
            lines.push(self.record.line);
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let columns = builders.into_iter().map(Builder::finish).collect();
        let decoded = Decoded {
            columns,
            rejected,
            bytes_read: self.tokenizer.bytes_read(),
        };
        check(&self.schema, decoded, |row| lines[row]).map(Some)
    }

    /// Adds the record as a row; what is wrong with it leaves no value there.
    fn append(&self, builders: &mut [Builder]) -> Option<Rejected> {
        let record = &self.record;
        let mut rejected = Rejected::new(record.line);
        if record.len() != self.columns.len() {
            let reason = format!("has {} fields instead of {}", record.len(), self.columns.len());
            let first = String::from_utf8_lossy(record.field(0).0);
            rejected.add(None, reason, if self.schema.hides() { HIDDEN } else { &first });
            builders.iter_mut().for_each(Builder::append_null);
            return Some(rejected);
        }
        for (index, &column) in self.columns.iter().enumerate() {
            let (bytes, quoted) = record.field(index);
            let builder = &mut builders[column];
            let fault = if record.misquoted == Some(index) {
                Some("has text after its closing quote")
            } else if !quoted && self.null_values.iter().any(|text| text == bytes) {
                builder.append_null();
                continue;
            } else {
                match std::str::from_utf8(bytes) {
                    Ok(text) => builder.append(text).err(),
                    Err(_) => Some("is not UTF-8"),
                }
            };
            if let Some(reason) = fault {
                builder.append_null();
                let column = &self.schema.columns()[column];
                rejected.add(
                    Some(&column.name),
                    reason,
                    column.told(&String::from_utf8_lossy(bytes)),
                );
            }
        }
        for &column in &self.absent {
            builders[column].append_null();
        }
        (!rejected.faults.is_empty()).then_some(rejected)
    }
}

fn header<R: Read>(tokenizer: &mut Tokenizer<R>, record: &mut Record) -> Result<Vec<String>, ReadError> {
    if !tokenizer.read(record)? {
        return Err(ReadError::content(
            "the file is empty: it has not even a line of column names",
        ));
    }
    (0..record.len())
        .map(|index| match std::str::from_utf8(record.field(index).0) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => Err(ReadError::at(
                record.line,
                format!("the name of column {} is not UTF-8", index + 1),
            )),
        })
        .collect()
}

/// For each name its column; everything that does not match is told at once.
pub(super) fn match_columns(names: &[String], schema: &TableSchema) -> Result<Vec<usize>, ReadError> {
    let mut faults = Vec::new();
    let mut seen = HashMap::new();
    let mut columns = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let first = seen.insert(name.as_str(), ()).is_none();
        match schema.index_of(name) {
            Some(_) if !first => faults.push(format!("the column {} occurs twice", quoted(name))),
            Some(column) => columns.push(column),
            // In a file without a line of names this is the first record, values that nobody shall know.
            None if schema.hides() => {
                faults.push(format!("the table has no column of the name at place {}", at + 1));
            }
            None => faults.push(format!("the table has no column {}", quoted(name))),
        }
    }
    for column in schema.columns() {
        if !column.nullable && !seen.contains_key(column.name.as_str()) {
            faults.push(format!("the required column {} is missing", quoted(&column.name)));
        }
    }
    if faults.is_empty() {
        return Ok(columns);
    }
    Err(ReadError::content(format!(
        "the columns of the file do not match the table: {}",
        listed(faults)
    )))
}

/// The faults in one sentence; of many the first.
pub(super) fn listed(mut faults: Vec<String>) -> String {
    let more = faults.len().saturating_sub(MAX_LISTED);
    faults.truncate(MAX_LISTED);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    faults.join("; ")
}

/// Builds one column from text.
enum Builder {
    Text(StringBuilder),
    Date(Date32Builder),
    DateTime(TimestampMicrosecondBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
}

impl Builder {
    fn new(column_type: ColumnType) -> Self {
        match column_type {
            // What is sent is no pseudonym yet: such a column is read as what is sent.
            ColumnType::Text | ColumnType::Pseudonym => Self::Text(StringBuilder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::DateTime => Self::DateTime(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Number => Self::Number(Float64Builder::new()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
        }
    }

    fn append(&mut self, text: &str) -> Result<(), &'static str> {
        match self {
            Self::Text(builder) => builder.append_value(text),
            Self::Date(builder) => builder.append_value(value::parse_date(text)?),
            Self::DateTime(builder) => builder.append_value(value::parse_date_time(text)?),
            Self::Integer(builder) => builder.append_value(value::parse_integer(text)?),
            Self::Number(builder) => builder.append_value(value::parse_number(text)?),
            Self::Boolean(builder) => builder.append_value(value::parse_boolean(text)?),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::DateTime(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Number(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::DateTime(mut builder) => Arc::new(builder.finish()),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Number(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;
    use serde_json::json;

    use super::*;

    fn schema() -> TableSchema {
        TableSchema::parse(&json!({
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": { "type": "integer", "minimum": 1 },
                "name": { "type": "string" },
                "built": { "type": "string", "format": "date" },
            },
        }))
        .unwrap()
    }

    fn read(text: &[u8], format: &CsvFormat) -> Result<Vec<CheckedBatch>, ReadError> {
        let mut decoder = CsvDecoder::new(text, format, schema())?;
        let mut batches = Vec::new();
        while let Some(batch) = decoder.next()? {
            batches.push(batch);
        }
        Ok(batches)
    }

    fn faults(text: &[u8]) -> Vec<(u64, Option<String>, String)> {
        let rejected = read(text, &CsvFormat::default()).unwrap().remove(0).rejected;
        let of = |it: Rejected| {
            it.faults
                .into_iter()
                .map(move |fault| (it.line, fault.field, fault.reason))
        };
        rejected.into_iter().flat_map(of).collect()
    }

    fn content_error(text: &[u8]) -> String {
        match read(text, &CsvFormat::default()) {
            Err(ReadError::Content { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_that_do_not_match_are_told_in_part() {
        let names: Vec<String> = (0..100)
            .map(|at| format!("{at}{}", "x\u{0}".repeat(5_000)))
            .collect();
        let reason = content_error(names.join(",").as_bytes());
        assert!(reason.len() < 4_000 && !reason.contains('\0'), "{reason}");
        assert!(reason.ends_with("and 81 more"), "{reason}");
    }

    #[test]
    fn columns_are_matched_by_name_in_any_order() {
        let batches = read(b"name,id\nx,1\n\"\",2\n,3\n\n", &CsvFormat::default()).unwrap();
        let table = pretty_format_batches(&[batches[0].batch.clone()])
            .unwrap()
            .to_string();
        let expected = "\
+----+------+-------+
| id | name | built |
+----+------+-------+
| 1  | x    |       |
| 2  |      |       |
| 3  |      |       |
+----+------+-------+";
        assert_eq!(table, expected);
        assert_eq!(
            batches[0].batch.column(1).null_count(),
            1,
            "a quoted empty field is a text"
        );
        assert_eq!(batches[0].bytes_read, 21);
    }

    #[test]
    fn without_a_header_the_names_are_given() {
        let format = CsvFormat {
            delimiter: b';',
            columns: Some(vec!["id".to_owned(), "name".to_owned()]),
            null_values: vec!["NA".to_owned(), "-".to_owned()],
            ..CsvFormat::default()
        };
        let batch = read(b"1;NA\n2;-\n3;\n4;\"NA\"", &format).unwrap().remove(0).batch;
        assert_eq!((batch.num_rows(), batch.column(1).null_count()), (4, 2));
    }

    #[test]
    fn each_bad_record_is_told_with_line_field_and_reason() {
        let text = b"id,name,built\n1,a,2013-13-01\nx,b\xff,\n\n,c,\n0,d,\n5,e\n6,\"f\"g,\n7,h,2013-01-01\n";
        let found = faults(text);
        let fault = |line, field: &str, reason: &str| (line, Some(field.to_owned()), reason.to_owned());
        assert_eq!(
            found,
            [
                fault(2, "built", "is not a date as in 2013-01-31"),
                fault(3, "id", "is not an integer"),
                fault(3, "name", "is not UTF-8"),
                fault(5, "id", "is required and has no value"),
                fault(6, "id", "must be at least 1"),
                (7, None, "has 2 fields instead of 3".to_owned()),
                fault(8, "name", "has text after its closing quote"),
            ]
        );
        let good = read(text, &CsvFormat::default()).unwrap().remove(0).batch;
        assert_eq!(good.num_rows(), 1);
    }

    #[test]
    fn a_header_that_does_not_match_tells_everything_at_once() {
        assert!(content_error(b"").contains("empty"));
        let reason = content_error(b"name,name,ghost\n");
        for part in [
            "\"name\" occurs twice",
            "no column \"ghost\"",
            "required column \"id\" is missing",
        ] {
            assert!(reason.contains(part), "{reason}");
        }
        assert!(content_error(b"id,\xff\n").contains("column 2 is not UTF-8"));
    }

    #[test]
    fn a_header_alone_is_a_file_without_rows() {
        assert!(
            read(b"id,name,built\n", &CsvFormat::default())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn long_files_come_in_batches() {
        let text: String = (1..=20_000).map(|id| format!("{id}\n")).collect();
        let batches = read(format!("id\n{text}").as_bytes(), &CsvFormat::default()).unwrap();
        let rows: Vec<usize> = batches.iter().map(|it| it.batch.num_rows()).collect();
        assert_eq!(rows, [8_192, 8_192, 3_616]);
    }
}
