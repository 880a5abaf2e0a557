//! Requests of the REST API.

use bytes::Bytes;
use datacovey_rest::{Answer, Body, Call, Error, Head, Outcome, Relations, Request, Settings};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

/// Those that are read.
const HEADERS: [&str; 6] = [
    "prefer",
    "accept",
    "range",
    "content-type",
    "accept-profile",
    "content-profile",
];

/// A request: its method and target in the first line, headers in those up to an empty one, and the body.
/// It gets an answer of the right shape, and the same one each time.
pub fn rest(request: &[u8]) {
    let one = answered(request);
    assert_eq!(one, answered(request));
    let (_, answer) = one;
    assert!(answer.status.as_u16() >= 200);
    if answer.status.is_success() {
        return;
    }
    let code = answer.headers["proxy-status"].to_str().expect("an ASCII header");
    let code = code.strip_prefix("PostgREST; error=").expect("a code");
    if let Body::Whole(body) = &answer.body {
        let body: Value = serde_json::from_slice(body).expect("a JSON body");
        assert_eq!(body["code"], code);
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(4));
        assert!(body["message"].is_string());
    }
}

/// What is asked of a service, and an answer to it where nothing was found.
fn answered(request: &[u8]) -> (Option<String>, Answer) {
    let settings = Settings::default();
    let mut lines = request.splitn(2, |it| *it == b'\n');
    let first = lines.next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let (method, target) = first.split_once(' ').unwrap_or(("GET", &first));
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    let mut rest = lines.next().unwrap_or_default();
    while let Some(end) = rest.iter().position(|it| *it == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        for name in HEADERS {
            let value = line
                .strip_prefix(name.as_bytes())
                .and_then(|it| it.strip_prefix(b":"));
            if let Some(Ok(value)) = value.map(HeaderValue::from_bytes) {
                headers.append(name, value);
            }
        }
    }
    let request = Request {
        method: &method,
        path,
        query,
        headers: &headers,
    };
    let is_head = method == Method::HEAD;
    let answer = |error: Error| error.answer(is_head);
    let head = match Head::read(request, &settings) {
        Ok(head) => head,
        Err(error) => return (None, answer(error)),
    };
    match head.plan(Relations::contract(), &Bytes::copy_from_slice(rest)) {
        Err(error) => (None, answer(error)),
        Ok(plan) => match plan.call {
            Call::Document => (None, plan.answering.answer_document(&Value::Null)),
            Call::Options => (None, plan.answering.answer_options()),
            Call::Rows(relation, rows) => {
                assert_eq!(Relations::contract().get(&relation.name), Some(relation));
                let found = plan.answering.answer_rows(&Outcome::default());
                (Some(format!("{rows:?}")), found.unwrap_or_else(answer))
            }
        },
    }
}
