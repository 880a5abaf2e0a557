use datacovey_rest::{Body, Origins, Outcome, add_cors, preflight};
use http::{HeaderMap, HeaderValue, Method};

use crate::ask::{answer, ask, header, headers};

#[test]
fn head_is_get_without_a_body() {
    let outcome = Outcome {
        rows: 2,
        total: Some(3),
        ..Outcome::default()
    };
    let with = [("prefer", "count=exact")];
    let get = answer("GET /project?id=gt.1", &with, "", &outcome);
    let head = answer("HEAD /project?id=gt.1", &with, "", &outcome);
    assert_eq!((head.status, &head.headers), (get.status, &get.headers));
    assert_eq!(head.body, Body::Empty);
    assert_eq!(head.status.as_u16(), 206);
    let root = ask("HEAD /")
        .unwrap()
        .answering
        .answer_document(&serde_json::json!({}));
    assert_eq!(root.body, Body::Empty);
}

#[test]
fn options_say_what_a_relation_can_do() {
    for (line, allowed) in [
        ("OPTIONS /", "OPTIONS,GET,HEAD"),
        ("OPTIONS /project", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("OPTIONS /dataset_history", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
    ] {
        let found = ask(line).unwrap().answering.answer_options();
        assert_eq!(found.status.as_u16(), 200);
        assert_eq!(header(&found, "allow"), Some(allowed));
        assert_eq!(header(&found, "access-control-allow-origin"), Some("*"));
        assert_eq!(found.body, Body::Empty);
    }
}

#[test]
fn preflights_are_answered() {
    let asked = headers(&[
        ("origin", "http://a"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "Prefer, X-Custom"),
    ]);
    let found = preflight(&Method::OPTIONS, &asked, &Origins::Any).unwrap();
    assert_eq!(found.status.as_u16(), 200);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        (
            "access-control-allow-methods",
            "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD",
        ),
        (
            "access-control-allow-headers",
            "Authorization, Prefer, X-Custom, Accept, Accept-Language, Content-Language",
        ),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(header(&found, name), Some(value));
    }
    assert!(preflight(&Method::GET, &asked, &Origins::Any).is_none());
    for missing in ["origin", "access-control-request-method"] {
        let mut asked = asked.clone();
        asked.remove(missing);
        assert!(preflight(&Method::OPTIONS, &asked, &Origins::Any).is_none());
    }
}

#[test]
fn answers_to_pages_may_be_read_by_them() {
    let mut found = HeaderMap::new();
    add_cors(&headers(&[]), &Origins::Any, &mut found);
    assert!(found.is_empty());
    add_cors(&headers(&[("origin", "http://a")]), &Origins::Any, &mut found);
    assert_eq!(found["access-control-allow-origin"], "*");
    assert_eq!(
        found["access-control-expose-headers"],
        "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, \
         Range-Unit"
    );
    let only = Origins::Only(vec!["http://a".to_owned()]);
    let mut found = HeaderMap::new();
    // As OPTIONS of a relation begins.
    found.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    add_cors(&headers(&[("origin", "http://b")]), &only, &mut found);
    assert_eq!(found, headers(&[("vary", "Origin")]));
    let mut found = HeaderMap::new();
    add_cors(&headers(&[("origin", "http://a")]), &only, &mut found);
    assert_eq!(found["access-control-allow-origin"], "http://a");
    assert_eq!(found["access-control-allow-credentials"], "true");
}
