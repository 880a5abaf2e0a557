//! What any filter, order, page token and mask holds to: for the seeds of the fuzz targets, and for what
//! proptest makes up of their words.
#![allow(clippy::expect_used, reason = "tests")]

#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/list.rs"]
mod checks;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/seeds.rs"]
mod seeds;

use proptest::prelude::*;

#[test]
fn seeds_hold() {
    seeds::each_text("filter", checks::filter);
    seeds::each_text("order", checks::order);
    seeds::each_text("page_token", checks::page_token);
    seeds::each_text("field_mask", checks::field_mask);
}

/// Texts of these words, with or without blanks between.
fn of(words: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let word = prop_oneof![9 => prop::sample::select(words).prop_map(str::to_owned), 1 => "(?s).{0,4}"];
    (
        prop::collection::vec(word, 0..most),
        prop::sample::select(vec!["", " "]),
    )
        .prop_map(|(words, between)| words.join(between))
}

const FILTER: &[&str] = &[
    "(",
    ")",
    "AND",
    "OR",
    "NOT",
    "-",
    "=",
    "!=",
    "<",
    ">=",
    ":",
    "*",
    "id",
    "name",
    "note",
    "at",
    "on",
    "role",
    "true",
    "ADMIN",
    "\"a*\\*\\\\%_\"",
    "'ü\"'",
    "2026-01-01",
    "\"2016-12-31T23:59:60.25-01:00\"",
    "name = a",
    "name:b",
    "note:*",
    "on != false",
    "00000000-0000-0000-0000-000000000001",
];
const ORDER: &[&str] = &[
    "id", "name", "note", "at", "on", "role", ",", " asc", " desc", " ",
];
const MASK: &[&str] = &["name", "description", "schema", "id", "*", "", "name.first"];

/// A filter that is one, so that what is printed is read again.
fn terms() -> impl Strategy<Value = String> {
    let term = prop::sample::select(vec![
        "name = a",
        "name:\"x\\*%\"",
        "name != \"*y\"",
        "note:*",
        "on = true",
        "role != USER",
        "at < 2026-01-01T00:00:00.5Z",
        "id >= 00000000-0000-0000-0000-000000000001",
    ]);
    let quoted = term.prop_map(|it| it.replace("2026-01-01T00:00:00.5Z", "\"2026-01-01T00:00:00.5Z\""));
    quoted.prop_recursive(5, 40, 4, |inner| {
        (
            prop::collection::vec(inner, 1..4),
            prop::sample::select(vec![" AND ", " OR ", " "]),
            0..3_u8,
        )
            .prop_map(|(parts, between, form)| match form {
                0 => parts.join(between),
                1 => format!("({})", parts.join(between)),
                _ => format!("NOT ({})", parts.join(between)),
            })
    })
}

proptest! {
    #[test]
    fn any_filter_holds(text in of(FILTER, 30)) {
        checks::filter(&text);
    }

    #[test]
    fn any_good_filter_holds(text in terms()) {
        checks::filter(&text);
    }

    #[test]
    fn any_order_holds(text in of(ORDER, 12)) {
        checks::order(&text);
    }

    #[test]
    fn any_page_token_holds(
        filters in prop::array::uniform2(terms()), orders in prop::array::uniform2(of(ORDER, 4)),
        parents in prop::array::uniform2("[ab]?"), row in "(?-s).{0,20}", token in "[A-Za-z0-9_-]{0,40}",
    ) {
        let [one, other] = [0, 1].map(|it| format!("{}\n{}\n{}", filters[it], orders[it].trim(), parents[it]));
        checks::page_token(&format!("{one}\n{other}\n{row}\n{token}"));
    }

    #[test]
    fn any_mask_holds(paths in prop::collection::vec(prop::sample::select(MASK), 1..6)) {
        checks::field_mask(&paths.join("\n"));
    }
}
