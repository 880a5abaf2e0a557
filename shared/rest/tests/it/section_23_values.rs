//! Values are the database's to read: they reach it as they are.

use datacovey_proto::internal::rows::v1::Operator;

use crate::ask::{filter, insert, update};

#[test]
fn values_of_filters_keep_every_character() {
    for value in [
        "9007199254740993",
        "2024-03-10T10:00:00.123456",
        "infinity",
        "{5B0C0D5E-0000-0000-0000-000000000000}",
        "1.5",
        "null",
        " a ",
    ] {
        assert_eq!(filter(&format!("name=eq.{value}")), format!("name eq <{value}>"));
    }
    assert_eq!(filter("name=eq.a%00b"), "name eq <a\0b>");
    assert_eq!(
        filter("name=in.(9007199254740993)"),
        "name in [\"9007199254740993\"]"
    );
}

#[test]
fn values_of_bodies_keep_every_digit_and_their_order() {
    let body =
        r#"{"name":9007199254740993,"description":{"z":12345678901234567890.10,"a":1,"a":2,"\u0000":1e400}}"#;
    assert_eq!(insert("POST /project", &[], body).rows, [body]);
    assert_eq!(insert("POST /project?columns=name", &[], body).rows, [body]);
    assert_eq!(update("PATCH /project", &[], body).values, body);
}

#[test]
fn every_operator_has_a_word() {
    // What the enum has and nobody can write would be dead.
    let words = "eq neq gt gte lt lte like ilike match imatch in is isdistinct fts plfts phfts wfts cs cd ov sl sr nxr nxl adj";
    let mut found: Vec<i32> = Vec::new();
    for word in words.split(' ') {
        let value = match word {
            "in" => "(1)",
            "is" => "null",
            _ => "1",
        };
        let request = crate::ask::select(&format!("/table?id={word}.{value}"));
        match request.filter.unwrap().node.unwrap() {
            datacovey_proto::internal::rows::v1::filter::Node::Condition(it) => found.push(it.operator),
            other => panic!("{other:?}"),
        }
    }
    let all: Vec<i32> = (1..).take_while(|it| Operator::try_from(*it).is_ok()).collect();
    found.sort_unstable();
    assert_eq!(found, all);
}
