//! What files of the test hold: lines that say which import they are of, so that each is known again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use arrow::array::AsArray as _;
use arrow::datatypes::{DataType, Int64Type};
use bytes::Bytes;
use datacovey_proto::transfer::v1::FileFormat;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

/// Of a table of such lines.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "import": {"type": "integer"},
            "line": {"type": "integer"},
            "text": {"type": "string"}
        },
        "required": ["import", "line", "text"]
    })
}

/// The file of one import, with lines from 0.
pub(super) fn csv(import: i64, lines: i64) -> String {
    let mut csv = "import,line,text\n".to_owned();
    for line in 0..lines {
        writeln!(csv, "{import},{line},{}", text(import, line)).unwrap();
    }
    csv
}

/// Of no other line.
fn text(import: i64, line: i64) -> String {
    format!("{:016x} of {import}", line.wrapping_mul(0x61c8_8646_80b5_83eb))
}

/// What a file or table was found to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Different lines of each import.
    pub(super) lines: BTreeMap<i64, u64>,
    /// Lines that were there already.
    pub(super) again: u64,
}

impl Held {
    /// What a whole file holds, or what is wrong with it.
    pub(super) fn read(format: FileFormat, file: &[u8]) -> Result<Self, String> {
        match format {
            FileFormat::Csv => Self::read_csv(file),
            FileFormat::Parquet => Self::read_parquet(file),
            other => panic!("nothing is exported as {other:?}"),
        }
    }

    fn read_csv(file: &[u8]) -> Result<Self, String> {
        let file = std::str::from_utf8(file).map_err(|error| error.to_string())?;
        let whole = file.strip_suffix("\r\n").or_else(|| file.strip_suffix('\n'));
        let mut records = whole.ok_or("the last line has no end")?.lines();
        // In the order that the database has given the members of the schema.
        let header: Vec<_> = records.next().unwrap_or_default().split(',').collect();
        let place = |name: &str| {
            let at = header.iter().position(|it| *it == name);
            at.ok_or_else(|| format!("the header {header:?} has no {name}"))
        };
        let [import, line, text] = [place("import")?, place("line")?, place("text")?];
        Self::of(records.map(|record| {
            let fields: Vec<_> = record.split(',').collect();
            let field = |at: usize| {
                fields
                    .get(at)
                    .copied()
                    .ok_or_else(|| format!("no line: {record}"))
            };
            let number = |at| field(at)?.parse().map_err(|_| format!("no line: {record}"));
            Ok((number(import)?, number(line)?, field(text)?.to_owned()))
        }))
    }

    fn read_parquet(file: &[u8]) -> Result<Self, String> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(file))
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|error| error.to_string())?;
            let column = |name: &str, kind: DataType| {
                let column = batch.column_by_name(name).ok_or(format!("no column {name}"))?;
                arrow::compute::cast(column, &kind).map_err(|error| error.to_string())
            };
            let [import, line] = [
                column("import", DataType::Int64)?,
                column("line", DataType::Int64)?,
            ];
            let text = column("text", DataType::Utf8)?;
            let [import, line] = [&import, &line].map(|it| it.as_primitive::<Int64Type>());
            let text = text.as_string::<i32>();
            for row in 0..batch.num_rows() {
                lines.push(Ok((
                    import.value(row),
                    line.value(row),
                    text.value(row).to_owned(),
                )));
            }
        }
        Self::of(lines.into_iter())
    }

    fn of(lines: impl Iterator<Item = Result<(i64, i64, String), String>>) -> Result<Self, String> {
        let (mut seen, mut held) = (BTreeSet::new(), Self::default());
        for line in lines {
            let (import, line, found) = line?;
            if found != text(import, line) {
                return Err(format!("line {line} of import {import} has the text {found}"));
            }
            if seen.insert((import, line)) {
                *held.lines.entry(import).or_default() += 1;
            } else {
                held.again += 1;
            }
        }
        Ok(held)
    }
}

#[test]
fn what_is_torn_or_twice_is_seen() {
    let file = csv(7, 3);
    let whole = Held::read(FileFormat::Csv, file.as_bytes()).unwrap();
    assert_eq!((whole.lines, whole.again), ([(7, 3)].into(), 0));
    let twice = format!("{file}7,1,{}\n", text(7, 1));
    assert_eq!(Held::read(FileFormat::Csv, twice.as_bytes()).unwrap().again, 1);
    for torn in [&file[..file.len() - 1], &file[..file.len() / 2], &file[1..], ""] {
        assert!(Held::read(FileFormat::Csv, torn.as_bytes()).is_err(), "{torn}");
    }
    assert!(Held::read(FileFormat::Csv, file.replace(" of 7", " of 8").as_bytes()).is_err());
}
