//! The access log: one line for whatever is answered, by whichever part of the gateway.

use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};

use crate::browser::{BINARY, Http, Page, WAYS};
use crate::callers::keep_headers;
use crate::fake::frame_bytes;
use crate::suite::{Suite, UNARY, one_message};

const ORIGIN: &str = "https://app.example.com";

/// Lines that a subscriber writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// One that listens on this thread, and on no other.
    fn begin() -> (Self, (Dispatch, DefaultGuard)) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_span_list(true)
            .with_writer(move || writer.clone())
            .finish();
        // Were it the only one, tracing would take it that every thread has it.
        let second = Dispatch::new(NoSubscriber::default());
        (log, (second, set_default(subscriber)))
    }

    /// The one line of a call that was written since the last look.
    fn call(&self) -> Value {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(bytes).unwrap();
        let calls: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["message"] == "call")
            .collect();
        let [call] = calls.as_slice() else {
            panic!("{calls:?}")
        };
        assert_eq!(call["method"], UNARY);
        assert_eq!(call["level"], "INFO");
        assert!(call["duration_ms"].as_f64().unwrap() >= 0.0);
        call.clone()
    }
}

/// What the line says of the request: its name, its method unless it is POST, and how it ended.
fn said(call: &Value) -> (&Value, &Value, &Value) {
    let span = &call["spans"][0];
    (&span["request_id"], &span["http.request.method"], &call["code"])
}

#[tokio::test]
async fn what_is_answered_before_it_is_a_call_is_a_line_as_well() {
    let (log, _guard) = Log::begin();
    let suite = Suite::configured(&[], |it| it.cors_origins = ORIGIN.parse().unwrap()).await;
    keep_headers(&suite.query);
    for http in [Http::One, Http::Two] {
        let page = Page::open(&suite, (http, BINARY));
        let preflight = page
            .anonymous(UNARY)
            .method(Method::OPTIONS)
            .header("origin", ORIGIN)
            .header("access-control-request-method", "POST");
        let answer = page.send_raw(preflight, Bytes::new()).await;
        assert_eq!(answer.head.status, StatusCode::OK);
        let line = log.call();
        let (name, method, code) = said(&line);
        assert_eq!((method, code), (&"OPTIONS".into(), &"OK".into()));
        assert_eq!(*name, answer.head.headers["x-request-id"].to_str().unwrap());

        let put = page
            .request(UNARY)
            .method(Method::PUT)
            .header("x-request-id", "page-2");
        let answer = page.send(put, b"").await;
        assert_eq!(answer.head.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.head.headers["x-request-id"], "page-2");
        let line = log.call();
        assert_eq!(
            said(&line),
            (&"page-2".into(), &"PUT".into(), &"INVALID_ARGUMENT".into())
        );

        let page = Page::open(&suite, (http, "application/grpc-web+json"));
        let call = page.request(UNARY).header("x-request-id", "page-3");
        let answer = page.send(call, b"{}").await;
        assert_eq!(answer.head.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let line = log.call();
        assert_eq!(
            said(&line),
            (&"page-3".into(), &Value::Null, &"INVALID_ARGUMENT".into())
        );
    }
}

#[tokio::test]
async fn what_has_passed_the_layers_is_one_line_and_no_more() {
    let (log, _guard) = Log::begin();
    let suite = Suite::configured(&[], |it| it.cors_origins = ORIGIN.parse().unwrap()).await;
    keep_headers(&suite.query);
    for way in WAYS {
        let page = Page::open(&suite, way);
        let call = page.request(UNARY).header("origin", ORIGIN);
        page.call(call, &frame_bytes(b"")).await;
        let line = log.call();
        assert_eq!((said(&line).1, said(&line).2), (&Value::Null, &"OK".into()));
        assert_eq!(line["user_id"], suite.user_id.to_string());
    }
    // Refused by the proxy, in the words of HTTP.
    let get = suite
        .request(UNARY)
        .method(Method::GET)
        .body(one_message())
        .unwrap();
    assert_eq!(suite.send(get).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let line = log.call();
    assert_eq!(
        (said(&line).1, said(&line).2),
        (&"GET".into(), &"INVALID_ARGUMENT".into())
    );
}
