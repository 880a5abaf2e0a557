//! What is written and counted of a call.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use datacovey_proto::query::v1::ListReleasesRequest;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tonic::Code;

use crate::fixture::{TENANT, USER, call, frame, http1, limits, send, start, start_app, subscribe};

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
    /// The lines of finished calls since the last look.
    fn calls(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(bytes).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["message"] == "call").collect()
    }
}

#[tokio::test]
async fn a_call_is_one_line_and_its_fault_is_in_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(true)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = subscribe(subscriber);
    let running = start().await;
    let mut client = AuditServiceClient::new(running.channel());
    let line_of = async |client: &mut AuditServiceClient<_>, filter: &str, token: &str| {
        let mut request = call(filter, token);
        request
            .metadata_mut()
            .insert("x-request-id", "request-5".parse().unwrap());
        let _ = client.list_releases(request).await;
        let mut lines = log.calls();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = lines.remove(0);
        assert_eq!(line["spans"][0]["request_id"], "request-5");
        assert_eq!(line["spans"][0]["service"], "query");
        assert_eq!(line["method"], "/datacovey.query.v1.AuditService/ListReleases");
        assert!(line["duration_ms"].as_f64().unwrap() >= 0.0);
        line
    };
    let token = running.token("a");

    let good = line_of(&mut client, "", &token).await;
    assert_eq!((&good["level"], &good["code"]), (&"INFO".into(), &"OK".into()));
    assert_eq!(
        (&good["tenant_id"], &good["user_id"]),
        (&TENANT.to_string().into(), &USER.to_string().into())
    );

    let fault = line_of(&mut client, "fault", &token).await;
    assert_eq!(
        (&fault["level"], &fault["code"]),
        (&"ERROR".into(), &"INTERNAL".into())
    );
    assert!(
        fault["cause"]
            .as_str()
            .unwrap()
            .contains("the secret of the database")
    );

    let panic = line_of(&mut client, "panic", &token).await;
    assert!(
        panic["cause"]
            .as_str()
            .unwrap()
            .contains("the secret of the handler")
    );

    let stranger = line_of(&mut client, "", "rubbish").await;
    assert_eq!(
        (&stranger["level"], &stranger["code"]),
        (&"INFO".into(), &"UNAUTHENTICATED".into())
    );
    assert_eq!(stranger["tenant_id"], Value::Null);
    assert!(
        !stranger.to_string().contains("rubbish"),
        "no credentials are written"
    );

    // The caller leaves before there is an answer.
    let mut request = tonic::Request::new(ListReleasesRequest {
        filter: "hang".to_owned(),
        ..Default::default()
    });
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    drop(
        tokio::time::timeout(
            std::time::Duration::from_millis(200),
            client.list_releases(request),
        )
        .await,
    );
    let left = loop {
        if let Some(line) = log.calls().pop() {
            break line;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(left["code"], "CANCELLED");
}

/// A preflight of a page calls nothing, whatever method it asks for.
#[tokio::test]
async fn what_is_answered_outside_of_the_layers_is_counted_apart() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let running = start_app(limits(), None, |app| {
        app.outside(|routes| {
            routes.layer(from_fn(async |request: Request, next: Next| {
                match *request.method() {
                    Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
                    _ => next.run(request).await,
                }
            }))
        })
    })
    .await;
    let method = "/datacovey.query.v1.AuditService/ListReleases";
    let request =
        format!("OPTIONS {method} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: page-1\r\n\r\n");
    let reply = http1(running.address, request.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
    assert!(reply.contains("x-request-id: page-1\r\n"), "{reply}");
    send(&running, method, &[], frame(0, 0, b"")).await;
    let shown = metrics.render();
    for method in ["none", method] {
        let line = format!("datacovey_calls_total{{service=\"query\",method=\"{method}\",code=\"OK\"}} 1");
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }
    assert!(
        shown.contains("datacovey_calls_in_flight{service=\"query\"} 0"),
        "{shown}"
    );
}

#[tokio::test]
async fn calls_are_counted_by_methods_that_exist() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let running = start().await;
    let method = "/datacovey.query.v1.AuditService/ListReleases";
    for path in [method, "/made.Up/ByACaller", "/made.Up/ByAnother"] {
        let status = send(&running, path, &[], frame(0, 0, b"")).await;
        assert!(matches!(status.code(), Code::Ok | Code::Unimplemented));
    }
    let shown = metrics.render();
    let counted = |method: &str, code: &str, count: u32| {
        let line =
            format!("datacovey_calls_total{{service=\"query\",method=\"{method}\",code=\"{code}\"}} {count}");
        assert!(shown.contains(&line), "{line} is not in {shown}");
    };
    counted(method, "OK", 1);
    counted("unknown", "UNIMPLEMENTED", 2);
    assert!(
        shown.contains("datacovey_calls_in_flight{service=\"query\"} 0"),
        "{shown}"
    );
}
