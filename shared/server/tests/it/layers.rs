use std::time::{Duration, Instant};

use datacovey_proto::internal::rows::v1::SelectRequest;
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_proto::query::v1::ListReleasesRequest;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_server::{Limits, Peer, TenantLimits};
use datacovey_types::{Ctx, Principal, Role, Scopes};
use tonic::{Code, Status};

use crate::fixture::{
    Running, TENANT, USER, call, framed, get, http1, limits, reason, send, soon, start, start_with,
    with_token,
};

async fn refused(running: &Running, filter: &str, subject: &str) -> Status {
    let token = running.token(subject);
    AuditServiceClient::new(running.channel())
        .list_releases(call(filter, &token))
        .await
        .unwrap_err()
}

/// What a caller learns of a fault: its request id, and nothing that was said inside.
fn assert_masked(status: &Status, request_id: &str) {
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(
        status.message(),
        format!("internal error; the request is {request_id}")
    );
    assert_eq!(reason(status), "INTERNAL");
    assert!(!format!("{status:?}").contains("secret"), "{status:?}");
}

#[tokio::test]
async fn faults_and_panics_are_masked_by_the_layers_outside_of_them() {
    let running = start().await;
    let mut client = AuditServiceClient::new(running.channel());
    // The panic of the resolver is within the authentication: even that is caught and logged.
    for (filter, subject) in [("panic", "a"), ("fault", "a"), ("bare", "a"), ("", "panic")] {
        let mut request = call(filter, &running.token(subject));
        request
            .metadata_mut()
            .insert("x-request-id", "request-1".parse().unwrap());
        let status = client.list_releases(request).await.unwrap_err();
        assert_masked(&status, "request-1");
        assert_eq!(status.metadata().get("x-request-id").unwrap(), "request-1");
    }
    assert!(
        client.list_releases(call("", &running.token("a"))).await.is_ok(),
        "the connection goes on"
    );
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_a_masked_status() {
    let running = start().await;
    let mut client = RowServiceClient::new(running.channel());
    for relation in ["panic", "fault"] {
        let message = SelectRequest {
            relation: relation.to_owned(),
            ..SelectRequest::default()
        };
        let mut request = with_token(message, &running.gateway.token("query", None, None));
        request
            .metadata_mut()
            .insert("x-request-id", "request-2".parse().unwrap());
        let mut stream = client.select(request).await.unwrap().into_inner();
        assert!(
            stream.message().await.unwrap().is_some(),
            "what came before is sent"
        );
        assert_masked(&stream.message().await.unwrap_err(), "request-2");
    }
}

#[tokio::test]
async fn a_deadline_ends_the_handler_the_verification_and_the_stream() {
    const LIST: &str = "/datacovey.query.v1.AuditService/ListReleases";
    const SELECT: &str = "/datacovey.internal.rows.v1.RowService/Select";
    let running = start().await;
    let hang = framed(&ListReleasesRequest {
        filter: "hang".to_owned(),
        ..Default::default()
    });
    let endless = framed(&SelectRequest {
        relation: "endless".to_owned(),
        ..Default::default()
    });
    let cases = [
        (LIST, hang, running.token("a")),
        (
            LIST,
            framed(&ListReleasesRequest::default()),
            running.token("hang"),
        ),
        (
            SELECT,
            endless,
            running.gateway.token("query", None, None).to_string(),
        ),
    ];
    for (path, message, token) in cases {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("grpc-timeout", "50m")];
        let status = send(&running, path, &headers, message).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{path}");
        assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    }
}

#[tokio::test]
async fn a_caller_that_waits_no_more_is_told_so_by_its_own_channel() {
    let running = start().await;
    let address = format!("http://{}", running.address).parse().unwrap();
    let peer = Peer::new("query", address, running.gateway.clone());
    let principal = Principal {
        tenant_id: TENANT,
        user_id: USER,
        role: Role::OrgAdmin,
        scopes: Scopes::NONE,
    };
    let deadline = Some(Instant::now() + Duration::from_millis(50));
    let ctx = Ctx::from_request(principal, "request-1", deadline);
    let request = ListReleasesRequest {
        filter: "hang".to_owned(),
        ..Default::default()
    };
    let mut client = AuditServiceClient::new(peer.on_behalf_of(&ctx));
    assert_eq!(
        client.list_releases(request).await.unwrap_err().code(),
        Code::DeadlineExceeded
    );
}

#[tokio::test]
async fn a_call_without_deadline_has_that_of_the_configuration() {
    let limits = Limits {
        max_call: Duration::from_millis(50),
        ..limits()
    };
    let running = start_with(limits, None).await;
    assert_eq!(
        refused(&running, "hang", "a").await.code(),
        Code::DeadlineExceeded
    );
}

