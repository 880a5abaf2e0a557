//! A schema from a sample of rows: what an owner would write by hand, as a start.
//!
//! Everything that is inferred holds for the sample. It is as tight as its types go and binds no values:
//! what rows to come look like, a sample does not say.

use serde_json::{Map, Value, json};

use crate::read::value;

/// Rows of which a schema is inferred.
#[derive(Clone, Debug)]
pub enum Sample<'a> {
    /// Cells of text by column, as in CSV; none is no value.
    Text {
        columns: &'a [String],
        rows: &'a [Vec<Option<String>>],
    },
    /// Objects, as in NDJSON.
    Json(&'a [Value]),
}

/// Infers a schema that every row of the sample satisfies. Columns without any value are strings. A column
/// is required where every row has a value, and else may be null.
#[must_use]
pub fn infer(sample: &Sample<'_>) -> Value {
    let mut table = Members::default();
    match sample {
        Sample::Text { columns, rows } => {
            for name in *columns {
                table.0.push((name.clone(), Seen::default()));
            }
            for row in *rows {
                for (at, (_, seen)) in table.0.iter_mut().enumerate() {
                    match row.get(at).and_then(Option::as_deref) {
                        Some(cell) => seen.add_cell(cell),
                        None => seen.missing = true,
                    }
                }
            }
        }
        Sample::Json(rows) => {
            for (row, value) in rows.iter().enumerate() {
                if let Value::Object(members) = value {
                    table.add(members, row > 0);
                }
            }
        }
    }
    table.schema()
}

/// What the values of a column are, as far as they were seen. Each kind stays possible until a value is not
/// of it.
#[derive(Clone, Debug)]
struct Seen {
    any: bool,
    missing: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    date: bool,
    date_time: bool,
    time: bool,
    uuid: bool,
    text: bool,
    array: Option<Box<Seen>>,
    object: Option<Members>,
}

/// Columns in the order in which they came.
#[derive(Clone, Debug, Default)]
struct Members(Vec<(String, Seen)>);

impl Default for Seen {
    fn default() -> Self {
        Self {
            any: false,
            missing: false,
            integer: true,
            number: true,
            boolean: true,
            date: true,
            date_time: true,
            time: true,
            uuid: true,
            text: true,
            array: None,
            object: None,
        }
    }
}

impl Seen {
    /// A cell of CSV: everything is written as text, and a text stays possible.
    fn add_cell(&mut self, cell: &str) {
        // A leading zero makes a code of what looks like a number: a postal code, an account.
        let digits = cell.trim_start_matches(['-', '+']);
        let code =
            digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.") || cell.starts_with('+');
        self.integer &= !code && value::parse_integer(cell).is_ok() && !cell.contains('.');
        self.number &= !code && value::parse_number(cell).is_ok();
        self.boolean &= value::parse_boolean(cell).is_ok();
        self.add_format(cell);
        self.any = true;
    }

    fn add_format(&mut self, text: &str) {
        self.date &= value::parse_date(text).is_ok();
        // A date alone is no instant, and a column of both is one of texts.
        self.date_time &= value::parse_date_time(text).is_ok();
        self.time &= value::parse_time(text).is_ok();
        self.uuid &= value::parse_uuid(text).is_ok();
    }

    fn only(&mut self, integer: bool, number: bool, boolean: bool) {
        self.integer &= integer;
        self.number &= number;
        self.boolean &= boolean;
        self.text = false;
        (self.date, self.date_time, self.time, self.uuid) = (false, false, false, false);
    }

