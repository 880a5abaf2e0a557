//! Arrow Flight as its own library's client speaks it, before fake services; and what of it there is not.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::utils::{batches_to_flight_data, flight_data_to_batches};
use arrow_flight::{Action, Empty, FlightData, FlightDescriptor, HandshakeRequest};
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::suite::Suite;

pub(crate) type Client = FlightServiceClient<InterceptedService<Channel, Bearer>>;

/// Adds a token to each call, if there is one.
#[derive(Clone)]
pub(crate) struct Bearer(Option<String>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        Ok(request)
    }
}

/// A Flight client with these credentials.
async fn client_with(suite: &Suite, token: Option<String>) -> Client {
    let channel = Channel::from_shared(format!("http://{}", suite.gateway)).unwrap();
    let client = FlightServiceClient::with_interceptor(channel.connect().await.unwrap(), Bearer(token));
    client.max_decoding_message_size(usize::MAX)
}

/// A Flight client of the known user.
pub(crate) async fn client(suite: &Suite) -> Client {
    client_with(suite, Some(suite.token("known user", ""))).await
}

pub(crate) fn batch(rows: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new((0..rows).collect::<Int64Array>());
    let words = (0..rows).map(|it| (it % 7 != 0).then(|| format!("word {it}")));
    let words: ArrayRef = Arc::new(words.collect::<StringArray>());
    RecordBatch::try_from_iter_with_nullable([("number", numbers, true), ("word", words, true)]).unwrap()
}

pub(crate) fn stream_of(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

pub(crate) fn read(stream: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(stream, None)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// What a caller sends of these rows.
pub(crate) fn sent(descriptor: FlightDescriptor, batches: &[RecordBatch]) -> Vec<FlightData> {
    let mut messages = batches_to_flight_data(&batches[0].schema(), batches.to_vec()).unwrap();
    messages[0].flight_descriptor = Some(descriptor);
    messages
}

/// The rows of an answer.
pub(crate) async fn rows(answer: tonic::Streaming<FlightData>) -> Result<Vec<RecordBatch>, Status> {
    let messages: Vec<_> = answer.collect().await;
    let messages: Result<Vec<_>, _> = messages.into_iter().collect();
    Ok(flight_data_to_batches(&messages?).unwrap())
}

pub(crate) fn path(path: &[&str]) -> FlightDescriptor {
    FlightDescriptor::new_path(path.iter().map(|it| (*it).to_owned()).collect())
}

pub(crate) fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(|| format!("no reason: {status:?}"), |it| it.reason)
}

/// The fields that are wrong.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let wrong = status.get_details_bad_request().map(|it| it.field_violations);
    wrong.into_iter().flatten().map(|it| it.field).collect()
}

#[tokio::test]
async fn what_is_not_served_says_what_to_do_instead() {
    let suite = Suite::start().await;
    let mut client = client(&suite).await;
    let expect = |status: Status, what: &str| {
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unimplemented, "NOT_IMPLEMENTED")
        );
        assert!(status.message().contains(what), "{}", status.message());
    };
    let hello = futures::stream::iter([HandshakeRequest::default()]);
    expect(
        client.handshake(hello).await.unwrap_err(),
        "authorization: Bearer",
    );
    let poll = client.poll_flight_info(path(&["query_job", "x"])).await;
    expect(poll.unwrap_err(), "GetFlightInfo");
    let exchange = client
        .do_exchange(futures::stream::iter([FlightData::default()]))
        .await;
    expect(exchange.unwrap_err(), "DoPut");
    expect(client.do_action(Action::default()).await.unwrap_err(), "DoGet");
    let actions = client.list_actions(Empty {}).await.unwrap().into_inner();
    assert_eq!(actions.count().await, 0);

    let unknown = suite.request("/arrow.flight.protocol.FlightService/DoNothing");
    suite
        .call(unknown)
        .await
        .expect(Code::Unimplemented, "UNKNOWN_METHOD");
    let text = suite.request("/arrow.flight.protocol.FlightService/DoGet");
    let text = text.body(Full::default().boxed()).unwrap();
    let (mut head, body) = text.into_parts();
    head.headers.insert("content-type", "text/plain".parse().unwrap());
    let answer = suite.send(http::Request::from_parts(head, body)).await;
    assert_eq!(answer.status(), http::StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token() {
    let suite = Suite::start().await;
    for (token, expected) in [
        (None, "CREDENTIALS_MISSING"),
        (Some("none".to_owned()), "CREDENTIALS_INVALID"),
    ] {
        let mut client = client_with(&suite, token).await;
        let descriptor = path(&["query_job", "x"]);
        let put = futures::stream::iter(sent(path(&["table", "t"]), &[batch(1)]));
        for status in [
            client.do_put(put).await.unwrap_err(),
            client
                .do_get(arrow_flight::Ticket::new("query_job/x"))
                .await
                .unwrap_err(),
            client.get_flight_info(descriptor).await.unwrap_err(),
            client
                .list_flights(arrow_flight::Criteria::default())
                .await
                .unwrap_err(),
        ] {
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::Unauthenticated, expected)
            );
        }
    }
}
