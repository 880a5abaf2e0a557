use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datacovey_proto::internal::rows::v1::SelectRequest;
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_server::{App, HealthCheck, Limits};
use metrics_exporter_prometheus::PrometheusBuilder;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::fixture::{Running, call, get, limits, reason, soon, start, start_app, start_with, with_token};

async fn watch(running: &Running) -> Streaming<HealthCheckResponse> {
    watch_of(running, "").await
}

async fn watch_of(running: &Running, service: &str) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    HealthClient::new(running.channel())
        .watch(request)
        .await
        .unwrap()
        .into_inner()
}

async fn until(health: &mut Streaming<HealthCheckResponse>, status: ServingStatus) {
    while health.message().await.unwrap().unwrap().status() != status {}
}

#[tokio::test]
async fn a_server_says_that_it_leaves_before_it_stops_to_accept() {
    let running = start_with(
        Limits {
            drain_delay: Duration::from_secs(3),
            ..limits()
        },
        None,
    )
    .await;
    let mut health = watch(&running).await;
    until(&mut health, ServingStatus::Serving).await;
    running.shutdown.cancel();
    until(&mut health, ServingStatus::NotServing).await;
    // A connection made now, by who has not heard yet.
    let mut late = AuditServiceClient::new(running.channel());
    assert!(late.list_releases(call("", &running.token("a"))).await.is_ok());
    drop(health);
    running.served.await.unwrap().unwrap();
    let mut later = AuditServiceClient::new(
        tonic::transport::Channel::from_shared(format!("http://{}", running.address))
            .unwrap()
            .connect_lazy(),
    );
    let status = later.list_releases(call("", "")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

/// They watch for as long as they are let, which is no reason to stay.
#[tokio::test]
async fn those_who_watch_do_not_keep_a_server_from_leaving() {
    let running = start().await;
    let mut health = watch(&running).await;
    until(&mut health, ServingStatus::Serving).await;
    running.shutdown.cancel();
    soon(running.served).await.unwrap().unwrap();
    let end = loop {
        match soon(health.message()).await {
            Ok(message) => assert!(message.is_some(), "the stream ended without a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(
        (end.code(), reason(&end).as_str()),
        (Code::Unavailable, "UNAVAILABLE")
    );
}

#[tokio::test]
async fn a_server_leaves_when_one_of_its_workers_is_lost() {
    let ends = |app: App| app.worker("ends", |_| std::future::ready(()));
    let panics = |app: App| app.worker("panics", |_| async { panic!("the secret of the worker") });
    for (name, lose) in [("ends", ends as fn(App) -> App), ("panics", panics)] {
        let running = start_app(limits(), None, |app| {
            // The others are told to end, as ever.
            lose(app.worker("good", |told| async move { told.cancelled().await }))
        })
        .await;
        let error = soon(running.served).await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), format!("the worker \"{name}\" has ended"));
        assert!(!running.shutdown.is_cancelled(), "others may share it");
    }
}

#[tokio::test]
async fn a_call_that_runs_is_given_a_bounded_time() {
    let grace = Duration::from_millis(200);
    let running = start_with(
        Limits {
            drain_grace: grace,
            ..limits()
        },
        None,
    )
    .await;
    let message = SelectRequest {
        relation: "endless".to_owned(),
        ..SelectRequest::default()
    };
    let request = with_token(message, &running.gateway.token("query", None, None));
    let mut stream = RowServiceClient::new(running.channel())
        .select(request)
        .await
        .unwrap()
        .into_inner();
    assert!(stream.message().await.unwrap().is_some());
    running.shutdown.cancel();
    // Were the time not bounded, this would not end.
    running.served.await.unwrap().unwrap();
    assert!(stream.message().await.is_err());
}

#[tokio::test]
async fn a_call_that_runs_may_end() {
    let running = start().await;
    let message = SelectRequest {
        relation: "endless".to_owned(),
        ..SelectRequest::default()
    };
    let mut request = with_token(message, &running.gateway.token("query", None, None));
    request
        .metadata_mut()
        .insert("grpc-timeout", "1S".parse().unwrap());
    let mut stream = RowServiceClient::new(running.channel())
        .select(request)
        .await
        .unwrap()
        .into_inner();
    assert!(stream.message().await.unwrap().is_some());
    running.shutdown.cancel();
    assert_eq!(
        stream.message().await.unwrap_err().code(),
        Code::DeadlineExceeded,
        "in its own time"
    );
    running.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn health_tells_of_what_the_service_depends_on() {
    let there = Arc::new(AtomicBool::new(false));
    let check: HealthCheck = {
        let there = Arc::clone(&there);
        Arc::new(move || {
            let there = there.load(Ordering::SeqCst);
            Box::pin(async move { there.then_some(()).ok_or_else(|| "it is away".to_owned()) })
        })
    };
    let running = start_with(limits(), Some(check)).await;
    let mut health = watch(&running).await;
    until(&mut health, ServingStatus::NotServing).await;
    there.store(true, Ordering::SeqCst);
    until(&mut health, ServingStatus::Serving).await;
    there.store(false, Ordering::SeqCst);
    until(&mut health, ServingStatus::NotServing).await;
}

#[tokio::test]
async fn health_tells_of_the_process_and_of_each_dependency_by_name() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let good: HealthCheck = Arc::new(|| Box::pin(async { Ok(()) }));
    let bad: HealthCheck = Arc::new(|| Box::pin(async { Err("it is away".to_owned()) }));
    let running = start_app(limits(), None, |app| {
        app.depends_on("the database", good).names_depend_on(
            &["datacovey.query.v1.AuditService"],
            "identity",
            bad,
        )
    })
    .await;
    let mut health = watch_of(&running, "the database").await;
    until(&mut health, ServingStatus::Serving).await;
    // Told last, so that all others have been told.
    while !get(running.admin, "/readyz").await.starts_with("HTTP/1.1 200") {}
    for (name, expected) in [
        ("", ServingStatus::NotServing),
        ("query", ServingStatus::Serving),
        ("the database", ServingStatus::Serving),
        ("identity", ServingStatus::NotServing),
        ("datacovey.query.v1.AuditService", ServingStatus::NotServing),
        ("datacovey.internal.rows.v1.RowService", ServingStatus::Serving),
    ] {
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        let status = HealthClient::new(running.channel()).check(request).await.unwrap();
        assert_eq!(status.into_inner().status(), expected, "{name}");
    }
    let shown = metrics.render();
    for (dependency, up) in [("the database", 1), ("identity", 0)] {
        let line = format!("datacovey_dependency_up{{service=\"query\",dependency=\"{dependency}\"}} {up}");
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }
}

#[tokio::test]
async fn any_number_of_servers_run_in_one_process() {
    let servers = [start().await, start().await, start().await];
    for running in &servers {
        let mut client = AuditServiceClient::new(running.channel());
        assert!(client.list_releases(call("", &running.token("a"))).await.is_ok());
    }
    let [first, second, third] = servers;
    first.shutdown.cancel();
    first.served.await.unwrap().unwrap();
    for running in [second, third] {
        let mut client = AuditServiceClient::new(running.channel());
        assert!(
            client.list_releases(call("", &running.token("a"))).await.is_ok(),
            "the others go on"
        );
    }
}
