use std::collections::BTreeMap;
use std::io::Read;

use super::assemble::{Decoded, check};
use super::chunks::{Chunk, Chunks, Cut};
use super::column::ColumnBuilder;
use super::names::match_columns;
use super::parallel::{self, Decode, Send};
use super::pseudonymize::Pseudonymizer;
use super::records::Records;
use super::tokenize::{Record, Tokenizer};
use super::{BATCH_BYTES, BATCH_ROWS, CheckedBatch, CsvFormat, ReadError, ReadLimits, Rejected};
use crate::schema::TableSchema;

/// Decodes the content by the columns' names, in any order; batches come in its order. Ends early where `send`
/// says so.
pub(super) fn decode(
    content: impl Read,
    format: &CsvFormat,
    limits: ReadLimits,
    schema: &TableSchema,
    pseudonymizer: &Pseudonymizer,
    send: Send<'_>,
) -> Result<(), ReadError> {
    let cut = Records {
        format,
        max_record_bytes: limits.line_bytes,
    };
    let mut chunks = Chunks::new(content, cut);
    let (names, first) = match &format.columns {
        Some(names) => (names.clone(), None),
        None => {
            let (names, first) = take_header(&mut chunks, format, limits)?;
            (names, Some(first))
        }
    };
    let matched = match_columns(&names, schema)?;
    let columns = &matched.columns;
    let absent: Vec<_> = (0..schema.columns().len())
        .filter(|at| !columns.contains(&Some(*at)))
        .collect();
    let mut ignored = matched.ignored;
    let mut send = |mut batch: CheckedBatch| {
        batch.ignored = std::mem::take(&mut ignored);
        send(batch)
    };
    let decoder = || CsvDecoder {
        format,
        limits,
        // Patterns keep what they need at hand for each thread that has its own.
        schema: schema.clone(),
        columns,
        absent: &absent,
        record: Record::default(),
    };
    parallel::decode(first, &mut chunks, decoder, pseudonymizer, &mut send)
}

/// The names of the columns, and what of their chunk comes after them.
fn take_header(
    chunks: &mut Chunks<impl Read, impl Cut>,
    format: &CsvFormat,
    limits: ReadLimits,
) -> Result<(Vec<String>, Chunk), ReadError> {
    let mut record = Record::default();
    while let Some(mut chunk) = chunks.next()? {
        let mut tokenizer = Tokenizer::within(&chunk.bytes[..], format, limits.line_bytes, chunk.first_line);
        // Lines that are passed over may fill chunks.
        if !tokenizer.read(&mut record)? {
            continue;
        }
        let (at, line) = (tokenizer.bytes_read(), tokenizer.line());
        let mut at = usize::try_from(at).unwrap_or_default();
        if chunk.bytes[..at].ends_with(b"\r") && chunk.bytes[at..].starts_with(b"\n") {
            at += 1;
        }
        chunk.bytes.drain(..at);
        chunk.first_line = line;
        return Ok((names_of(&record)?, chunk));
    }
    Err(no_header())
}

struct CsvDecoder<'a> {
    format: &'a CsvFormat,
    limits: ReadLimits,
    schema: TableSchema,
    /// For each field of the file its column; none is passed over.
    columns: &'a [Option<usize>],
    /// Columns that the file does not have; all may be without a value.
    absent: &'a [usize],
    record: Record,
}

impl Decode for CsvDecoder<'_> {
    fn decode(&mut self, chunk: &Chunk, send: Send<'_>) -> Result<(), ReadError> {
        let max_bytes = self.limits.line_bytes;
        let mut tokenizer = Tokenizer::within(&chunk.bytes[..], self.format, max_bytes, chunk.first_line);
        let before = chunk.end - chunk.bytes.len() as u64;
        while let Some(mut batch) = self.next(&mut tokenizer)? {
            batch.bytes_read += before;
            if !send(batch) {
                break;
            }
        }
        Ok(())
    }
}

