use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;
use serde_json::{Value, json};

use super::*;
use crate::read::Rejected;

fn schema(properties: Value, closed: bool) -> TableSchema {
    let document = json!({
        "type": "object", "properties": properties, "additionalProperties": !closed,
    });
    TableSchema::parse(&document).unwrap()
}

fn every_type() -> TableSchema {
    schema(
        json!({
            "id": { "type": "integer" },
            "name": { "type": "string" },
            "price": { "type": "number", "format": "decimal", "x-precision": 30, "x-scale": 2 },
            "share": { "type": "number" },
            "flag": { "type": "boolean" },
            "day": { "type": "string", "format": "date" },
            "at": { "type": "string", "format": "date-time" },
            "time": { "type": "string", "format": "time" },
            "key": { "type": "string", "format": "uuid" },
            "raw": { "type": "string", "format": "byte" },
            "tags": { "type": "array", "items": { "type": ["string", "null"] } },
            "owner": { "type": "object", "additionalProperties": false, "properties": {
                "id": { "type": "integer" },
                "shares": { "type": "array", "items": { "type": ["object", "null"], "properties": {
                    "of": { "type": "string" }, "part": { "type": "number", "maximum": 1 },
                } } },
            } },
        }),
        false,
    )
}

fn read(text: &[u8], schema: &TableSchema) -> Result<Vec<CheckedBatch>, ReadError> {
    let mut batches = Vec::new();
    let plain = Pseudonymizer::new(schema, None)?;
    decode(text, ReadLimits::default(), schema, &plain, &mut |batch| {
        batches.push(batch);
        true
    })?;
    Ok(batches)
}

/// Line, field, reason and value of what is wrong with the lines.
fn faults(text: &[u8], schema: &TableSchema) -> Vec<(u64, String, String, String)> {
    let rejected = read(text, schema).unwrap().into_iter().flat_map(|it| it.rejected);
    let of = |it: Rejected| {
        it.faults.into_iter().map(move |fault| {
            (
                it.line,
                fault.field.unwrap_or_default(),
                fault.reason,
                fault.value,
            )
        })
    };
    rejected.flat_map(of).collect()
}

#[test]
fn values_of_every_type_are_taken() {
    let text = br#"
{"id": 9007199254740993, "name": "a\n\u00e9\ud83d\ude00", "price": 1234567890123456789012345678.25, "share": 0.1, "flag": true, "day": "2013-01-31", "at": "2013-01-31T10:00:00+02:00", "time": "10:00:00", "key": "0190C6A2-7b1e-7000-8000-0123456789ab", "raw": "AQI=", "tags": ["x", null], "owner": {"shares": [{"part": 1e-1, "of": "y"}, null, {}], "id": -1}}

{"price": "1.50", "id": 1.7e1, "later": {"a": [1]}, "tags": [], "owner": null}
"#;
    let batches = read(text, &every_type()).unwrap();
    let batch = &batches[0];
    assert_eq!(
        (batch.rejected.len(), &batch.lines),
        (0, &vec![2, 4]),
        "{:?}",
        batch.rejected
    );
    assert_eq!(batch.ignored, ["later"]);
    let table = pretty_format_batches(std::slice::from_ref(&batch.batch))
        .unwrap()
        .to_string();
    for part in [
        "9007199254740993",
        "1234567890123456789012345678.25",
        "2013-01-31T08:00:00Z",
        "0190c6a2-7b1e-7000-8000-0123456789ab",
        "0102",
        "😀",
        "{id: -1, shares: [{of: y, part: 0.1}, , {of: , part: }]}",
        "| 17 ",
        "1.50",
    ] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
}