#[tokio::test]
async fn a_malformed_deadline_is_said_so() {
    let running = start().await;
    let message = framed(&ListReleasesRequest::default());
    let path = "/datacovey.query.v1.AuditService/ListReleases";
    let status = send(&running, path, &[("grpc-timeout", "soon")], message).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().starts_with("grpc-timeout: "),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn too_many_calls_are_shed_before_anything_is_verified() {
    let running = start_with(
        Limits {
            max_concurrent_calls: 1,
            ..limits()
        },
        None,
    )
    .await;
    let taken = hanging(&running).await;

    let mut client = AuditServiceClient::new(running.channel());
    let status = client
        .list_releases(call("", "not even a token"))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "OVERLOADED");
    use tonic_types::StatusExt as _;
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());

    taken.abort();
    // The place is free when the server has seen that the caller left.
    loop {
        match client.list_releases(call("", &running.token("a"))).await {
            Ok(_) => break,
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted),
        }
        tokio::task::yield_now().await;
    }
}

/// A call that is wrong in the eyes of several layers is answered by the outermost of them.
#[tokio::test]
async fn the_layers_stand_in_their_order() {
    const PATH: &str = "/datacovey.query.v1.AuditService/ListReleases";
    let running = start_with(
        Limits {
            max_concurrent_calls: 1,
            tenant: TenantLimits {
                concurrent_calls: 1,
                ..TenantLimits::default()
            },
            ..limits()
        },
        None,
    )
    .await;
    let headers = [("grpc-timeout", "soon"), ("authorization", "Bearer rubbish")];
    let message = || framed(&ListReleasesRequest::default());
    let status = send(&running, PATH, &headers, message()).await;
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::InvalidArgument, "INVALID_FIELD"),
        "the deadline is read before the token"
    );

    let status = send(&running, PATH, &headers[1..], message()).await;
    assert_eq!(
        reason(&status),
        "CREDENTIALS_INVALID",
        "whose call it is is known before it is counted"
    );

    let _taken = hanging(&running).await;
    let status = send(&running, PATH, &headers, message()).await;
    assert_eq!(
        reason(&status),
        "OVERLOADED",
        "a place is taken before the deadline is read"
    );
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/grpc\r\n\
         content-length: 0\r\n\r\n"
    );
    let reply = http1(running.address, request.as_bytes()).await;
    assert!(
        reply.starts_with("HTTP/1.1 505 "),
        "the protocol is looked at before a place is taken: {reply}"
    );
    assert!(reply.contains("x-request-id: "), "all of it has a name: {reply}");
}

/// A call that takes a place, and its caller.
async fn hanging(running: &Running) -> tokio::task::JoinHandle<()> {
    let (channel, token) = (running.channel(), running.token("a"));
    let caller = tokio::spawn(async move {
        let _ = AuditServiceClient::new(channel)
            .list_releases(call("hang", &token))
            .await;
    });
    soon(running.hanging.until(1)).await;
    caller
}

/// Nobody asks for the next frame of what nobody reads, and its time is over all the same.
#[tokio::test]
async fn a_deadline_ends_a_stream_that_nobody_reads() {
    let running = start_with(
        Limits {
            max_streams: 1,
            ..limits()
        },
        None,
    )
    .await;
    let message = SelectRequest {
        relation: "flood".to_owned(),
        ..SelectRequest::default()
    };
    let mut request = with_token(message, &running.gateway.token("query", None, None));
    request
        .metadata_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    let stream = RowServiceClient::new(running.channel())
        .select(request)
        .await
        .unwrap();
    soon(running.given_up.cancelled()).await;
    let mut client = RowServiceClient::new(running.channel());
    let served = async {
        let another = || {
            let token = running.gateway.token("query", None, None);
            with_token(SelectRequest::default(), &token)
        };
        while client.select(another()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(served).await;

    // Whoever reads after all is told what happened.
    let mut stream = stream.into_inner();
    let status = loop {
        match soon(stream.message()).await {
            Ok(message) => assert!(message.is_some(), "the stream ended without a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_call_gets_a_request_id_if_it_brings_none() {
    let running = start().await;
    let mut client = AuditServiceClient::new(running.channel());
    let reply = client.list_releases(call("", &running.token("a"))).await.unwrap();
    let request_id = reply
        .metadata()
        .get("x-request-id")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert!(uuid::Uuid::try_parse(&request_id).is_ok());
    assert!(
        reply.into_inner().next_page_token.contains(&request_id),
        "the handler has the same"
    );
}

#[tokio::test]
async fn the_admin_port_shows_life() {
    let running = start().await;
    let get = async |path: &str| get(running.admin, path).await;
    assert!(get("/livez").await.starts_with("HTTP/1.1 200"));
    while !get("/readyz").await.starts_with("HTTP/1.1 200") {}
    assert!(
        get("/metrics").await.starts_with("HTTP/1.1 404"),
        "no telemetry is installed in this test"
    );
}
