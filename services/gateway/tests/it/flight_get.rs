//! DoGet and what tells of it, before fake services that have jobs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arrow::array::RecordBatch;
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use arrow::ipc::writer::FileWriter;
use arrow_flight::{Criteria, FlightDescriptor, FlightInfo, Ticket};
use bytes::Bytes;
use datacovey_error::Error;
use datacovey_proto::query::v1 as query;
use datacovey_proto::transfer::v1 as pb;
use futures::StreamExt as _;
use serde_json::json;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::content::{DOWNLOAD, RESULTS, answers};
use crate::fake;
use crate::flight::{batch, client, fields, path, reason, rows, stream_of};
use crate::suite::Suite;

const EXPORT: &str = "/datacovey.transfer.v1.ExportService/CreateExportJob";
const EXPORTED: &str = "/datacovey.transfer.v1.ExportService/WaitExportJob";
const EXPORTS: &str = "/datacovey.transfer.v1.ExportService/ListExportJobs";
const ASK: &str = "/datacovey.query.v1.QueryJobService/CreateQueryJob";
const ANSWERED: &str = "/datacovey.query.v1.QueryJobService/WaitQueryJob";
const QUERIES: &str = "/datacovey.query.v1.QueryJobService/ListQueryJobs";

fn file_of(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn in_an_hour() -> prost_types::Timestamp {
    (SystemTime::now() + Duration::from_secs(3600)).into()
}

fn export(id: &str, state: pb::JobState) -> pb::ExportJob {
    pb::ExportJob {
        id: id.to_owned(),
        state: state.into(),
        format: pb::FileFormat::Arrow.into(),
        rows_exported: 12,
        size_bytes: Some(3400),
        expires_at: Some(in_an_hour()),
        ..Default::default()
    }
}

/// An export that is done after the first wait, and its file in parts.
fn an_export(suite: &Suite, ended: pb::ExportJob, file: Vec<u8>) {
    let waits = Arc::new(Mutex::new(0));
    suite.transfer.answer(EXPORTED, move |_| {
        let mut waits = waits.lock().unwrap();
        *waits += 1;
        let running = export("e", pb::JobState::Running);
        let answer = if *waits == 1 { running } else { ended.clone() };
        Box::pin(async move { fake::unary(&answer) })
    });
    suite.transfer.answer(DOWNLOAD, move |request| {
        let file = file.clone();
        Box::pin(async move {
            let asked: pb::DownloadRequest = fake::read(request.into_body()).await;
            assert_eq!((asked.export_job_id.as_str(), asked.offset), ("e", 0));
            let part = |data: &[u8]| pb::DownloadResponse {
                data: Bytes::copy_from_slice(data),
                total_bytes: file.len() as i64,
                format: pb::FileFormat::Arrow.into(),
                ..Default::default()
            };
            answers(file.chunks(1 << 20).map(part).collect())
        })
    });
}

fn query_job(id: &str, state: query::QueryJobState) -> query::QueryJob {
    query::QueryJob {
        id: id.to_owned(),
        state: state.into(),
        total_rows: Some(12),
        results_expire_at: Some(in_an_hour()),
        ..Default::default()
    }
}

fn a_result(suite: &Suite, rows: &[RecordBatch]) {
    let stream = stream_of(rows);
    suite.query.answer(ANSWERED, |_| {
        Box::pin(async { fake::unary(&query_job("q", query::QueryJobState::Done)) })
    });
    suite.query.answer(RESULTS, move |request| {
        let stream = stream.clone();
        Box::pin(async move {
            let asked: query::DownloadResultsRequest = fake::read(request.into_body()).await;
            assert_eq!(
                (asked.query_job_id.as_str(), asked.format()),
                ("q", query::ResultFileFormat::Arrow)
            );
            let part = |data: &[u8]| query::DownloadResultsResponse {
                data: Bytes::copy_from_slice(data),
                total_bytes: stream.len() as i64,
                ..Default::default()
            };
            answers(stream.chunks(100).map(part).collect())
        })
    });
}

async fn get(suite: &Suite, ticket: &str) -> Result<Vec<RecordBatch>, Status> {
    let answer = client(suite).await.do_get(Ticket::new(ticket.to_owned())).await?;
    rows(answer.into_inner()).await
}

async fn info(suite: &Suite, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
    let info = client(suite).await.get_flight_info(descriptor).await?;
    Ok(info.into_inner())
}

fn ticket(info: &FlightInfo) -> &[u8] {
    &info.endpoint[0].ticket.as_ref().unwrap().ticket
}

#[tokio::test]
async fn rows_of_an_export_and_of_a_result_are_read() {
    let suite = Suite::start().await;
    // One of the batches is larger than any message may be that is held.
    let batches = [batch(5), batch(400_000)];
    an_export(&suite, export("e", pb::JobState::Completed), file_of(&batches));
    a_result(&suite, &batches[..1]);
    assert!(get(&suite, "export_job/e").await.unwrap() == batches);
    assert!(get(&suite, "query_job/q").await.unwrap() == batches[..1]);
    assert!(get(&suite, "{\"query_job\": \"q\"}").await.unwrap() == batches[..1]);

    a_result(&suite, &[batch(0)]);
    assert_eq!(get(&suite, "query_job/q").await.unwrap(), [batch(0)]);
}

#[tokio::test]
async fn a_table_is_exported_for_whoever_asks_of_it() {
    let suite = Suite::start().await;
    let batches = [batch(5)];
    an_export(&suite, export("e", pb::JobState::Completed), file_of(&batches));
    let asked = Arc::new(Mutex::new(Vec::<pb::CreateExportJobRequest>::new()));
    let requests = asked.clone();
    suite.transfer.answer(EXPORT, move |request| {
        let requests = requests.clone();
        Box::pin(async move {
            let request = fake::read(request.into_body()).await;
            requests.lock().unwrap().push(request);
            fake::unary(&export("e", pb::JobState::Pending))
        })
    });
    let id = Uuid::now_v7().to_string();
    let command = json!({"table": id, "version": 3, "columns": ["word"]}).to_string();
    for descriptor in [path(&["table", &id]), FlightDescriptor::new_cmd(command)] {
        let told = info(&suite, descriptor.clone()).await.unwrap();
        assert_eq!(told.flight_descriptor, Some(descriptor));
        assert_eq!((told.total_records, told.total_bytes), (12, 3400));
        assert_eq!(
            try_schema_from_ipc_buffer(&told.schema).unwrap(),
            *batches[0].schema()
        );
        assert_eq!(ticket(&told), b"export_job/e");
        assert!(told.endpoint[0].expiration_time.is_some());
    }
    let request = pb::CreateExportJobRequest {
        table_id: id.clone(),
        format: pb::FileFormat::Arrow.into(),
        ..Default::default()
    };
    let of_columns = pb::CreateExportJobRequest {
        table_version: Some(3),
        columns: vec!["word".to_owned()],
        ..request.clone()
    };
    assert_eq!(*asked.lock().unwrap(), [request, of_columns]);
    // In one step, too.
    assert_eq!(get(&suite, &format!("table/{id}")).await.unwrap(), batches);
}

#[tokio::test]
async fn a_statement_is_run_for_whoever_asks_it() {
    let suite = Suite::start().await;
    a_result(&suite, &[batch(5)]);
    suite.query.answer(ASK, |request| {
        Box::pin(async move {
            let asked: query::CreateQueryJobRequest = fake::read(request.into_body()).await;
            assert_eq!(asked.project_id, "p");
            let text = query::create_query_job_request::Query::QueryText("SELECT $x".to_owned());
            assert_eq!(asked.query, Some(text));
            assert!(asked.parameters.unwrap().fields.contains_key("x"));
            fake::unary(&query_job("q", query::QueryJobState::Pending))
        })
    });
    let command = json!({"query": "SELECT $x", "project_id": "p", "parameters": {"x": 5}}).to_string();
    let told = info(&suite, FlightDescriptor::new_cmd(command)).await.unwrap();
    assert_eq!(
        (ticket(&told), told.total_records, told.total_bytes),
        (&b"query_job/q"[..], 12, -1)
    );

    let refused = Error::violated(
        datacovey_error::ErrorReason::QueryRefused,
        "the query",
        vec![datacovey_error::Violation::new("query_text", "is no statement")],
    );
    let refused = Mutex::new(Some(refused));
    suite.query.answer(ASK, move |_| {
        let refused = refused.lock().unwrap().take().unwrap();
        Box::pin(async { fake::refused(refused) })
    });
    let command = json!({"query": "SELEC", "project_id": "p"}).to_string();
    let status = info(&suite, FlightDescriptor::new_cmd(command))
        .await
        .unwrap_err();
    assert_eq!(
        (reason(&status).as_str(), fields(&status)),
        ("QUERY_REFUSED", vec!["query_text".to_owned()])
    );
}

#[tokio::test]
async fn a_schema_is_told_of_jobs_alone() {
    let suite = Suite::start().await;
    a_result(&suite, &[batch(5)]);
    let mut client = client(&suite).await;
    let told = client
        .get_schema(path(&["query_job", "q"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        try_schema_from_ipc_buffer(&told.schema).unwrap(),
        *batch(5).schema()
    );
    let status = client.get_schema(path(&["table", "t"])).await.unwrap_err();
    assert_eq!(fields(&status), ["flight_descriptor"]);
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let suite = Suite::start().await;
    let done = export("e", pb::JobState::Completed);
    let file = file_of(&[batch(50)]);
    let expect = async |code: Code, why: &str| {
        let status = get(&suite, "export_job/e").await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (code, why),
            "{status:?}"
        );
    };
    let csv = pb::ExportJob {
        format: pb::FileFormat::Csv.into(),
        ..done.clone()
    };
    an_export(&suite, csv, file.clone());
    expect(Code::FailedPrecondition, "WRONG_STATE").await;
    let failed = pb::ExportJob {
        error: Some(pb::JobError {
            reason: datacovey_error::ErrorReason::TransferFailed.into(),
            ..Default::default()
        }),
        ..export("e", pb::JobState::Failed)
    };
    an_export(&suite, failed, file.clone());
    expect(Code::FailedPrecondition, "TRANSFER_FAILED").await;
    // Cut short, or nothing that it should be.
    an_export(&suite, done.clone(), file[..file.len() / 2].to_vec());
    expect(Code::Internal, "INTERNAL").await;
    an_export(&suite, done, b"number,word\n1,one\n".to_vec());
    expect(Code::Internal, "INTERNAL").await;
    // What a service does not show to somebody, there is not.
    suite.transfer.answer(EXPORTED, |_| {
        Box::pin(async { fake::refused(Error::not_found("export_job", "e")) })
    });
    expect(Code::NotFound, "NOT_FOUND").await;
    let status = info(&suite, path(&["export_job", "e"])).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);

    for wrong in ["", "view/x", "{\"table\": \"t\", \"x\": 1}"] {
        let status = get(&suite, wrong).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{wrong}");
        assert!(fields(&status)[0].starts_with("ticket"), "{status:?}");
    }
    let large = get(&suite, &"x".repeat(5 << 20)).await.unwrap_err();
    assert_eq!(
        (large.code(), reason(&large).as_str()),
        (Code::ResourceExhausted, "TOO_LARGE")
    );
}

#[tokio::test]
async fn what_can_be_read_is_listed() {
    let suite = Suite::start().await;
    suite.transfer.answer(EXPORTS, |request| {
        Box::pin(async move {
            let asked: pb::ListExportJobsRequest = fake::read(request.into_body()).await;
            assert_eq!(asked.filter, "state = JOB_STATE_COMPLETED");
            let job = |id: &str| export(id, pb::JobState::Completed);
            let expired = pb::ExportJob {
                expires_at: Some(SystemTime::UNIX_EPOCH.into()),
                ..job("expired")
            };
            let csv = pb::ExportJob {
                format: pb::FileFormat::Csv.into(),
                ..job("csv")
            };
            let (export_jobs, next_page_token) = match asked.page_token.as_str() {
                "" => (vec![job("e1"), expired, csv], "more".to_owned()),
                _ => (vec![job("e2")], String::new()),
            };
            fake::unary(&pb::ListExportJobsResponse {
                export_jobs,
                next_page_token,
            })
        })
    });
    suite.query.answer(QUERIES, |_| {
        Box::pin(async {
            fake::unary(&query::ListQueryJobsResponse {
                query_jobs: vec![query_job("q", query::QueryJobState::Done)],
                ..Default::default()
            })
        })
    });
    let mut client = client(&suite).await;
    let listed = client
        .list_flights(Criteria::default())
        .await
        .unwrap()
        .into_inner();
    let listed: Vec<_> = listed.map(Result::unwrap).collect().await;
    let tickets: Vec<_> = listed.iter().map(ticket).collect();
    assert_eq!(tickets, [&b"export_job/e1"[..], b"export_job/e2", b"query_job/q"]);
    assert_eq!(listed[2].flight_descriptor, Some(path(&["query_job", "q"])));

    let some = Criteria {
        expression: "x".into(),
    };
    assert_eq!(
        fields(&client.list_flights(some).await.unwrap_err()),
        ["expression"]
    );
    suite.query.answer(QUERIES, |_| {
        Box::pin(async { fake::refused(Error::unavailable("the database")) })
    });
    let listed = client
        .list_flights(Criteria::default())
        .await
        .unwrap()
        .into_inner();
    let last = listed.collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(last.unwrap_err().code(), Code::Unavailable);
}
