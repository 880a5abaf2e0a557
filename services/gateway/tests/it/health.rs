use std::collections::BTreeSet;

use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus::{self, NotServing, Serving};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1alpha;

use crate::fake::Fake;
use crate::suite::{Suite, soon};

async fn channel(suite: &Suite) -> Channel {
    Channel::from_shared(format!("http://{}", suite.gateway))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

async fn watch(suite: &Suite, service: &str) -> tonic::Streaming<HealthCheckResponse> {
    let mut client = HealthClient::new(channel(suite).await);
    client
        .watch(HealthCheckRequest {
            service: service.to_owned(),
        })
        .await
        .unwrap()
        .into_inner()
}

/// Reads on until the status is this one.
async fn becomes(stream: &mut tonic::Streaming<HealthCheckResponse>, status: ServingStatus) {
    let reading = async { while stream.message().await.unwrap().unwrap().status() != status {} };
    soon(reading).await;
}

/// Anonymous, as probes are.
#[tokio::test]
async fn services_are_as_their_upstream_and_the_whole_as_the_worst() {
    let suite = Suite::start().await;
    let mut whole = watch(&suite, "").await;
    let mut query = watch(&suite, "datacovey.query.v1.QueryJobService").await;
    let mut catalog = watch(&suite, "datacovey.catalog.v1.TableService").await;
    for stream in [&mut whole, &mut query, &mut catalog] {
        becomes(stream, Serving).await;
    }

    suite.query.stop().await;
    becomes(&mut query, NotServing).await;
    becomes(&mut whole, NotServing).await;
    let mut client = HealthClient::new(channel(&suite).await);
    let mut check = async |service: &str| {
        let answer = client
            .check(HealthCheckRequest {
                service: service.to_owned(),
            })
            .await;
        answer
            .map(|response| response.get_ref().status())
            .map_err(|status| status.code())
    };
    assert_eq!(check("datacovey.catalog.v1.TableService").await, Ok(Serving));
    assert_eq!(check("gateway").await, Ok(Serving), "it is not its own fault");
    assert_eq!(check("catalog").await, Ok(Serving));
    assert_eq!(check("query").await, Ok(NotServing));
    assert_eq!(check("weather.v1.ForecastService").await, Err(Code::NotFound));
    assert_eq!(
        check("datacovey.internal.rows.v1.RowService").await,
        Err(Code::NotFound)
    );

    let _back = Fake::on(tokio::net::TcpListener::bind(suite.query.address).await.unwrap());
    becomes(&mut query, Serving).await;
    becomes(&mut whole, Serving).await;
}

#[tokio::test]
async fn reflection_lists_what_is_public() {
    let suite = Suite::start().await;
    let request = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let mut client = ServerReflectionClient::new(channel(&suite).await);
    let requests = vec![
        request(MessageRequest::ListServices(String::new())),
        request(MessageRequest::FileContainingSymbol(
            "datacovey.query.v1.QueryJobService.ReadResults".to_owned(),
        )),
        // What the details of an error are.
        request(MessageRequest::FileContainingSymbol(
            "google.rpc.ErrorInfo".to_owned(),
        )),
        request(MessageRequest::FileContainingSymbol(
            "datacovey.internal.rows.v1.RowService".to_owned(),
        )),
    ];
    let mut answers = client
        .server_reflection_info(futures::stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    let mut listed: BTreeSet<String> = list.service.into_iter().map(|service| service.name).collect();
    // Each version of reflection tells of itself.
    let message_request = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let mut alpha = v1alpha::server_reflection_client::ServerReflectionClient::new(channel(&suite).await);
    let mut old = alpha
        .server_reflection_info(futures::stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let Some(v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        old.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    listed.extend(list.service.into_iter().map(|service| service.name));
    for name in [
        "datacovey.identity.v1.UserService",
        "datacovey.transfer.v1.ImportService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        assert!(listed.contains(name), "{name} is not in {listed:?}");
    }
    assert!(!listed.iter().any(|name| name.contains("internal")));
    for _ in 0..2 {
        let found = answers.message().await.unwrap().unwrap().message_response;
        assert!(
            matches!(found, Some(MessageResponse::FileDescriptorResponse(_))),
            "{found:?}"
        );
    }
    let hidden = answers.message().await;
    let hidden = hidden.map(|message| message.unwrap().message_response);
    assert!(
        matches!(hidden, Err(_) | Ok(Some(MessageResponse::ErrorResponse(_)))),
        "{hidden:?}"
    );
}
