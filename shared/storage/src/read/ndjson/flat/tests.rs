use std::sync::LazyLock;

use arrow::record_batch::RecordBatch;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::read::chunks::Chunk;
use crate::read::ndjson::decoder::Decoder;
use crate::read::parallel::Decode as _;
use crate::read::{ReadLimits, Rejected};
use crate::schema::TableSchema;

/// Names as they stand in a line, and values that fit.
const COLUMNS: [(&str, &[&str]); 15] = [
    ("id", &["0", "-17", "9223372036854775807", "1.0", "1e3", "-0"]),
    (
        "name",
        &[r#""""#, r#""a b""#, r#""é😀""#, r#""{,:}""#, "\"\u{7f}\""],
    ),
    (
        "price",
        &["1.5", r#""1.50""#, "-0.25", "1E+2", "123456789012345678901234.25"],
    ),
    ("share", &["0.1", "-1e-300", "12345678901234567890123", "5E-324"]),
    ("flag", &["true", "false"]),
    ("day", &[r#""2013-01-31""#]),
    ("at", &[r#""2013-01-31T10:00:00+02:00""#]),
    ("time", &[r#""10:00:00""#]),
    ("key", &[r#""0190C6A2-7b1e-7000-8000-0123456789ab""#]),
    ("raw", &[r#""AQI=""#, r#""""#]),
    ("tags", &["[]", r#"["x", null]"#]),
    ("owner", &["{}", r#"{"id": 1}"#]),
    (r#"a\"b"#, &["1"]),
    (r"a\\b", &["1"]),
    ("größe", &["1"]),
];

const ODD_NAMES: [&str; 6] = ["other", "", r"\u0069d", r#"a"b"#, r"a\b", "i\u{1}d"];

/// Values that fit few columns or none, some of them no JSON.
const ODD_VALUES: [&str; 36] = [
    "01",
    "-01",
    "1.",
    ".5",
    "-",
    "1e",
    "1e+",
    "+1",
    "0x1",
    "1.e1",
    "NaN",
    "1 2",
    "9223372036854775808",
    "1e400",
    "99999999999999999999999999999999999999999",
    "0.001",
    "1.5",
    "tru",
    "True",
    "nul",
    "truex",
    "",
    "'a'",
    r#""a"#,
    r#""a\n""#,
    r#""\u00e9\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\x""#,
    "\"a\u{1}b\"",
    "\"a\tb\"",
    r#""1.5""#,
    r#""x""#,
    "[1",
    r#"{"id": {"a": []}}"#,
    "[[]]",
    "\"\u{e000}\"",
];

fn schema(closed: bool) -> TableSchema {
    let text = |format: &str| json!({ "type": "string", "format": format });
    let whole = json!({ "type": "integer" });
    let document = json!({ "type": "object", "additionalProperties": !closed, "properties": {
        "id": whole,
        "name": { "type": "string" },
        "price": { "type": "number", "format": "decimal", "x-precision": 30, "x-scale": 2 },
        "share": { "type": "number", "maximum": 1e30 },
        "flag": { "type": "boolean" },
        "day": text("date"), "at": text("date-time"), "time": text("time"), "key": text("uuid"), "raw": text("byte"),
        "tags": { "type": "array", "items": { "type": ["string", "null"] } },
        "owner": { "type": "object", "properties": { "id": whole } },
        "a\"b": whole, "a\\b": whole, "größe": whole,
    } });
    TableSchema::parse(&document).unwrap()
}

static OPEN: LazyLock<TableSchema> = LazyLock::new(|| schema(false));
static CLOSED: LazyLock<TableSchema> = LazyLock::new(|| schema(true));

type Told = (RecordBatch, Vec<u64>, Vec<Rejected>, Vec<String>);

fn decoded(content: &[u8], schema: &TableSchema, fast: bool) -> Result<Vec<Told>, String> {
    let mut decoder = Decoder::new(schema.clone(), ReadLimits::default());
    if !fast {
        decoder.flat = None;
    }
    let chunk = Chunk {
        bytes: content.to_vec(),
        first_line: 1,
        end: 0,
    };
    let mut told = Vec::new();
    let done = decoder.decode(&chunk, &mut |it| {
        told.push((it.batch, it.lines, it.rejected, it.ignored));
        true
    });
    done.map(|()| told).map_err(|error| error.to_string())
}

fn blanks() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 3 => " {1,2}", 1 => "[ \t\r\u{c}\u{a0}]{1,2}"]
}

fn member() -> impl Strategy<Value = String> {
    let column = select(&COLUMNS[..]).prop_flat_map(|(name, values)| {
        let value = prop_oneof![
            12 => select(values),
            2 => Just("null"),
            1 => select(&ODD_VALUES[..]),
            1 => select(&["1", "1.5", "true", r#""x""#][..]),
        ];
        (Just(name), value)
    });
    let stranger = (select(&ODD_NAMES[..]), select(&["1", r#""x""#, "[]", "nul"][..]));
    let member = prop_oneof![30 => column, 1 => stranger];
    (member, blanks(), blanks()).prop_map(|((name, value), before, after)| {
        format!("{before}\"{name}\"{after}:{before}{value}{after}")
    })
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let object = (blanks(), vec(member(), 0..8), blanks())
        .prop_map(|(before, members, after)| format!("{before}{{{}}}{after}", members.join(",")));
    let other = select(
        &[
            "",
            "[]",
            "1",
            "null",
            "{",
            "}",
            "{,}",
            "{} {}",
            "{\"id\"}",
            "{id: 1}",
            "\u{feff}{}",
        ][..],
    );
    let line = prop_oneof![12 => object, 1 => other.prop_map(str::to_owned)].prop_map(String::into_bytes);
    let byte = prop_oneof![8 => select(&b"{}[],:\"\\ 0tn-.e\t\x01\x7f"[..]), 1 => any::<u8>()];
    let change = prop_oneof![
        6 => Just(None),
        1 => (any::<prop::sample::Index>(), 0..3_usize, vec(byte, 0..2)).prop_map(Some),
        1 => any::<prop::sample::Index>().prop_map(|at| Some((at, usize::MAX, Vec::new()))),
    ];
    (line, change).prop_map(|(mut line, change)| {
        if let Some((at, removed, added)) = change {
            let start = at.index(line.len() + 1);
            let end = start.saturating_add(removed).min(line.len());
            line.splice(start..end, added);
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_fast_way_is_the_parsers(
        lines in vec(line(), 1..6),
        end in prop_oneof![Just(&b"\n"[..]), Just(&b"\r\n"[..])],
        closed: bool,
    ) {
        let schema = if closed { &*CLOSED } else { &*OPEN };
        let content = lines.join(end);
        prop_assert_eq!(
            decoded(&content, schema, true),
            decoded(&content, schema, false),
            "{}",
            String::from_utf8_lossy(&content)
        );
    }
}

/// What of the lines is read without the parser.
fn taken<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<bool> {
    let columns = OPEN.columns();
    let names = || columns.iter().map(|it| it.name.as_str());
    let mut builders: Vec<_> = columns
        .iter()
        .map(|it| ColumnBuilder::new(&it.column_type))
        .collect();
    let (mut flat, places) = (Flat::new(names()), names().collect());
    let mut read = |line| flat.read(line, &places, &mut builders, |_| {});
    lines.into_iter().map(&mut read).collect()
}

#[test]
fn lines_of_programs_need_no_parser() {
    let all: Vec<_> = COLUMNS
        .iter()
        .filter(|(name, _)| !["tags", "owner"].contains(name) && !name.contains('\\'))
        .map(|(name, values)| format!("\"{name}\": {}", values[0]))
        .collect();
    let reversed: Vec<_> = all.iter().rev().cloned().collect();
    let lines = [
        format!("{{{}}}", all.join(", ")),
        format!("{{{}}}", reversed.join(",").replace(": ", ":")),
        r#"{"tags":null,"owner":null}"#.to_owned(),
        r#" { "id" : 1 , "name" : "é" } "#.to_owned(),
        r#"{"id":1.5,"day":"x","price":"1.555"}"#.to_owned(),
        "{}".to_owned(),
    ];
    assert_eq!(taken(lines.iter().map(String::as_str)), vec![true; lines.len()]);
}

#[test]
fn what_is_unusual_is_left_to_the_parser() {
    for line in [
        r#"{"name":"a\n"}"#,
        "{\"name\":\"a\u{1}\"}",
        "{\t\"id\":1}",
        r#"{"id":1,"id":2}"#,
        r#"{"other":1}"#,
        r#"{"a\"b":1}"#,
        r#"{"owner":null,"a"b":1}"#,
        r#"{"tags":[]}"#,
        r#"{"owner":{}}"#,
        r#"{"id":"1"}"#,
        r#"{"id":true}"#,
        r#"{"name":1}"#,
        r#"{"flag":0}"#,
        r#"{"flag":"true"}"#,
        r#"{"tags":"[]"}"#,
        r#"{"id":01}"#,
        r#"{"id":1.}"#,
        r#"{"id":-}"#,
        r#"{"share":1e}"#,
        r#"{"flag":tru}"#,
        r#"{"id":1,}"#,
        r#"{"id":1"#,
        r#"{"id":1} {}"#,
        r#"{"id" 1}"#,
        "[]",
        "",
    ] {
        assert_eq!(taken([line]), [false], "{line}");
    }
}

#[test]
fn files_of_other_lines_are_hardly_looked_at_and_come_back() {
    let nested = std::iter::repeat_n(r#"{"tags":[]}"#, 1_000);
    let lines = nested.chain(std::iter::repeat_n("{}", 100));
    let found = taken(lines);
    let first = found.iter().position(|it| *it).unwrap() - 1_000;
    assert!(first <= 63, "{first}");
    assert!(found[1_000 + first..].iter().all(|it| *it));
    // Now and then one is other.
    let mixed = ["{}", r#"{"tags":[]}"#].repeat(10);
    assert_eq!(taken(mixed), [true, false].repeat(10));
}
