//! The checks beside those of the crate `jsonschema`: the same verdict on every value, but where the module's
//! documentation says why not.

use arrow::array::Array as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::{Column, TableSchema};
use crate::read::column::ColumnBuilder;

const SCHEMAS: usize = 2_000;
const VALUES: usize = 32;

/// 64,000 verdicts.
#[test]
fn verdicts_are_those_of_jsonschema() {
    let mut runner = TestRunner::default();
    let mut differences = Vec::new();
    let (mut verdicts, mut passed) = (0, 0);
    for _ in 0..SCHEMAS {
        let property = property().new_tree(&mut runner).unwrap().current();
        let document = json!({ "type": "object", "required": ["a"], "properties": { "a": property } });
        let table = TableSchema::parse(&document).unwrap();
        let theirs = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&property)
            .unwrap();
        let values = proptest::collection::vec(value_of(&property), VALUES);
        for value in values.new_tree(&mut runner).unwrap().current() {
            let ours = passes(&table.columns()[0], &value);
            let same = as_columns_have_it(&property, &value);
            verdicts += 1;
            passed += usize::from(ours);
            if ours != theirs.is_valid(&same) && !is_documented(&property, &same) {
                differences.push(format!("ours {ours}: {value} by {property}"));
            }
        }
    }
    assert_eq!(verdicts, SCHEMAS * VALUES);
    // Neither all nor nothing passes.
    assert!(
        passed > verdicts / 5 && passed < verdicts / 5 * 4,
        "{passed} of {verdicts}"
    );
    let told: Vec<_> = differences.iter().take(30).map(String::as_str).collect();
    assert!(
        told.is_empty(),
        "{} of {verdicts} differ:\n{}",
        differences.len(),
        told.join("\n")
    );
}

/// Whether the import takes the value: it is of the column's type and passes its checks.
fn passes(column: &Column, value: &Value) -> bool {
    let mut builder = ColumnBuilder::new(&column.column_type);
    if builder.append_json(value).is_err() {
        return false;
    }
    let built = builder.finish().unwrap();
    assert_eq!(built.data_type(), &column.column_type.arrow());
    let mut found = 0;
    column.check(&built, &mut |_| found += 1);
    found == 0
}

/// A member that is null is one that is absent, and the other way round; one that is passed over is none.
fn as_columns_have_it(property: &Value, value: &Value) -> Value {
    match (value, &property["properties"], &property["items"]) {
        (Value::Object(given), Value::Object(properties), _) => {
            let required = |name: &String| {
                property["required"]
                    .as_array()
                    .is_some_and(|it| it.iter().any(|it| it == name))
            };
            let mut same = Map::new();
            let closed = property["additionalProperties"] == false;
            for (name, member) in given.iter().filter(|it| closed || properties.contains_key(it.0)) {
                let member = properties
                    .get(name)
                    .map_or(member.clone(), |it| as_columns_have_it(it, member));
                if !member.is_null() || !properties.contains_key(name) {
                    same.insert(name.clone(), member);
                }
            }
            for name in properties.keys() {
                if required(name) {
                    same.entry(name.clone()).or_insert(Value::Null);
                }
            }
            Value::Object(same)
        }
        (Value::Array(items), _, item) if item.is_object() => {
            items.iter().map(|it| as_columns_have_it(item, it)).collect()
        }
        _ => value.clone(),
    }
}

/// Whether the value is one of those of which the documentation says that verdicts differ.
fn is_documented(property: &Value, value: &Value) -> bool {
    let format = property["format"].as_str().unwrap_or_default();
    match value {
        Value::Array(items) => items.iter().any(|it| is_documented(&property["items"], it)),
        Value::Object(members) => members
            .iter()
            .any(|(name, it)| is_documented(&property["properties"][name], it)),
        // Values are compared, not texts.
        Value::String(_) if property.get("enum").is_some() && !format.is_empty() => true,
        Value::String(text) => match format {
            "date" => text.starts_with("0000"),
            "date-time" => {
                text.starts_with("0000")
                    || text.get(10..11) == Some(" ")
                    || is_other_time(text.get(11..).unwrap_or(""))
                    || text.starts_with("0001-01-01")
                    || text.starts_with("9999-12-31")
            }
            "time" => is_other_time(text) || !(text.ends_with(['Z', 'z']) || text.ends_with("00:00")),
            "email" => text.contains("xn--"),
            "byte" | "decimal" => true,
            _ => false,
        },
        // Numbers have no more digits than the column.
        Value::Number(_) if format == "decimal" => true,
        Value::Number(number) => number.as_f64().is_some_and(|it| {
            let beyond = names_type(property, "integer") && it.abs() >= 9.2e18;
            // Theirs falls back to doubles, and to fractions of about 16 digits.
            beyond || property.get("multipleOf").is_some() && (it.abs() > 1e15 || it.abs() < 1e-15)
        }),
        _ => false,
    }
}

