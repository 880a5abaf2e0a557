//! Whatever the bytes are, there is an answer: for the seeds of the fuzz target, and for what proptest
//! makes up of the words of the API.

#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/rest.rs"]
mod checks;
#[allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../../../tests/fuzz/src/seeds.rs"]
mod seeds;

use proptest::prelude::*;

use crate::ask::{ask, filter, select, show_order};

#[test]
fn seeds_hold() {
    seeds::each("rest", checks::rest);
}

const WORDS: &[&str] = &[
    "GET ",
    "HEAD ",
    "POST ",
    "PATCH ",
    "PUT ",
    "DELETE ",
    "OPTIONS ",
    "/",
    "project",
    "dataset",
    "table",
    "rpc",
    "?",
    "&",
    "=",
    "select",
    "order",
    "limit",
    "offset",
    "or",
    "and",
    "not",
    "columns",
    "on_conflict",
    "id",
    "name",
    "schema",
    "eq",
    "in",
    "is",
    "null",
    "like",
    "fts",
    "any",
    "(",
    ")",
    ".",
    ",",
    ":",
    "::",
    "->",
    "->>",
    "!",
    "...",
    "*",
    "\"",
    "\\",
    "{",
    "}",
    "%",
    "%2",
    "%28",
    "%ff",
    "%00",
    "+",
    " ",
    "\n",
    "\n\n",
    "prefer:",
    "return=representation",
    "handling=strict",
    "accept:",
    "text/csv",
    "application/json",
    "content-type:",
    "range:",
    "0-1",
    "9",
    "-",
    "[",
    "]",
    "asc",
    "desc",
    "nullsfirst",
    "inner",
    "count()",
    "\u{0}",
    "\u{fc}",
];

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        checks::rest(&bytes);
    }

    #[test]
    fn any_words_give_an_answer(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        checks::rest(words.concat().as_bytes());
        checks::rest(format!("GET /dataset?{}", words.concat()).as_bytes());
        checks::rest(format!("POST /dataset\n\n{}", words.concat()).as_bytes());
    }

    #[test]
    fn a_value_that_is_encoded_is_read_as_it_was(value in "(?s).{0,40}") {
        let encoded = percent(&value);
        prop_assert_eq!(filter(&format!("name=eq.{encoded}")), format!("name eq <{value}>"));
        let quoted = percent(&format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
        prop_assert_eq!(filter(&format!("or=(name.eq.{quoted})")), format!("or(name eq <{value}>)"));
        prop_assert_eq!(filter(&format!("name=in.(x,{quoted})")), format!("name in {:?}", ["x", &value]));
    }

    #[test]
    fn an_order_that_is_shown_is_read_again(
        terms in prop::collection::vec(("[a-z]{1,8}", any::<bool>(), 0..3_usize), 1..8)
    ) {
        let texts: Vec<_> = terms.iter().map(|(name, descending, nulls)| {
            let direction = if *descending { ".desc" } else { "" };
            format!("{name}{direction}{}", ["", ".nullsfirst", ".nullslast"][*nulls])
        }).collect();
        let request = select(&format!("/table?order={}", texts.join(",")));
        prop_assert_eq!(show_order(&request.order).replace(", ", ",").replace(' ', "."), texts.join(","));
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|it| format!("%{it:02X}")).collect()
}

/// What is quadratic, or recursive, would not come back from these.
#[test]
fn long_texts_give_an_answer() {
    for part in [
        "(", ")", "\"", "\\\"", "a.", "a(", "or(", "not.", "->a", "{", ",", "...a(", "a:", "!a", "-", "%28",
    ] {
        for key in ["select", "order", "or", "columns", "name", "on_conflict"] {
            let text = part.repeat(60_000 / part.len());
            let _ = ask(&format!("GET /project?{key}={text}"));
            let _ = ask(&format!("GET /project?{text}=eq.1"));
            let _ = ask(&format!("GET /project?or=(name.eq.{text}"));
            let _ = ask(&format!("GET /project?name=in.({text}"));
        }
    }
}
