//! What a server takes on from callers it knows nothing of.

use std::time::Duration;

use datacovey_server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::fixture::{Running, limits, reason, soon, start, start_with};

async fn watch(running: &Running, timeout: Option<&str>) -> Result<Streaming<HealthCheckResponse>, Status> {
    let mut request = Request::new(HealthCheckRequest {
        service: String::new(),
    });
    if let Some(timeout) = timeout {
        request
            .metadata_mut()
            .insert("grpc-timeout", timeout.parse().unwrap());
    }
    let watching = HealthClient::new(running.channel()).watch(request).await;
    watching.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn those_who_watch_are_bounded_and_take_no_place_of_users() {
    let running = start_with(
        Limits {
            max_concurrent_calls: 1,
            ..limits()
        },
        None,
    )
    .await;
    let mut watching = Vec::new();
    let refused = loop {
        match watch(&running, None).await {
            Ok(stream) => watching.push(stream),
            Err(status) => break status,
        }
        assert!(watching.len() < 1000, "they are not bounded");
    };
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "OVERLOADED")
    );
    // Those who watch keep no probe out.
    let probe = HealthCheckRequest {
        service: String::new(),
    };
    let probed = HealthClient::new(running.channel()).check(probe).await;
    assert!(probed.is_ok(), "{probed:?}");
    let mut client =
        datacovey_proto::query::v1::audit_service_client::AuditServiceClient::new(running.channel());
    let call = crate::fixture::call("", &running.token("a"));
    assert!(client.list_releases(call).await.is_ok());
}

/// One stranger with one connection takes a few of the places, and leaves the others to the others.
#[tokio::test]
async fn those_who_watch_over_one_connection_are_few() {
    let running = start().await;
    let mut greedy = HealthClient::new(running.channel());
    let request = || HealthCheckRequest {
        service: String::new(),
    };
    let mut watching = Vec::new();
    let refused = loop {
        match greedy.watch(request()).await {
            Ok(stream) => watching.push(stream),
            Err(status) => break status,
        }
        assert!(watching.len() < 100, "they are not bounded");
    };
    assert_eq!(reason(&refused), "OVERLOADED");
    assert!(greedy.check(request()).await.is_err(), "it has taken what it may");
    let mut other = HealthClient::new(running.channel());
    assert!(other.watch(request()).await.is_ok());
    assert!(other.check(request()).await.is_ok());
    // What it gives back it may take again.
    drop(watching);
    let again = async {
        while greedy.check(request()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn whoever_watches_may_say_for_how_long() {
    let running = start().await;
    let mut stream = watch(&running, Some("100m")).await.unwrap();
    let reading = async {
        while stream.message().await?.is_some() {}
        Ok::<_, Status>(())
    };
    assert_eq!(soon(reading).await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn more_connections_than_allowed_are_hung_up_on() {
    let running = start_with(
        Limits {
            max_connections: 1,
            ..limits()
        },
        None,
    )
    .await;
    let first = TcpStream::connect(running.address).await.unwrap();
    let mut second = TcpStream::connect(running.address).await.unwrap();
    // A reset and an end are both a hung-up.
    assert!(matches!(soon(second.read(&mut [0])).await, Ok(0) | Err(_)));
    drop(first);
    let answered = async {
        while watch(&running, None).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(answered).await;
}

/// The clock stands still, and jumps when everybody waits.
#[tokio::test(start_paused = true)]
async fn a_connection_says_what_it_wants_or_ends() {
    let running = start().await;
    for begun in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let mut reply = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut reply));
        assert!(ended.await.is_ok(), "{begun:?}");
    }
}