#[test]
fn each_bad_record_is_told_with_line_path_and_reason() {
    let text = br#"{"id": 9223372036854775808}
{"id": "1", "name": 2, "flag": "true"}
{"share": 1e400}
{"price": 0.001}
{"day": "99999-01-01"}
{"id": 1, "id": 2}
{"owner": {"shares": [{}, {"of": 3}]}}
{"owner": {"Id": 3}}
{"owner": {"shares": [{"part": 2}]}}
{"tags": {"a": 1}, "owner": [1], "id": 1.5}
{"id": 1
[1]
{"id": 1} {"id": 2}
{"name": "\xff"}
{"other": 1}
{"owner": {"id": 1, "id": 1}}
{"tags": ["a", "b", ]}
{"id": 01}
{"id": 12}
"#;
    let text = String::from_utf8_lossy(text).replace("\\xff", "\u{1}");
    let found = faults(text.as_bytes(), &every_type());
    let expected = [
        (
            1,
            "id",
            "is out of the range of a 64-bit integer",
            "9223372036854775808",
        ),
        (2, "id", "is not an integer", "\"1\""),
        (2, "name", "is not a string", "2"),
        (2, "flag", "is neither true nor false", "true"),
        (3, "share", "is out of the range of a double", "1e400"),
        (
            4,
            "price",
            "has more digits after the point than the column",
            "0.001",
        ),
        (5, "day", "is not a date as in 2013-01-31", "99999-01-01"),
        (6, "id", "occurs twice", ""),
        (7, "owner.shares[1].of", "is not a string", "3"),
        (8, "owner", "may have no member \"Id\"", ""),
        (9, "owner.shares[0].part", "must be at most 1", "2.0"),
        (10, "tags", "is not an array", "{…}"),
        (10, "owner", "is not an object", "[…]"),
        (10, "id", "is not an integer", "1.5"),
    ];
    for (found, expected) in found.iter().zip(expected) {
        let found = (found.0, found.1.as_str(), found.2.as_str(), found.3.as_str());
        assert_eq!(found, expected);
    }
    let rest: Vec<(u64, &str, &str)> = found[expected.len()..]
        .iter()
        .map(|(line, field, reason, _)| (*line, field.as_str(), reason.as_str()))
        .collect();
    let syntax = "is not an object of JSON: ";
    for ((line, field, reason), (expected_line, expected_field, expected)) in rest.iter().zip([
        (
            11,
            "",
            "is not an object of JSON: EOF while parsing an object at byte 8",
        ),
        (
            12,
            "",
            "is not an object of JSON: invalid type: sequence, expected an object at byte ",
        ),
        (13, "", "is not an object of JSON: trailing characters at byte 11"),
        (14, "", syntax),
        (15, "", "has none of the table's columns, but others as \"other\""),
        (16, "owner.id", "occurs twice"),
        (17, "", "is not an object of JSON: trailing comma at byte "),
        (18, "", "is not an object of JSON: invalid number at byte 9"),
    ]) {
        assert_eq!((*line, *field), (expected_line, expected_field), "{reason}");
        assert!(reason.starts_with(expected), "{line}: {reason}");
    }
    let good = read(text.as_bytes(), &every_type()).unwrap();
    assert_eq!((rest.len(), good[0].lines.as_slice()), (8, &[19][..]));
}

#[test]
fn invalid_utf8_is_a_bad_record() {
    let found = faults(
        b"{\"name\": \"\xff\"}\n{\"name\": \"a\"}\n{\"\xff\": 1}\n",
        &every_type(),
    );
    let lines: Vec<u64> = found.iter().map(|it| it.0).collect();
    assert_eq!(lines, [1, 3]);
    assert!(found[0].2.contains("unicode"), "{found:?}");
}

#[test]
fn a_closed_table_takes_no_other_members() {
    let closed = schema(json!({ "id": { "type": "integer" } }), true);
    let found = faults(b"{\"id\": 1, \"x\": 2}\n{\"id\": 2}\n", &closed);
    assert_eq!(found[0].2, "may have no member \"x\"");
    assert_eq!(found.len(), 1);
}

#[test]
fn what_names_individuals_is_not_quoted() {
    let named = schema(
        json!({ "id": { "type": "integer", "x-identity": "person" } }),
        false,
    );
    for (_, _, _, value) in faults(b"{\"id\": \"secret\"}\n{\"id\": secret}\nsecret\n", &named) {
        assert_eq!(value, "");
    }
}

#[test]
fn long_files_come_in_order_and_with_their_lines() {
    let lines: String = (1..=300_000)
        .map(|id| format!("{{\"id\": {id}, \"name\": \"some text\"}}\n"))
        .collect();
    let table = every_type();
    let numbers: Vec<u64> = read(lines.as_bytes(), &table)
        .unwrap()
        .into_iter()
        .flat_map(|it| it.lines)
        .collect();
    assert_eq!(numbers, (1..=300_000).collect::<Vec<u64>>());
    // Whoever wants no more gets no more.
    let plain = Pseudonymizer::new(&table, None).unwrap();
    let mut batches = 0;
    decode(
        lines.as_bytes(),
        ReadLimits::default(),
        &table,
        &plain,
        &mut |_| {
            batches += 1;
            false
        },
    )
    .unwrap();
    assert_eq!(batches, 1);
}

#[test]
fn ten_thousand_members_are_read_in_any_order() {
    let names: Vec<String> = (0..10_000).map(|at| format!("c{at}")).collect();
    let properties: serde_json::Map<String, Value> = names[..1_000]
        .iter()
        .map(|name| (name.clone(), json!({ "type": "integer" })))
        .collect();
    let wide = schema(Value::Object(properties), false);
    let members: Vec<String> = names
        .iter()
        .rev()
        .enumerate()
        .map(|(at, it)| format!("\"{it}\":{at}"))
        .collect();
    let line = format!("{{{}}}\n", members.join(","));
    let batches = read((line.repeat(20) + &"{}\n".repeat(5_000)).as_bytes(), &wide).unwrap();
    assert_eq!(batches.iter().map(|it| it.lines.len()).sum::<usize>(), 5_020);
    let last = batches[0].batch.column_by_name("c999").unwrap();
    assert_eq!(last.as_primitive::<Int64Type>().value(0), 9_000);
    assert_eq!(batches[0].ignored.len(), MAX_IGNORED);
    assert!(
        batches.iter().all(|it| it.lines.len() <= 2_097),
        "rows of nothing take memory, too"
    );
}
