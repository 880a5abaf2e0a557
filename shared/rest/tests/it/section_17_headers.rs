use datacovey_rest::{Body, Error, Outcome};

use crate::ask::{answer, ask_with, header};

#[test]
fn content_location_has_the_parameters_in_order() {
    for (target, expected) in [
        ("/project", "/project"),
        ("/project?", "/project"),
        (
            "/project?select=id,name&id=eq.a+b",
            "/project?id=eq.a%20b&select=id%2Cname",
        ),
        ("/project?name=eq.b&name=neq.a", "/project?name=eq.b,neq.a"),
        ("/project?order=id&limit=1", "/project?limit=1&order=id"),
    ] {
        for method in ["GET", "HEAD"] {
            let found = answer(&format!("{method} {target}"), &[], "", &Outcome::default());
            assert_eq!(header(&found, "content-location"), Some(expected), "{target}");
        }
    }
    let long = format!("GET /project?name=eq.{}", "(".repeat(5000));
    assert_eq!(
        header(&answer(&long, &[], "", &Outcome::default()), "content-location"),
        None
    );
    let found = answer("DELETE /project?id=eq.1", &[], "", &Outcome::default());
    assert_eq!(header(&found, "content-location"), None);
}

#[test]
fn every_answer_says_what_answers() {
    let found = answer("GET /project", &[], "", &Outcome::default());
    assert_eq!(header(&found, "server"), Some("postgrest/13.0.6"));
    let error = ask_with("GET /nope", &[], "").unwrap_err().answer(false);
    assert_eq!(header(&error, "server"), Some("postgrest/13.0.6"));
}

#[test]
fn errors_tell_their_code_in_a_header() {
    let error = ask_with("HEAD /nope", &[("accept", "text/csv")], "").unwrap_err();
    for is_head in [true, false] {
        let found = error.answer(is_head);
        assert_eq!(found.status.as_u16(), 404);
        assert_eq!(header(&found, "proxy-status"), Some("PostgREST; error=PGRST205"));
        assert_eq!(
            header(&found, "content-type"),
            Some("application/json; charset=utf-8")
        );
        assert_eq!(found.body == Body::Empty, is_head);
    }
    assert_eq!(
        header(&Error::unavailable().answer(false), "retry-after"),
        Some("1")
    );
}

#[test]
fn what_has_no_body_has_no_type() {
    for (line, prefer) in [
        ("POST /project", ""),
        ("PATCH /project", ""),
        ("DELETE /project", "return=minimal"),
    ] {
        let found = answer(line, &[("prefer", prefer)], "{}", &Outcome::default());
        assert_eq!(header(&found, "content-type"), None, "{line}");
        assert_eq!(found.body, Body::Empty);
    }
}
