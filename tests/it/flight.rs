//! Rows by Arrow Flight into a table of the suite and out of it again.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::{FlightClient, FlightDescriptor, Ticket};
use datacovey::client::Client;
use datacovey_proto::catalog::v1::{CreateProjectRequest, Project};
use datacovey_types::{Role, Scopes};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::room::share;
use crate::suite::{reason, shared, token};

const ROWS: i64 = 20_000;

async fn flights(token: &str) -> FlightClient {
    let gateway = Channel::from_shared(shared().gateway.clone()).unwrap();
    let mut client = FlightClient::new(gateway.connect().await.unwrap());
    client
        .add_header("authorization", &format!("Bearer {token}"))
        .unwrap();
    client
}

async fn someone(name: &str) -> (FlightClient, Client) {
    let token = token(
        &format!("{name} {}", Uuid::now_v7()),
        Role::OrgAdmin,
        Scopes::NONE,
    )
    .await;
    (
        flights(&token).await,
        Client::connect(&shared().gateway, &token).await.unwrap(),
    )
}

async fn project(client: &Client) -> String {
    let request = CreateProjectRequest {
        project: Some(Project {
            name: "Flight".to_owned(),
            ..Project::default()
        }),
        ..Default::default()
    };
    client
        .projects()
        .create_project(request)
        .await
        .unwrap()
        .into_inner()
        .id
}

fn customers(rows: std::ops::Range<i64>) -> RecordBatch {
    let text = |of: &dyn Fn(i64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.clone().map(of)))
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("email", text(&|it| format!("person{it}@example.org"))),
        ("city", text(&|it| format!("Town {}", it % 9))),
        ("spend", Arc::new(rows.clone().collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

async fn put(
    client: &mut FlightClient,
    descriptor: FlightDescriptor,
    batches: Vec<RecordBatch>,
) -> Result<Value, FlightError> {
    let messages = FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(descriptor))
        .build(stream::iter(batches).map(Ok));
    let results: Vec<_> = client.do_put(messages).await?.try_collect().await?;
    Ok(serde_json::from_slice(&results[0].app_metadata).unwrap())
}

async fn get(client: &mut FlightClient, ticket: Ticket) -> Result<RecordBatch, FlightError> {
    let batches: Vec<_> = client.do_get(ticket).await?.try_collect().await?;
    Ok(concat_batches(&batches[0].schema(), &batches).unwrap())
}

fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => panic!("{other:?}"),
    }
}

fn command(command: &Value) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_in_and_come_out_and_nobody_else_has_them() {
    let (mut mine, client) = someone("Owner").await;
    let (mut theirs, _) = someone("Stranger").await;
    let project_id = project(&client).await;
    let table_id = share(&client, &project_id, "shop", "customers", &[], &[], "").await;
    let table = || FlightDescriptor::new_path(vec!["table".to_owned(), "shop.customers".to_owned()]);

    let half = ROWS / 2;
    let put_all = put(
        &mut mine,
        table(),
        vec![customers(0..half), customers(half..ROWS)],
    )
    .await
    .unwrap();
    assert_eq!(
        (&put_all["rows_imported"], &put_all["version"]),
        (&json!(ROWS), &json!(1))
    );
    let info = mine.get_flight_info(table()).await.unwrap();
    assert_eq!(info.total_records, ROWS);
    let export = info.endpoint[0].ticket.clone().unwrap();
    let got = get(&mut mine, export.clone()).await.unwrap();
    assert_eq!(got.num_rows() as i64, ROWS);
    let names = ["email", "city", "spend"].map(|name| got.column_by_name(name).unwrap().clone());
    let sent = customers(0..ROWS);
    for (found, expected) in names.iter().zip(sent.columns()) {
        assert_eq!(
            &arrow::compute::cast(found, expected.data_type()).unwrap(),
            expected
        );
    }

    let question = json!({
        "query": "SELECT city, COUNT(*) AS n FROM shop.customers GROUP BY city", "project_id": project_id,
    });
    let info = mine.get_flight_info(command(&question)).await.unwrap();
    let result = info.endpoint[0].ticket.clone().unwrap();
    assert_eq!(get(&mut mine, result.clone()).await.unwrap().num_rows(), 9);
    let listed: Vec<_> = mine.list_flights("").await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.len(), 2);

    let replaced = json!({"table": table_id, "mode": "replace"});
    put(&mut mine, command(&replaced), vec![customers(0..5)])
        .await
        .unwrap();
    let five = mine.get_flight_info(table()).await.unwrap();
    assert_eq!(five.total_records, 5);

    // Whoever did not hear the answer asks again, and adds nothing.
    let once = json!({"table": table_id, "request_id": Uuid::now_v7()});
    let first = put(&mut mine, command(&once), vec![customers(5..9)])
        .await
        .unwrap();
    let again = put(&mut mine, command(&once), vec![customers(5..9)])
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(mine.get_flight_info(table()).await.unwrap().total_records, 9);

    // What does not fit changes nothing.
    let words: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let odd = RecordBatch::try_from_iter([("email", words.clone()), ("spend", words)]).unwrap();
    let refused = status(put(&mut mine, table(), vec![odd]).await.unwrap_err());
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "TRANSFER_FAILED")
    );
    assert_eq!(mine.get_flight_info(table()).await.unwrap().total_records, 9);

    let by_id = FlightDescriptor::new_path(vec!["table".to_owned(), table_id]);
    let mut answers = Vec::new();
    for ticket in [export, result] {
        answers.push(get(&mut theirs, ticket).await.unwrap_err());
    }
    for descriptor in [table(), by_id, command(&question)] {
        answers.push(theirs.get_flight_info(descriptor.clone()).await.unwrap_err());
        if descriptor.cmd.is_empty() {
            answers.push(
                put(&mut theirs, descriptor, vec![customers(0..1)])
                    .await
                    .unwrap_err(),
            );
        }
    }
    for answer in answers {
        let answer = status(answer);
        assert_eq!(
            (answer.code(), reason(&answer).as_str()),
            (Code::NotFound, "NOT_FOUND"),
            "{answer:?}"
        );
    }
    let listed: Vec<_> = theirs
        .list_flights("")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(listed.is_empty());
}
