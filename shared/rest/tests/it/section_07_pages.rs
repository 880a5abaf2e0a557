use datacovey_proto::internal::rows::v1::CountMode;
use datacovey_rest::{Outcome, Rows};

use crate::ask::{answer, ask_with, details, fault, header, rows};

fn page(line: &str, with: &[(&str, &str)]) -> (i64, Option<i64>) {
    match rows(line, with, "") {
        Rows::Select(it) => (it.offset, it.limit),
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_and_offsets() {
    for (query, expected) in [
        ("", (0, None)),
        ("limit=3", (0, Some(3))),
        ("offset=3", (3, None)),
        ("limit=3&offset=2", (2, Some(3))),
        ("limit=abc", (0, None)),
        ("limit=&offset=", (0, None)),
        ("limit=1.5", (0, None)),
        ("offset=-3", (0, None)),
        ("limit=0", (0, Some(0))),
        ("limit= 4 ", (0, Some(4))),
        ("limit=99999999999999999999", (0, Some(i64::MAX))),
        ("limit=2&limit=1", (0, Some(1))),
    ] {
        assert_eq!(page(&format!("GET /table?{query}"), &[]), expected, "{query}");
    }
}

#[test]
fn ranges_of_the_header_and_the_parameters_overlap() {
    for (query, range, expected) in [
        ("", "0-4", (0, Some(5))),
        ("", "5-", (5, None)),
        ("", "3-3", (3, Some(1))),
        ("", "items=0-1", (0, None)),
        ("", "a-b", (0, None)),
        ("", "-5", (0, None)),
        ("", "", (0, None)),
        ("", "0-1,3-4", (0, None)),
        ("limit=3&offset=2", "0-3", (2, Some(2))),
        ("limit=3&offset=2", "3-9", (3, Some(2))),
        ("limit=10", "2-", (2, Some(8))),
        ("offset=2", "0-9", (2, Some(8))),
        ("", "0-99999999999999999999", (0, Some(i64::MAX))),
    ] {
        let line = format!("GET /table?{query}");
        assert_eq!(
            page(&line, &[("range", range), ("range-unit", "x")]),
            expected,
            "{query} {range}"
        );
    }
    assert_eq!(page("HEAD /table", &[("range", "0-1")]), (0, None));
    assert!(ask_with("PATCH /table", &[("range", "3-1")], "{}").is_ok());
}

#[test]
fn pages_that_cannot_be_are_416() {
    let limit = "Limit should be greater than or equal to zero.";
    let bounds = "The lower boundary must be lower than or equal to the upper boundary in the Range header.";
    for (line, range, expected) in [
        ("GET /table?limit=-1", "", limit),
        ("PATCH /table?limit=-1", "", limit),
        ("DELETE /table?limit=-1", "", limit),
        ("GET /table", "4-2", bounds),
        ("GET /table?limit=2", "4-6", limit),
        ("GET /table?offset=9", "0-3", limit),
    ] {
        let with: &[_] = if range.is_empty() {
            &[]
        } else {
            &[("range", range)]
        };
        let error = ask_with(line, with, "{}").map(|it| it.call).expect_err(line);
        assert_eq!(fault(&error), (416, "PGRST103"), "{line}");
        assert_eq!(error.message, "Requested range not satisfiable");
        assert_eq!(details(&error), expected, "{line}");
    }
}

#[test]
fn a_known_total_makes_206_and_416() {
    for (query, rows, total, expected) in [
        ("", 15, None, (200, "0-14/*")),
        ("", 0, None, (200, "*/*")),
        ("limit=0", 0, None, (200, "*/*")),
        ("", 0, Some(0), (200, "*/0")),
        ("", 5, Some(5), (200, "0-4/5")),
        ("offset=3", 2, Some(5), (206, "3-4/5")),
        ("limit=2", 2, Some(5), (206, "0-1/5")),
        ("offset=5", 0, Some(5), (206, "*/5")),
        ("limit=0", 0, Some(5), (206, "*/5")),
    ] {
        for method in ["GET", "HEAD"] {
            let line = format!("{method} /table?{query}");
            let outcome = Outcome {
                rows,
                total,
                ..Outcome::default()
            };
            let found = answer(&line, &[("prefer", "count=exact")], "", &outcome);
            let range = header(&found, "content-range").unwrap();
            assert_eq!(
                (found.status.as_u16(), range),
                expected,
                "{line} {rows} {total:?}"
            );
        }
    }
    let plan = ask_with("GET /table?offset=6", &[("prefer", "count=exact")], "").unwrap();
    let outcome = Outcome {
        total: Some(5),
        ..Outcome::default()
    };
    let error = plan.answering.answer_rows(&outcome).unwrap_err();
    assert_eq!(
        error.to_json(),
        serde_json::json!({"code": "PGRST103", "message": "Requested range not satisfiable", "hint": null,
            "details": "An offset of 6 was requested, but there are only 5 rows."})
    );
}

#[test]
fn counts_are_asked_for() {
    for (prefer, expected) in [
        ("count=exact", CountMode::Exact),
        ("count=planned", CountMode::Planned),
        ("count=estimated", CountMode::Estimated),
        ("count=none", CountMode::Unspecified),
        ("count=EXACT", CountMode::Unspecified),
    ] {
        match rows("GET /table", &[("prefer", prefer)], "") {
            Rows::Select(it) => assert_eq!(it.count(), expected, "{prefer}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_embedding_has_no_negative_limit() {
    let error = crate::ask::refused("GET /project?select=*,dataset(*)&dataset.limit=-1");
    assert_eq!(fault(&error), (400, "2201W"));
}