impl CsvDecoder<'_> {
    /// The next rows; none at the end.
    fn next(&mut self, tokenizer: &mut Tokenizer<&[u8]>) -> Result<Option<CheckedBatch>, ReadError> {
        let columns = self.schema.columns().iter();
        let mut builders: Vec<_> = columns.map(|it| ColumnBuilder::new(&it.column_type)).collect();
        let mut rejected = BTreeMap::new();
        let mut lines = Vec::new();
        let mut size_bytes = 0;
        while lines.len() < BATCH_ROWS && size_bytes < BATCH_BYTES && tokenizer.read(&mut self.record)? {
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
        let columns = builders.into_iter().map(ColumnBuilder::finish);
        let decoded = Decoded {
            columns: columns
                .collect::<Result<_, _>>()
                .map_err(|error| ReadError::content(error.to_string()))?,
            rejected,
            ignored: Vec::new(),
            bytes_read: tokenizer.bytes_read(),
        };
        check(&self.schema, decoded, |row| lines[row]).map(Some)
    }

    /// Adds the record as a row; what is wrong with it leaves no value there.
    fn append(&self, builders: &mut [ColumnBuilder]) -> Option<Rejected> {
        let record = &self.record;
        let mut rejected = Rejected::new(record.line);
        if record.len() != self.columns.len() {
            let reason = format!("has {} fields instead of {}", record.len(), self.columns.len());
            // Whose value the first field is, nobody knows.
            let sensitive = self.schema.columns().iter().any(|it| it.is_sensitive());
            let shown = String::from_utf8_lossy(record.field(0).0);
            rejected.add(None, reason, if sensitive { "" } else { &shown });
            builders.iter_mut().for_each(ColumnBuilder::append_null);
            return Some(rejected);
        }
        // Found to be UTF-8 as a whole, which is much faster than field by field.
        let text = std::str::from_utf8(record.bytes()).ok();
        for (index, &column) in self.columns.iter().enumerate() {
            let Some(column) = column else { continue };
            let (extent, quoted) = record.extent(index);
            let bytes = &record.bytes()[extent.clone()];
            let builder = &mut builders[column];
            let column = &self.schema.columns()[column];
            let fault = if record.misquoted == Some(index) {
                builder.append_null();
                Some("has text after its closing quote".into())
            } else if !quoted
                && self
                    .format
                    .null_values
                    .iter()
                    .any(|text| text.as_bytes() == bytes)
            {
                builder.append_null();
                continue;
            } else {
                // Bytes that are UTF-8 together need not be so apart.
                match text
                    .and_then(|text| text.get(extent))
                    .or_else(|| std::str::from_utf8(bytes).ok())
                {
                    Some(text) => builder.append_text(text).err(),
                    None => {
                        builder.append_null();
                        Some("is not UTF-8".into())
                    }
                }
            };
            if let Some(misfit) = fault {
                let shown = String::from_utf8_lossy(bytes);
                rejected.add_misfit(column, misfit, &shown);
            }
        }
        for &column in self.absent {
            builders[column].append_null();
        }
        (!rejected.faults.is_empty()).then_some(rejected)
    }
}

pub(super) fn header<R: Read>(
    tokenizer: &mut Tokenizer<R>,
    record: &mut Record,
) -> Result<Vec<String>, ReadError> {
    if !tokenizer.read(record)? {
        return Err(no_header());
    }
    names_of(record)
}

fn no_header() -> ReadError {
    ReadError::content("the file is empty: it has not even a line of column names")
}

fn names_of(record: &Record) -> Result<Vec<String>, ReadError> {
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
        let (mut batches, schema) = (Vec::new(), schema());
        let plain = Pseudonymizer::new(&schema, None)?;
        let mut keep = |batch| {
            batches.push(batch);
            true
        };
        decode(text, format, ReadLimits::default(), &schema, &plain, &mut keep)?;
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
    fn comments_before_the_header_may_be_of_any_number() {
        let format = CsvFormat {
            comment: Some(b'#'),
            ..CsvFormat::default()
        };
        let comments = "# nothing\n".repeat(500_000);
        let batches = read(format!("{comments}id\n7\n").as_bytes(), &format).unwrap();
        assert_eq!(batches[0].lines, [500_002]);
        assert!(read(comments.as_bytes(), &format).is_err());
    }

    #[test]
    fn long_files_come_in_batches() {
        let text: String = (1..=20_000).map(|id| format!("{id}\n")).collect();
        let batches = read(format!("id\n{text}").as_bytes(), &CsvFormat::default()).unwrap();
        let rows: Vec<usize> = batches.iter().map(|it| it.batch.num_rows()).collect();
        assert_eq!(rows, [8_192, 8_192, 3_616]);
    }
}
