//! More calls than a server takes on, and tenants that take more than they may.

use std::time::Duration;

use datacovey_proto::internal::rows::v1::SelectRequest;
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_server::{Limits, TenantLimits};
use futures::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{Running, call, get, limits, reason, soon, start_with, with_token};

const PLACES: usize = 8;

fn retry_delay(status: &Status) -> Duration {
    let info = status.get_details_retry_info();
    info.and_then(|it| it.retry_delay)
        .unwrap_or_else(|| panic!("no RetryInfo: {status:?}"))
}

/// Calls that never end by themselves, all over one connection.
fn hang(running: &Running, count: usize, subject: &str) -> Vec<tokio::task::JoinHandle<Status>> {
    let channel = running.channel();
    let hang = |_| {
        let (mut client, token) = (AuditServiceClient::new(channel.clone()), running.token(subject));
        tokio::spawn(async move { client.list_releases(call("hang", &token)).await.unwrap_err() })
    };
    (0..count).map(hang).collect()
}

async fn streams(running: &Running, count: usize) -> Vec<Result<impl Sized, Status>> {
    let channel = running.channel();
    let open = |_| {
        let message = SelectRequest {
            relation: "endless".to_owned(),
            ..SelectRequest::default()
        };
        let request = with_token(message, &running.gateway.token("query", None, None));
        let mut client = RowServiceClient::new(channel.clone());
        async move { client.select(request).await }
    };
    join_all((0..count).map(open)).await
}

async fn answered(client: &mut AuditServiceClient<Channel>, token: &str) {
    let call = async {
        while client.list_releases(call("", token)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(call).await;
}

#[tokio::test]
async fn calls_without_a_place_are_shed_and_places_come_back() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let few = Limits {
        max_concurrent_calls: PLACES,
        ..limits()
    };
    let running = start_with(few, None).await;
    let calls = hang(&running, 3 * PLACES, "a");
    soon(running.hanging.until(PLACES)).await;
    // Two thirds of the calls are answered while the others have their places.
    let (mut shed, mut held) = (Vec::new(), Vec::new());
    let all_shed = async {
        let mut left = calls;
        while shed.len() < 2 * PLACES {
            let (done, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|it| it.is_finished());
            shed.extend(join_all(done).await.into_iter().map(Result::unwrap));
            left = rest;
            tokio::task::yield_now().await;
        }
        held = left;
    };
    soon(all_shed).await;
    for status in &shed {
        assert_eq!(
            (status.code(), reason(status).as_str()),
            (Code::ResourceExhausted, "OVERLOADED")
        );
        assert!(retry_delay(status) > Duration::ZERO);
    }
    assert_eq!(held.len(), PLACES);
    // The same in plain HTTP.
    let plain = get(running.address, "/tenant").await;
    assert!(plain.starts_with("HTTP/1.1 429 "), "{plain}");
    assert!(plain.contains("\r\nretry-after: 1\r\n"), "{plain}");
    let counted = format!(
        "datacovey_calls_shed_total{{service=\"query\",reason=\"calls\"}} {}",
        2 * PLACES + 1
    );
    assert!(metrics.render().contains(&counted), "{}", metrics.render());

    for call in held {
        call.abort();
    }
    soon(running.hanging.until(0)).await;
    answered(
        &mut AuditServiceClient::new(running.channel()),
        &running.token("a"),
    )
    .await;
}

#[tokio::test]
async fn streams_take_no_place_of_calls_nor_calls_of_streams() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let few = Limits {
        max_concurrent_calls: PLACES,
        max_streams: PLACES,
        ..limits()
    };
    let running = start_with(few, None).await;
    let opened = soon(streams(&running, 2 * PLACES)).await;
    let shed: Vec<_> = opened.iter().filter_map(|it| it.as_ref().err()).collect();
    assert_eq!(shed.len(), PLACES);
    for status in shed {
        assert_eq!(reason(status), "OVERLOADED");
        assert!(retry_delay(status) > Duration::ZERO);
    }
    let open = format!("datacovey_streams_open{{service=\"query\"}} {PLACES}");
    assert!(metrics.render().contains(&open), "{}", metrics.render());

    // Idle streams, as many as there may be, and every call has a place.
    let mut client = AuditServiceClient::new(running.channel());
    for _ in 0..3 * PLACES {
        client.list_releases(call("", &running.token("a"))).await.unwrap();
    }
    drop(opened);
    let _calls = hang(&running, PLACES, "a");
    soon(running.hanging.until(PLACES)).await;
    let places_are_back = async {
        while soon(streams(&running, 1)).await[0].is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(places_are_back).await;
}

#[tokio::test]
async fn a_tenant_takes_no_more_calls_at_once_than_it_may() {
    let limited = Limits {
        tenant: TenantLimits {
            concurrent_calls: 2,
            ..TenantLimits::default()
        },
        ..limits()
    };
    let running = start_with(limited, None).await;
    let held = hang(&running, 2, "a");
    soon(running.hanging.until(2)).await;
    let mut client = AuditServiceClient::new(running.channel());
    // Two users of one tenant share what it may.
    let refused = client.list_releases(call("", &running.token("b"))).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "RATE_LIMITED")
    );
    let quota = refused.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "tenant");
    assert!(retry_delay(&refused) > Duration::ZERO);
    // Another tenant, and a service that speaks for itself, are not concerned.
    client
        .list_releases(call("", &running.token("other")))
        .await
        .unwrap();
    assert!(soon(streams(&running, 3)).await.iter().all(Result::is_ok));

    for call in held {
        call.abort();
    }
    answered(&mut client, &running.token("b")).await;
}

#[tokio::test]
async fn a_tenant_calls_no_more_often_than_it_may() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let limited = Limits {
        tenant: TenantLimits {
            // The next comes in a second: a second of this test is more than these calls take, or
            // else one more of them is let in.
            calls_per_second: 1,
            burst: 5,
            ..TenantLimits::default()
        },
        ..limits()
    };
    let running = start_with(limited, None).await;
    let mut client = AuditServiceClient::new(running.channel());
    let refused = loop {
        if let Err(status) = client.list_releases(call("", &running.token("a"))).await {
            break status;
        }
    };
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "RATE_LIMITED")
    );
    let wait = retry_delay(&refused);
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    client
        .list_releases(call("", &running.token("other")))
        .await
        .unwrap();
    let counted = "datacovey_calls_limited_total{service=\"query\",reason=\"tenant_rate\"} 1";
    assert!(metrics.render().contains(counted), "{}", metrics.render());
    // What it was told is true.
    tokio::time::sleep(wait).await;
    client.list_releases(call("", &running.token("a"))).await.unwrap();
}
