//! Status and headers of answers (sections 7, 16, 17 and 20 of what the original does).

use super::{affects, ask, finds, header};
use crate::fake;
use crate::suite::Suite;

const TWO: &[&str] = &[r#"{"id": 1}"#, r#"{"id": 2}"#];

#[tokio::test]
async fn a_read_says_which_part_it_is() {
    let suite = Suite::start().await;
    for (line, headers, total, status, range) in [
        ("GET /project", &[][..], None, 200, "0-1/*"),
        ("GET /project?limit=2&offset=3", &[], None, 200, "3-4/*"),
        ("GET /project", &[("range", "3-4")], None, 200, "3-4/*"),
        (
            "GET /project",
            &[("prefer", "count=exact")],
            Some(2),
            200,
            "0-1/2",
        ),
        (
            "GET /project",
            &[("prefer", "count=exact")],
            Some(5),
            206,
            "0-1/5",
        ),
        (
            "HEAD /project",
            &[("prefer", "count=exact"), ("range", "3-4")],
            Some(5),
            206,
            "0-1/5",
        ),
    ] {
        finds(&suite.catalog, total, TWO);
        let answer = ask(&suite, line, headers, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-range")),
            (status, Some(range)),
            "{line} {headers:?}"
        );
    }
    finds(&suite.catalog, Some(0), &[]);
    let empty = ask(&suite, "GET /project", &[("prefer", "count=exact")], "").await;
    assert_eq!((empty.text(), empty.header("content-range")), ("[]", Some("*/0")));
    finds(&suite.catalog, Some(5), &[]);
    let beyond = ask(&suite, "GET /project?offset=6", &[("prefer", "count=exact")], "").await;
    assert_eq!(beyond.refused(), (416, "PGRST103".to_owned()));
    assert_eq!(
        beyond.json()["details"],
        "An offset of 6 was requested, but there are only 5 rows."
    );
}

#[tokio::test]
async fn a_read_has_its_length_and_where_it_is() {
    let suite = Suite::start().await;
    finds(&suite.catalog, None, TWO);
    let answer = ask(
        &suite,
        "GET /project?select=id&id=gt.0&id=lt.9",
        &[("accept-profile", "api")],
        "",
    )
    .await;
    assert_eq!(answer.text(), "[{\"id\": 1}, \n {\"id\": 2}]");
    for (name, value) in [
        ("content-length", Some("24")),
        ("transfer-encoding", None),
        ("content-type", Some("application/json; charset=utf-8")),
        ("content-location", Some("/project?id=gt.0,lt.9&select=id")),
        ("content-profile", Some("api")),
        ("server", Some("postgrest/13.0.6")),
        ("range-unit", None),
        ("preference-applied", None),
        ("access-control-allow-origin", None),
        ("access-control-expose-headers", None),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(answer.header("date").is_some() && answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn head_is_get_without_a_body_and_length() {
    let suite = Suite::start().await;
    finds(&suite.catalog, None, TWO);
    let get = ask(&suite, "GET /project", &[], "").await;
    let head = ask(&suite, "HEAD /project", &[], "").await;
    assert!(head.body.is_empty());
    assert_eq!(
        (head.header("content-length"), head.header("transfer-encoding")),
        (None, None)
    );
    for name in ["content-type", "content-range", "content-location"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    // What is known before is not read.
    let rows = super::answers::<()>(&suite.catalog, super::SELECT, || {
        fake::messages(&[header(&["id"], Some(9), Some(7))])
    });
    let head = ask(&suite, "HEAD /project", &[("prefer", "count=exact")], "").await;
    assert_eq!(
        (head.status.as_u16(), head.header("content-range")),
        (206, Some("0-6/9"))
    );
    assert_eq!(rows.lock().unwrap().len(), 1);
    // An error says its code in a header.
    let refused = ask(&suite, "HEAD /nope", &[], "").await;
    assert_eq!(refused.status.as_u16(), 404);
    assert!(refused.body.is_empty());
    assert_eq!(refused.header("proxy-status"), Some("PostgREST; error=PGRST205"));
    assert_eq!(refused.header("content-length"), None);
}

#[tokio::test]
async fn rows_are_written_as_they_are_accepted() {
    let suite = Suite::start().await;
    for (accept, rows, kind, body) in [
        (
            "text/csv",
            &["1,x", "2,"][..],
            "text/csv; charset=utf-8",
            "id,name\n1,x\n2,",
        ),
        ("text/csv", &[], "text/csv; charset=utf-8", "\n"),
        (
            "application/vnd.pgrst.object+json",
            &["{\"id\":1}"],
            "application/vnd.pgrst.object+json; charset=utf-8",
            "{\"id\":1}",
        ),
        (
            "application/vnd.pgrst.array+json;nulls=stripped",
            &["{}"],
            "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            "[{}]",
        ),
    ] {
        finds(&suite.catalog, None, rows);
        let answer = ask(&suite, "GET /project", &[("accept", accept)], "").await;
        assert_eq!((answer.header("content-type"), answer.text()), (Some(kind), body));
    }
    // A service that gives more than the one row that was asked for is not believed.
    finds(&suite.catalog, None, TWO);
    let accept = [("accept", "application/vnd.pgrst.object+json")];
    let answer = ask(&suite, "GET /project", &accept, "").await;
    assert_eq!(answer.refused(), (406, "PGRST116".to_owned()));
}

#[tokio::test]
async fn writes_say_what_they_did() {
    let suite = Suite::start().await;
    let representation = ("prefer", "return=representation");
    affects(&suite.catalog, &[r#"{"id":7}"#], 1);
    for (line, prefer, status, body, range, location) in [
        ("POST /project", "", 201, "", Some("*/*"), None),
        (
            "POST /project",
            "return=minimal, count=exact",
            201,
            "",
            Some("*/1"),
            None,
        ),
        (
            "POST /project",
            "return=headers-only",
            201,
            "",
            Some("*/*"),
            Some("/project?id=eq.7"),
        ),
        (
            "POST /project",
            "return=representation",
            201,
            r#"[{"id":7}]"#,
            Some("*/*"),
            None,
        ),
        ("PUT /project?id=eq.7", "", 204, "", None, None),
        (
            "PUT /project?id=eq.7",
            "return=representation",
            201,
            r#"[{"id":7}]"#,
            None,
            None,
        ),
        ("PATCH /project?id=eq.7", "", 204, "", Some("0-0/*"), None),
        (
            "PATCH /project?id=eq.7",
            "return=representation",
            200,
            r#"[{"id":7}]"#,
            Some("0-0/*"),
            None,
        ),
        (
            "DELETE /project?id=eq.7",
            "count=exact",
            204,
            "",
            Some("*/1"),
            None,
        ),
        (
            "DELETE /project?id=eq.7",
            "return=representation",
            200,
            r#"[{"id":7}]"#,
            Some("*/*"),
            None,
        ),
    ] {
        let answer = ask(&suite, line, &[("prefer", prefer)], r#"{"id":7}"#).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (status, body),
            "{line} {prefer}"
        );
        assert_eq!(answer.header("content-range"), range, "{line} {prefer}");
        assert_eq!(answer.header("location"), location, "{line} {prefer}");
        let kind = (!body.is_empty()).then_some("application/json; charset=utf-8");
        assert_eq!(answer.header("content-type"), kind, "{line} {prefer}");
        let applied = (!prefer.is_empty()).then_some(prefer);
        assert_eq!(answer.header("preference-applied"), applied, "{line}");
        let length = body.len().to_string();
        let length = (status != 204).then_some(length.as_str());
        assert_eq!(answer.header("content-length"), length, "{line} {prefer}");
    }
    affects(&suite.catalog, &[r#"{"id":7}"#], 0);
    let merge = ("prefer", "resolution=merge-duplicates");
    let answer = ask(&suite, "POST /project", &[merge, representation], r#"{"id":7}"#).await;
    assert_eq!(answer.status.as_u16(), 200);
    let applied = "resolution=merge-duplicates, return=representation";
    assert_eq!(answer.header("preference-applied"), Some(applied));
}

#[tokio::test]
async fn options_say_what_can_be_done() {
    let suite = Suite::start().await;
    for (path, allowed) in [
        ("/", "OPTIONS,GET,HEAD"),
        ("/project", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("/query_history", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
    ] {
        let answer = ask(&suite, &format!("OPTIONS {path}"), &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
        assert_eq!(answer.header("allow"), Some(allowed));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let nothing = ask(&suite, "OPTIONS /nope", &[], "").await;
    assert_eq!(nothing.refused(), (404, "PGRST205".to_owned()));
}