/// A leap second, one without an offset, or one finer than a microsecond.
fn is_other_time(text: &str) -> bool {
    let has_offset = text.ends_with(['Z', 'z']) || text.get(8..).is_some_and(|it| it.contains(['+', '-']));
    let fraction = text.split_once('.').map_or("", |(_, it)| it);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    text.get(6..8) == Some("60") || !has_offset || digits > 6
}

fn names_type(property: &Value, name: &str) -> bool {
    property["type"] == name
        || property["type"]
            .as_array()
            .is_some_and(|it| it.iter().any(|it| it == name))
}

/// Adds each keyword or not.
fn with(property: Value, keywords: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let keywords: Vec<_> = keywords
        .into_iter()
        .map(|(name, value)| (Just(name), proptest::option::weighted(0.4, value)))
        .collect();
    (keywords, any::<bool>())
        .prop_map(move |(keywords, nullable)| {
            let mut property = property.clone();
            if nullable {
                property["type"] = json!([property["type"], "null"]);
            }
            for (name, value) in keywords {
                if let Some(value) = value {
                    property[name] = value;
                }
            }
            property
        })
        .boxed()
}

fn bound() -> BoxedStrategy<Value> {
    prop_oneof![
        (-6_i64..6).prop_map(Value::from),
        (-60_i64..60).prop_map(|it| json!(it as f64 / 10.0)),
        Just(json!(i64::MAX)),
        Just(json!(1e300)),
        Just(json!(9007199254740993_i64)),
    ]
    .boxed()
}

fn numeric_checks(values: BoxedStrategy<Value>) -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let multiple = prop_oneof![
        Just(json!(1)),
        Just(json!(2)),
        Just(json!(3.0)),
        Just(json!(0.1)),
        Just(json!(0.25)),
        Just(json!(0.01)),
        Just(json!(2.5)),
        Just(json!(1e-7)),
        Just(json!(123456789)),
    ];
    let mut checks = vec![("multipleOf", multiple.boxed())];
    for name in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        checks.push((name, bound()));
    }
    let list = proptest::collection::btree_map("[a-z]{6}", values, 1..6);
    let distinct = |it: std::collections::BTreeMap<String, Value>| Value::from_iter(it.into_values());
    checks.push(("enum", list.prop_map(distinct).boxed()));
    checks
}

fn plain() -> BoxedStrategy<Value> {
    let size = || (0_u64..6).prop_map(Value::from).boxed();
    let pattern = prop_oneof![
        Just("^a"),
        Just(r"^\d+$"),
        Just(r"\w"),
        Just(r"^\s|\S$"),
        Just("."),
        Just("^[^a-z]*$"),
        Just("^(a|b|ab)$"),
        Just(r"\u00e9"),
        Just("^[&&a]+$"),
        Just(r"^\p{L}+$"),
    ];
    let format = prop_oneof![Just("email"), Just("uri"), Just("ipv4"), Just("ipv6")];
    let texts = proptest::collection::btree_set("[a-c]{0,2}", 1..4);
    let string = |format: &str| with(json!({ "type": "string", "format": format }), vec![]);
    let decimal = json!({ "type": "number", "format": "decimal", "x-precision": 12, "x-scale": 3 });
    let small = (-6000_i64..6000).prop_map(|it| json!(it as f64 / 1000.0)).boxed();
    prop_oneof![
        3 => with(json!({ "type": "integer" }), numeric_checks((-9_i64..9).prop_map(Value::from).boxed())),
        3 => with(json!({ "type": "number" }), numeric_checks(number())),
        1 => with(decimal, numeric_checks(small)),
        3 => with(json!({ "type": "string" }), vec![
            ("minLength", size()),
            ("maxLength", size()),
            ("pattern", pattern.prop_map(Value::from).boxed()),
            ("format", format.prop_map(Value::from).boxed()),
        ]),
        1 => with(json!({ "type": "string" }), vec![("enum", texts.prop_map(|it| json!(it)).boxed())]),
        1 => with(json!({ "type": "boolean" }), vec![("const", any::<bool>().prop_map(Value::from).boxed())]),
        1 => string("date"),
        1 => string("date-time"),
        1 => string("time"),
        1 => string("uuid"),
        1 => string("email"),
        1 => string("uri"),
    ]
    .boxed()
}

fn property() -> BoxedStrategy<Value> {
    plain()
        .prop_recursive(2, 8, 2, |inner| {
            let size = || (0_u64..4).prop_map(Value::from).boxed();
            let list = inner.clone().prop_flat_map(move |items| {
                let unique = any::<bool>().prop_map(Value::from).boxed();
                with(
                    json!({ "type": "array", "items": items }),
                    vec![
                        ("minItems", size()),
                        ("maxItems", size()),
                        ("uniqueItems", unique),
                    ],
                )
            });
            let object = (inner.clone(), inner).prop_flat_map(|(a, b)| {
                let required = proptest::sample::subsequence(vec!["a", "b"], 0..=2);
                with(
                    json!({ "type": "object", "properties": { "a": a, "b": b } }),
                    vec![
                        ("required", required.prop_map(|it| json!(it)).boxed()),
                        (
                            "additionalProperties",
                            any::<bool>().prop_map(Value::from).boxed(),
                        ),
                    ],
                )
            });
            prop_oneof![list, object]
        })
        .boxed()
}

