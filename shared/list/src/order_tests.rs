use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::field::Kind;

const FIELDS: Fields = Fields {
    relation: "thing",
    all: &[
        Field::new("id", Kind::Text),
        Field::new("name", Kind::Text),
        Field::optional("note", Kind::Text),
    ],
    sortable: &["id", "name", "note"],
    key: Field::new("id", Kind::Text),
};

fn read(text: &str) -> Result<Order, Vec<String>> {
    let mut violations = Violations::new();
    let order = Order::parse(text, &FIELDS, &mut violations);
    let wrong: Vec<_> = violations
        .into_vec()
        .into_iter()
        .map(|it| it.description)
        .collect();
    assert_eq!(order.is_some(), wrong.is_empty());
    order.ok_or(wrong)
}

fn short(text: &str) -> Vec<(&'static str, Direction)> {
    let order = read(text).unwrap();
    order
        .terms()
        .iter()
        .map(|(field, direction)| (field.name, *direction))
        .collect()
}

#[test]
fn the_key_makes_every_order_total() {
    use Direction::{Ascending, Descending};
    assert_eq!(short(""), [("id", Ascending)]);
    assert_eq!(
        short(" name desc , note"),
        [("name", Descending), ("note", Ascending), ("id", Ascending)]
    );
    assert_eq!(short("id desc"), [("id", Descending)]);
    assert_eq!(
        short("name asc,id desc"),
        [("name", Ascending), ("id", Descending)]
    );
}

#[test]
fn what_is_no_order_is_said() {
    assert_eq!(
        read("nmae, name down, name, name desc, id desc now").unwrap_err(),
        [
            "there is no field \"nmae\" to order by; those that there are: id, name, note",
            "\" name down\" is neither asc nor desc",
            "name is there twice",
        ]
    );
    assert_eq!(read("name,").unwrap_err().len(), 1);
    assert_eq!(read(&"a,".repeat(100_000)).unwrap_err().len(), 4);
}

/// Whether a row passes a filter, as the database would say it.
fn passes(filter: &Filter, row: &Json) -> bool {
    let text = |field: &Field| row[field.column].as_str();
    match filter {
        Filter::All(parts) => parts.iter().all(|it| passes(it, row)),
        Filter::Any(parts) => parts.iter().any(|it| passes(it, row)),
        Filter::Not(inner) => !passes(inner, row),
        Filter::IsNull(field) => text(field).is_none(),
        Filter::Compare(field, comparison, Value::Text(value)) => {
            text(field).is_some_and(|it| match comparison {
                Comparison::Equal => it == value,
                Comparison::Less => it < value.as_str(),
                Comparison::LessOrEqual => it <= value.as_str(),
                Comparison::Greater => it > value.as_str(),
                Comparison::GreaterOrEqual => it >= value.as_str(),
            })
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// Reading page after page gives every row once, in order.
    #[test]
    fn pages_are_the_list(
        rows in prop::collection::vec(("[ab]{0,2}", prop::option::of("[ab]{0,1}")), 1..30),
        order in prop::sample::select(vec!["", "name", "name desc", "note", "note desc,name", "note,name desc,id desc"]),
    ) {
        let order = read(order).unwrap();
        let rows: Vec<Json> = rows
            .into_iter()
            .enumerate()
            .map(|(id, (name, note))| json!({"id": format!("{id:02}"), "name": name, "note": note}))
            .collect();
        let sorted = |rows: Vec<Json>| {
            let mut rows: Vec<_> = rows.into_iter().map(|row| (order.cursor(&row), row)).collect();
            rows.sort_by(|(one, _), (other, _)| order.compare(one, other));
            rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
        };
        let mut seen: Vec<Json> = Vec::new();
        loop {
            let after = seen.last().map(|last| order.after(&order.cursor(last)).unwrap());
            let left = rows.iter().filter(|row| after.as_ref().is_none_or(|after| passes(after, row)));
            let page: Vec<_> = sorted(left.cloned().collect()).into_iter().take(3).collect();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
            prop_assert!(seen.len() <= rows.len());
        }
        prop_assert_eq!(seen, sorted(rows));
    }

    #[test]
    fn any_text_is_an_order_or_a_violation(text in "(?s).{0,60}") {
        let _ = read(&text);
    }
}

#[test]
fn a_cursor_of_another_shape_is_none() {
    let order = read("note").unwrap();
    for bad in [
        json!([]),
        json!(["a"]),
        json!(["a", 1]),
        json!(["a", "b", "c"]),
        json!([true, "b"]),
    ] {
        let cursor: Cursor = serde_json::from_value(bad).unwrap();
        assert_eq!(order.after(&cursor), None);
    }
}
