use datacovey_proto::internal::rows::v1::DatabaseError;
use datacovey_rest::Error;

use crate::ask::{details, fault, header, refused};

#[test]
fn parse_errors_say_where_and_what() {
    for (query, message, expected) in [
        (
            "order=name.ac",
            "order (name.ac)\" (line 1, column 6)",
            "unexpected \"c\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"",
        ),
        (
            "order=name.asc.nlsfst",
            "order (name.asc.nlsfst)\" (line 1, column 10)",
            "unexpected \"l\" expecting \"nullsfirst\" or \"nullslast\"",
        ),
        (
            "order=name.descc",
            "order (name.descc)\" (line 1, column 10)",
            "unexpected 'c' expecting delimiter (.), \",\" or end of input",
        ),
        (
            "order=",
            "order ()\" (line 1, column 1)",
            "unexpected end of input expecting field name (* or [a..z0..9_$])",
        ),
        (
            "or=",
            "logic tree ()\" (line 1, column 3)",
            "unexpected end of input expecting \"(\"",
        ),
        (
            "and=(name.eq.a",
            "logic tree ((name.eq.a)\" (line 1, column 14)",
            "unexpected end of input expecting \",\" or \")\"",
        ),
        (
            "name=eq",
            "filter (eq)\" (line 1, column 3)",
            "unexpected end of input expecting operator (eq, gt, ...)",
        ),
        (
            "name=x",
            "filter (x)\" (line 1, column 1)",
            "unexpected \"x\" expecting \"not\" or operator (eq, gt, ...)",
        ),
    ] {
        let error = refused(&format!("GET /project?{query}"));
        assert_eq!(error.message, format!("\"failed to parse {message}"), "{query}");
        assert_eq!(details(&error), expected, "{query}");
        assert_eq!(error.hint, None);
    }
}

#[test]
fn names_that_are_like_another_are_hinted() {
    for (name, expected) in [
        ("projects", Some("project")),
        ("queries", Some("query")),
        ("Table", Some("table")),
        ("import", Some("import_job")),
        ("pro", Some("project")),
        ("history", Some("query_history")),
        ("jobs", None),
        ("xyz", None),
        ("", None),
    ] {
        if name.is_empty() {
            continue;
        }
        let error = refused(&format!("GET /{name}"));
        assert_eq!(
            error.message,
            format!("Could not find the table 'api.{name}' in the schema cache")
        );
        let hint = expected.map(|it| format!("Perhaps you meant the table 'api.{it}'"));
        assert_eq!(error.hint, hint, "{name}");
    }
    assert_eq!(refused(&format!("GET /{}", "project".repeat(1000))).hint, None);
}

#[test]
fn the_body_has_all_four_keys() {
    let body = refused("GET /xyz").to_json();
    let mut keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["code", "details", "hint", "message"]);
    assert!(body["hint"].is_null() && body["details"].is_null());
}

#[test]
fn each_sqlstate_has_a_status() {
    for (codes, status) in [
        (&["08000", "08006", "53300", "57P01"][..], 503),
        (
            &[
                "09000", "25001", "2D000", "38000", "39000", "3B000", "40001", "53400", "54001", "55P03",
                "57014", "58030", "F0000", "HV000", "P0002", "XX000", "42P17", "21000",
            ],
            500,
        ),
        (&["0L000", "0P000", "28000", "28P01", "42501"], 403),
        (&["23503", "23505"], 409),
        (&["25006"], 405),
        (&["42883", "42P01"], 404),
        (
            &[
                "P0001", "22P02", "22003", "23502", "42703", "42704", "42804", "42P10", "22023", "", "?",
            ],
            400,
        ),
        (&["PT418"], 418),
        (&["PGRST116"], 406),
        (&["PGRST115", "PGRST124"], 400),
    ] {
        for code in codes {
            let error = Error::of_database(DatabaseError {
                code: (*code).to_owned(),
                message: "m".to_owned(),
                details: Some("d".to_owned()),
                hint: Some("h".to_owned()),
            });
            assert_eq!(error.status.as_u16(), status, "{code}");
            assert_eq!((error.code.as_str(), details(&error)), (*code, "d"));
            assert_eq!((error.message.as_str(), error.hint.as_deref()), ("m", Some("h")));
        }
    }
}

#[test]
fn some_sqlstates_go_by_their_message() {
    for (code, message, status) in [
        ("21000", "UPDATE requires a WHERE clause", 400),
        (
            "21000",
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
            500,
        ),
        ("22023", "role \"x\" does not exist", 401),
        ("22023", "cannot call json_to_recordset on a scalar", 400),
    ] {
        let error = Error::of_database(DatabaseError {
            code: code.to_owned(),
            message: message.to_owned(),
            ..DatabaseError::default()
        });
        assert_eq!(fault(&error), (status, code), "{message}");
        let challenge = (status == 401).then_some("Bearer");
        assert_eq!(header(&error.answer(false), "www-authenticate"), challenge);
    }
}

#[test]
fn what_a_service_refuses_is_the_same_at_the_gateway() {
    for error in [
        Error::not_singular(2),
        Error::too_many_affected(3),
        Error::put_mismatch(),
    ] {
        assert_eq!(Error::of_database(error.to_database()), error);
    }
}
