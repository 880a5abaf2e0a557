use datacovey_rest::Call;

use crate::ask::{ask, ask_with, details, fault, refused};

#[test]
fn paths_are_the_root_a_relation_or_a_function() {
    for path in ["/a/b", "/project/", "//project", "/rpc/x/y", "/rpc/", "/%ff"] {
        assert_eq!(
            fault(&refused(&format!("GET {path}"))),
            (404, "PGRST125"),
            "{path}"
        );
    }
    assert!(matches!(ask("GET /").unwrap().call, Call::Document));
    assert!(matches!(ask("GET /pro%6Aect").unwrap().call, Call::Rows(it, _) if it.name == "project"));
    for path in ["/rpc", "/Project", "/project;x", "/%22project%22"] {
        assert_eq!(
            fault(&refused(&format!("GET {path}"))),
            (404, "PGRST205"),
            "{path}"
        );
    }
}

#[test]
fn methods_are_those_of_the_target() {
    for (line, expected) in [
        ("POST /", (405, "PGRST117")),
        ("PUT /", (405, "PGRST117")),
        ("PATCH /", (405, "PGRST117")),
        ("DELETE /", (405, "PGRST117")),
        ("TRACE /", (405, "PGRST117")),
        ("TRACE /project", (405, "PGRST117")),
        ("GET /rpc/x", (404, "PGRST202")),
        ("HEAD /rpc/x", (404, "PGRST202")),
        ("OPTIONS /rpc/x", (404, "PGRST202")),
        ("POST /rpc/x", (404, "PGRST202")),
        ("PUT /rpc/x", (405, "PGRST101")),
        ("PATCH /rpc/x", (405, "PGRST101")),
        ("DELETE /rpc/x", (405, "PGRST101")),
        ("TRACE /rpc/x", (405, "PGRST101")),
    ] {
        assert_eq!(fault(&refused(line)), expected, "{line}");
    }
    assert_eq!(refused("TRACE /").message, "Unsupported HTTP method: TRACE");
    assert_eq!(
        refused("PATCH /rpc/x").message,
        "Cannot use the PATCH method on RPC"
    );
}

#[test]
fn a_function_is_missed_with_its_parameters() {
    let error = refused("GET /rpc/nope");
    assert_eq!(
        error.message,
        "Could not find the function api.nope without parameters in the schema cache"
    );
    assert_eq!(
        details(&error),
        "Searched for the function api.nope without parameters, but no matches were found in the schema cache."
    );
    let error = ask_with("POST /rpc/nope", &[], "{\"a\":1}").unwrap_err();
    assert_eq!(
        error.message,
        "Could not find the function api.nope(a) in the schema cache"
    );
    assert_eq!(
        details(&error),
        "Searched for the function api.nope with parameter a or with a single unnamed json/jsonb parameter, but no \
         matches were found in the schema cache."
    );
}

#[test]
fn the_schema_is_read_from_the_header_of_the_method() {
    let wrong = ask_with("GET /project", &[("accept-profile", "x")], "").unwrap_err();
    assert_eq!(wrong.message, "The schema must be one of the following: api");
    for (line, name) in [
        ("GET /project", "content-profile"),
        ("HEAD /project", "content-profile"),
        ("OPTIONS /project", "content-profile"),
        ("POST /project", "accept-profile"),
        ("PATCH /project", "accept-profile"),
        ("DELETE /project", "accept-profile"),
    ] {
        assert!(ask_with(line, &[(name, "x")], "{}").is_ok(), "{line}");
        let other = if name == "accept-profile" {
            "content-profile"
        } else {
            "accept-profile"
        };
        let error = ask_with(line, &[(other, "x")], "{}")
            .map(|it| it.call)
            .expect_err(line);
        assert_eq!(fault(&error), (406, "PGRST106"), "{line}");
        let both = [("accept-profile", "api"), ("content-profile", "api")];
        let plan = ask_with(line, &both, "{}").unwrap();
        let answer = plan.answering.answer_options();
        assert_eq!(
            crate::ask::header(&answer, "content-profile"),
            Some("api"),
            "{line}"
        );
    }
    let answer = ask("GET /project").unwrap().answering.answer_options();
    assert_eq!(crate::ask::header(&answer, "content-profile"), None);
}