fn number() -> BoxedStrategy<Value> {
    prop_oneof![
        (-90_i64..90).prop_map(|it| json!(it as f64 / 10.0)),
        (-9000_i64..9000).prop_map(|it| json!(it as f64 / 1000.0)),
        (-9_i64..9).prop_map(Value::from),
        (-9_i64..9).prop_map(|it| json!(it as f64)),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("no JSON", |it| serde_json::Number::from_f64(it).map(Value::from)),
        (0_i64..99_999).prop_map(|it| json!(it as f64 * 1e-7)),
        Just(json!(-0.0)),
        Just(json!(9007199254740993_i64)),
        Just(json!(22734393525036408.0)),
    ]
    .boxed()
}

fn text(format: &str) -> BoxedStrategy<Value> {
    let texts = match format {
        "date" => prop_oneof!["[0-9]{3}[0-9]-[01][0-9]-[0-3][0-9]", "20[0-9]{2}-02-(28|29|30)", "[0-9-]{8,11}"].boxed(),
        "date-time" => prop_oneof![
            "(20|00|99)[0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,8})?(|Z|z|[+-][0-2][0-9]:[0-6][0-9])",
            "2013-01-31T10:00:00(\\.[0-9]{1,6})?(Z|[+-]0[0-9]:[0-5]0)",
        ]
        .boxed(),
        "time" => prop_oneof![
            "[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,8})?(|Z|z|[+-][0-2][0-9]:[0-6][0-9])",
            "1[0-9]:00:00Z",
        ]
        .boxed(),
        "uuid" => prop_oneof!["[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-fg]{12}", "[0-9a-f]{32}", "[0-9a-f-]{36}"].boxed(),
        "email" => prop_oneof![
            "[a-z.+\"]{1,5}@[a-zA-Z0-9.-]{1,8}",
            "[a-z]{1,3}(\\.[a-z])?@([a-z]{1,3}\\.){0,2}[a-z]{2}",
            "\"[a-z @\\\\\"]{0,3}\"@[a-z]{2}",
            "a@\\[(IPv6:|ipv6:)?[0-9:.]{2,7}\\]",
            "[a-zé@ ]{0,6}",
        ]
        .boxed(),
        "uri" => prop_oneof![
            "[a-z]{0,4}:(//)?([a-z@:%0-9.]{0,6})(/[a-z%0-9é ]{0,3})?(\\?[a-z/?]{0,3})?(#[a-z#]{0,2})?",
            "https?://\\[[0-9a-f:]{2,6}\\](:[0-9]{0,3})?",
            "https://[a-z]{1,4}\\.[a-z]{2}/[a-z/]{0,4}",
        ]
        .boxed(),
        "ipv4" => prop_oneof!["([0-9]{1,3}\\.){3}[0-9]{1,3}", "(1?[0-9]\\.){2,4}[0-9]"].boxed(),
        "ipv6" => prop_oneof!["[0-9a-f]{1,4}::?([0-9a-f]{1,4}:){0,5}[0-9a-f]{1,5}", "::[0-9.]{0,8}", "[:0-9]{2,8}"].boxed(),
        _ => prop_oneof![
            4 => "[a-c1é&]{0,4}",
            1 => "\\PC{0,7}",
            1 => "[ \\n\\r\\t\u{a0}\u{feff}a٣]{0,3}",
            1 => "[0-9]{1,3}",
        ]
        .boxed(),
    };
    texts.prop_map(Value::from).boxed()
}

/// Values of the type mostly, some of which pass.
fn value_of(property: &Value) -> BoxedStrategy<Value> {
    let name = match &property["type"] {
        Value::Array(names) => names[0].as_str(),
        name => name.as_str(),
    };
    let format = property["format"].as_str().unwrap_or_default();
    let values = match name.unwrap_or_default() {
        "integer" | "number" => number(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "array" => proptest::collection::vec(value_of(&property["items"]), 0..4)
            .prop_map(Value::from)
            .boxed(),
        "object" => {
            let members: Vec<_> = ["a", "b"]
                .into_iter()
                .map(|it| {
                    (
                        Just(it),
                        proptest::option::weighted(0.8, value_of(&property["properties"][it])),
                    )
                })
                .collect();
            (members, proptest::bool::weighted(0.1))
                .prop_map(|(members, more)| {
                    let mut object: Map<String, Value> = members
                        .into_iter()
                        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                        .collect();
                    if more {
                        object.insert("c".to_owned(), json!(1));
                    }
                    Value::Object(object)
                })
                .boxed()
        }
        _ => text(format),
    };
    let mut choices = vec![
        (8, values),
        (1, Just(Value::Null).boxed()),
        (1, number()),
        (1, text("")),
    ];
    if let Some(Value::Array(listed)) = property.get("enum") {
        choices.push((4, proptest::sample::select(listed.clone()).boxed()));
    }
    proptest::strategy::Union::new_weighted(choices).boxed()
}
