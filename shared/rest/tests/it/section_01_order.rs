use crate::ask::{ask_with, fault};

/// Each line has every fault from its own on: the first one is the answer.
#[test]
fn the_first_fault_is_the_answer() {
    for (line, with, body, expected) in [
        (
            "TRACE /a/b?order=",
            &[("accept-profile", "x")][..],
            "",
            (404, "PGRST125"),
        ),
        (
            "TRACE /nope?order=",
            &[("accept-profile", "x")],
            "",
            (406, "PGRST106"),
        ),
        ("TRACE /nope?order=", &[], "", (405, "PGRST117")),
        ("PATCH /rpc/x?order=", &[], "", (405, "PGRST101")),
        ("POST /nope?order=&limit=-1", &[], "", (400, "PGRST100")),
        ("POST /nope?limit=-1", &[], "", (416, "PGRST103")),
        ("PUT /nope?limit=1", &[], "", (400, "PGRST114")),
        ("POST /nope?a.id=eq.1", &[], "", (400, "PGRST102")),
        ("POST /nope?a.id=eq.1", &[], "{\"no\":1}", (404, "PGRST205")),
        ("OPTIONS /nope", &[], "", (404, "PGRST205")),
        (
            "POST /project?a.id=eq.1&select=b(*)",
            &[],
            "{\"no\":1}",
            (400, "PGRST108"),
        ),
        (
            "POST /project?select=b(*),count()",
            &[],
            "{\"no\":1}",
            (400, "PGRST200"),
        ),
        (
            "POST /project?select=count()",
            &[],
            "{\"no\":1}",
            (400, "PGRST123"),
        ),
        ("PUT /project", &[], "{\"no\":1}", (400, "PGRST204")),
        ("PUT /project", &[], "{\"id\":1}", (405, "PGRST105")),
        (
            "GET /project",
            &[("accept", "a/b"), ("prefer", "handling=strict, x")],
            "",
            (406, "PGRST107"),
        ),
        (
            "DELETE /project",
            &[("accept", "a/b"), ("prefer", "handling=strict, x")],
            "",
            (400, "PGRST122"),
        ),
        ("DELETE /project", &[("accept", "a/b")], "", (406, "PGRST107")),
    ] {
        let error = ask_with(line, with, body).map(|it| it.call).expect_err(line);
        assert_eq!(fault(&error), expected, "{line}: {error:?}");
    }
}

#[test]
fn within_a_query_string_the_order_is_fixed() {
    let wrong = ["order=", "or=", "columns=", "select=(", "id=x", "on_conflict="];
    let named = [
        "order",
        "logic tree",
        "columns parameter",
        "select parameter",
        "filter",
        "on_conflict parameter",
    ];
    for (first, name) in named.iter().enumerate() {
        let reversed: Vec<_> = wrong[first..].iter().rev().copied().collect();
        let error = crate::ask::refused(&format!("GET /project?{}", reversed.join("&")));
        assert!(
            error.message.contains(&format!("failed to parse {name} (")),
            "{}",
            error.message
        );
    }
}

#[test]
fn bodies_of_get_and_delete_are_not_looked_at() {
    for line in ["GET /project", "DELETE /project"] {
        assert!(ask_with(line, &[("content-type", "text/plain")], "{").is_ok());
    }
}

#[test]
fn unknown_columns_are_the_databases_to_refuse() {
    for line in [
        "GET /project?nope=eq.1",
        "GET /project?select=nope",
        "GET /project?order=nope",
    ] {
        assert!(ask_with(line, &[], "").is_ok(), "{line}");
    }
}
