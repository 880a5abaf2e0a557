use std::sync::Arc;

use arrow::array::StringArray;
use proptest::prelude::*;
use serde_json::json;

use super::super::TableSchema;
use super::*;

const US: &str = "US";

fn steps(property: Value) -> Normalization {
    let document = json!({ "type": "object", "properties": { "a": property } });
    TableSchema::parse(&document).unwrap().columns()[0]
        .normalization
        .clone()
}

fn named(words: &[&str]) -> Normalization {
    steps(json!({ "type": "string", "x-normalize": words }))
}

fn phones_of(region: &str) -> Normalization {
    steps(json!({ "type": "string", "x-normalize": "phone", "x-region": region }))
}

fn one(steps: &Normalization, text: &str) -> Result<String, String> {
    let mut found = None;
    let values: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let normal = steps.apply(values, &mut |it| found = Some(it));
    match found {
        Some(found) => {
            assert_eq!((found.row, found.value.as_str()), (0, text));
            assert!(normal.is_null(0));
            Err(found.reason)
        }
        None => Ok(normal.as_string::<i32>().value(0).to_owned()),
    }
}

#[test]
fn steps_run_in_their_order() {
    let both = named(&["trim", "lowercase"]);
    assert_eq!(one(&both, " \u{a0}ÄB c\n"), Ok("äb c".to_owned()));
    assert_eq!(one(&named(&["trim"]), " Ab "), Ok("Ab".to_owned()));
    assert_eq!(one(&both, "  "), Ok(String::new()));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some("B")]));
    let normal = both.apply(Arc::clone(&texts), &mut |_| {});
    assert_eq!(
        normal.as_string::<i32>(),
        &StringArray::from(vec![None, Some("b")])
    );
    let none = steps(json!({ "type": "string" }));
    assert!(Arc::ptr_eq(&none.apply(Arc::clone(&texts), &mut |_| {}), &texts));
}

#[test]
fn addresses_are_in_lower_case_and_else_as_their_owners_write_them() {
    let email = named(&["email"]);
    for (given, expected) in [
        (" Ann.Lee+News@Example.COM ", "ann.lee+news@example.com"),
        ("o'neil@mail.example.co.uk", "o'neil@mail.example.co.uk"),
        ("jürgen@BÜCHER.example", "jürgen@xn--bcher-kva.example"),
        ("jürgen@xn--BCHER-kva.example", "jürgen@xn--bcher-kva.example"),
        ("a..b@docomo.example.jp", "a..b@docomo.example.jp"),
    ] {
        assert_eq!(one(&email, given), Ok(expected.to_owned()), "{given}");
    }
    let long = format!("{}@example.com", "a".repeat(65));
    let longer = format!("a@{}.example.com", vec!["a".repeat(60); 4].join("."));
    for given in [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@localhost",
        "ann@example..com",
        "ann@example.com.",
        "ann@-example.com",
        "ann@exam_ple.com",
        "ann@a\u{ad}.\u{200b}",
        "ann lee@example.com",
        "ann@exa mple.com",
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@b@example.com",
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        &long,
        &longer,
    ] {
        assert!(one(&email, given).is_err(), "{given}");
    }
}

#[test]
fn phone_numbers_are_the_same_however_they_are_written() {
    let us = phones_of(US);
    for given in [
        "(650) 253-0000",
        "650.253.0000",
        "+1 650 253 0000",
        "1-650-253-0000",
        "tel:+1-650-253-0000",
        "\u{ff0b}1 650 253 0000",
        " 650 253 0000 ",
    ] {
        assert_eq!(one(&us, given), Ok("+16502530000".to_owned()), "{given}");
    }
    assert_eq!(one(&us, "+44 (0)20 7946 0000"), Ok("+442079460000".to_owned()));
    assert_eq!(
        one(&phones_of("IT"), "06 6982 1234"),
        Ok("+390669821234".to_owned())
    );
    for given in ["", "none", "911", "650 253", "+999 123", "+1 000 000 0000"] {
        assert!(one(&us, given).is_err(), "{given}");
    }
    let extended = one(&us, "650 253 0000 ext. 12").unwrap_err();
    assert!(extended.contains("extension"), "{extended}");
    let anywhere = named(&["phone"]);
    assert_eq!(one(&anywhere, "+1 650 253 0000"), Ok("+16502530000".to_owned()));
    assert!(one(&anywhere, "650 253 0000").unwrap_err().contains("x-region"));
}

#[test]
fn what_cannot_be_normalized_is_refused_by_its_path() {
    let document = json!({ "type": "object", "properties": {
        "a": { "type": "integer", "x-normalize": "trim" },
        "b": { "type": "string", "format": "date", "x-normalize": "trim" },
        "c": { "type": "string", "x-normalize": ["trim", "upper"] },
        "d": { "type": "string", "x-normalize": true },
        "e": { "type": "string", "x-normalize": [] },
        "f": { "type": "string", "x-normalize": "phone", "x-region": "us" },
        "g": { "type": "string", "x-normalize": "phone", "x-region": "ZZ" },
        "h": { "type": "string", "x-normalize": "email", "x-region": "US" },
        "i": { "type": "string", "x-normalize": ["trim", "trim"] },
        "j": { "type": "string", "x-normalize": ["trim", "phone"], "x-region": "DE" },
        "k": { "type": "array", "items": { "type": "string", "x-normalize": "trim" } },
        "l": { "type": "string", "format": "email", "x-normalize": "email" },
    } });
    let paths: Vec<String> = TableSchema::parse(&document)
        .unwrap_err()
        .into_iter()
        .map(|it| it.path)
        .collect();
    let expected = [
        "a.x-normalize",
        "b.x-normalize",
        "c.x-normalize[1]",
        "d.x-normalize",
        "e.x-normalize",
        "f.x-region",
        "g.x-region",
        "h.x-region",
        "i.x-normalize[1]",
        "k.items.x-normalize",
    ];
    assert_eq!(paths, expected.map(|it| format!("$.properties.{it}")));
}

proptest! {
    #[test]
    fn what_is_normal_stays_as_it_is(text in "[ A-Za-z0-9@.+äÖİßΣ-]{0,24}") {
        for steps in [named(&["trim"]), named(&["lowercase"]), named(&["email"]), phones_of("DE")] {
            if let Ok(normal) = one(&steps, &text) {
                prop_assert_eq!(one(&steps, &normal), Ok(normal.clone()));
            }
        }
    }
}