    fn add(&mut self, value: &Value) {
        if value.is_null() {
            self.missing = true;
            return;
        }
        let before = std::mem::replace(&mut self.any, true);
        // What was of another kind before has no common type with an array or an object.
        if !matches!(value, Value::Array(_)) {
            self.array = None;
        }
        if !matches!(value, Value::Object(_)) {
            self.object = None;
        }
        match value {
            Value::Null => {}
            Value::Bool(_) => self.only(false, false, true),
            Value::Number(number) => {
                let whole = number.is_i64()
                    || number
                        .as_f64()
                        .is_some_and(|it| it.fract() == 0.0 && it.abs() < 9e15);
                self.only(whole, true, false);
            }
            Value::String(text) => {
                (self.integer, self.number, self.boolean) = (false, false, false);
                self.add_format(text);
            }
            Value::Array(items) => {
                let mut seen = match self.array.take() {
                    Some(seen) => Some(seen),
                    None => (!before).then(Box::default),
                };
                if let Some(seen) = &mut seen {
                    items.iter().for_each(|item| seen.add(item));
                }
                self.array = seen;
                self.only(false, false, false);
            }
            Value::Object(members) => {
                let mut seen = match self.object.take() {
                    Some(seen) => Some((seen, true)),
                    None => (!before).then(|| (Members::default(), false)),
                };
                if let Some((seen, later)) = &mut seen {
                    seen.add(members, *later);
                }
                self.object = seen.map(|(seen, _)| seen);
                self.only(false, false, false);
            }
        }
    }

    /// None if the values have no common type that a column can have.
    fn schema(&self, nullable: bool) -> Option<Value> {
        let (name, format) = if !self.any {
            ("string", None)
        } else if self.integer {
            ("integer", None)
        } else if self.number {
            ("number", None)
        } else if self.boolean {
            ("boolean", None)
        } else if self.date {
            ("string", Some("date"))
        } else if self.date_time {
            ("string", Some("date-time"))
        } else if self.time {
            ("string", Some("time"))
        } else if self.uuid {
            ("string", Some("uuid"))
        } else if self.text {
            ("string", None)
        } else if self.array.is_some() {
            ("array", None)
        } else if self.object.is_some() {
            ("object", None)
        } else {
            return None;
        };
        let mut schema = Map::new();
        let type_name = if nullable {
            json!([name, "null"])
        } else {
            json!(name)
        };
        schema.insert("type".to_owned(), type_name);
        if let Some(format) = format {
            schema.insert("format".to_owned(), json!(format));
        }
        match (name, &self.array, &self.object) {
            ("array", Some(item), _) => {
                schema.insert("items".to_owned(), item.schema(item.missing)?);
            }
            ("object", _, Some(members)) => match members.schema() {
                // An object without members is no column.
                Value::Object(mut object) if object["properties"] != json!({}) => {
                    object.remove("type");
                    schema.append(&mut object);
                }
                _ => return None,
            },
            _ => {}
        }
        Some(Value::Object(schema))
    }
}

impl Members {
    /// Adds a row; `later` if there was one before, which then did not have what is new in this one.
    fn add(&mut self, members: &Map<String, Value>, later: bool) {
        for (name, seen) in &mut self.0 {
            match members.get(name) {
                Some(value) => seen.add(value),
                None => seen.missing = true,
            }
        }
        for (name, value) in members {
            if self.0.iter().all(|(known, _)| known != name) {
                let mut seen = Seen {
                    missing: later,
                    ..Seen::default()
                };
                seen.add(value);
                self.0.push((name.clone(), seen));
            }
        }
    }

    fn schema(&self) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, seen) in &self.0 {
            let nullable = seen.missing || !seen.any;
            // Values without a common type have no column, and rows are imported without them.
            let Some(schema) = seen.schema(nullable) else {
                continue;
            };
            properties.insert(name.clone(), schema);
            if !nullable {
                required.push(name.clone());
            }
        }
        json!({ "type": "object", "properties": properties, "required": required })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read::column::ColumnBuilder;
    use crate::schema::TableSchema;

    fn of_cells(cells: &[Option<&str>]) -> Value {
        let rows: Vec<_> = cells.iter().map(|cell| vec![cell.map(str::to_owned)]).collect();
        let schema = infer(&Sample::Text {
            columns: &["a".to_owned()],
            rows: &rows,
        });
        assert!(TableSchema::parse(&schema).is_ok(), "{schema}");
        schema["properties"]["a"].clone()
    }

    #[test]
    fn cells_have_the_tightest_type() {
        for (cells, expected) in [
            (vec!["1", "-2"], json!({ "type": "integer" })),
            (vec!["1", "2.5"], json!({ "type": "number" })),
            (vec!["1", "9223372036854775808"], json!({ "type": "number" })),
            (vec!["01", "2"], json!({ "type": "string" })),
            (vec!["+4912345"], json!({ "type": "string" })),
            (vec!["0.5", "0"], json!({ "type": "number" })),
            (vec!["true", "FALSE"], json!({ "type": "boolean" })),
            (vec!["2013-01-31"], json!({ "type": "string", "format": "date" })),
            (
                vec!["2013-01-31 10:00:00", "2013-01-31T10:00:00Z"],
                json!({ "type": "string", "format": "date-time" }),
            ),
            (
                vec!["2013-01-31", "2013-01-31T10:00:00Z"],
                json!({ "type": "string" }),
            ),
            (vec!["10:00:00"], json!({ "type": "string", "format": "time" })),
            (
                vec!["0190c6a2-7b1e-7000-8000-0123456789ab"],
                json!({ "type": "string", "format": "uuid" }),
            ),
            (vec!["x", ""], json!({ "type": "string" })),
        ] {
            let cells: Vec<_> = cells.into_iter().map(Some).collect();
            assert_eq!(of_cells(&cells), expected, "{cells:?}");
        }
        assert_eq!(
            of_cells(&[Some("1"), None]),
            json!({ "type": ["integer", "null"] })
        );
        assert_eq!(of_cells(&[None]), json!({ "type": ["string", "null"] }));
    }

    #[test]
    fn objects_and_arrays_are_described_within() {
        let rows = [
            json!({ "id": 1, "tags": ["a"], "at": { "city": "Ely" }, "mixed": 1, "empty": [], "late": {} }),
            json!({ "id": 2.0, "tags": [null], "at": { "city": null, "zip": "1" }, "mixed": "x", "empty": [] }),
            json!({ "id": 3, "at": { "city": "Rye" }, "more": true, "late": {"x": 1} }),
        ];
        let schema = infer(&Sample::Json(&rows));
        let expected = json!({ "type": "object", "required": ["id", "at"], "properties": {
            "id": { "type": "integer" },
            "tags": { "type": ["array", "null"], "items": { "type": ["string", "null"] } },
            "at": { "type": "object", "required": [], "properties": {
                "city": { "type": ["string", "null"] },
                "zip": { "type": ["string", "null"] },
            } },
            "empty": { "type": ["array", "null"], "items": { "type": "string" } },
            "late": { "type": ["object", "null"], "required": [], "properties": { "x": { "type": ["integer", "null"] } } },
            "more": { "type": ["boolean", "null"] },
        } });
        assert_eq!(schema, expected);
        assert!(TableSchema::parse(&schema).is_ok());
    }

    fn value() -> impl Strategy<Value = Value> {
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z0-9:-]{0,10}".prop_map(Value::from),
            Just(json!("2013-01-31")),
        ];
        plain.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_of_the_sample_can_be_taken(values in proptest::collection::vec(value(), 1..6)) {
            let rows: Vec<_> = values.iter().map(|it| json!({ "a": it, "b": 1 })).collect();
            let schema = infer(&Sample::Json(&rows));
            let table = TableSchema::parse(&schema).unwrap();
            if let Some(at) = table.index_of("a") {
                let column = &table.columns()[at];
                let mut builder = ColumnBuilder::new(&column.column_type);
                for value in &values {
                    prop_assert_eq!(builder.append_json(value), Ok(()), "{} {}", schema, value);
                }
                let built = builder.finish().unwrap();
                let mut found = Vec::new();
                column.check(&built, &mut |it| found.push(it));
                prop_assert!(found.is_empty(), "{schema} {found:?}");
            }
        }
    }
}
