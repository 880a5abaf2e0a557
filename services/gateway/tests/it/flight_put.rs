//! DoPut, before a fake transfer service that keeps what it is sent.

use std::sync::{Arc, Mutex};

use arrow_flight::{FlightData, FlightDescriptor, PutResult};
use datacovey_error::{Error, ErrorReason, Violation};
use datacovey_proto::catalog::v1 as catalog;
use datacovey_proto::transfer::v1 as pb;
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::content::{Import, an_import};
use crate::fake;
use crate::flight::{batch, client, fields, path, read, reason, sent, stream_of};
use crate::suite::{Suite, UPLOAD, soon};

const CREATE: &str = "/datacovey.transfer.v1.ImportService/CreateImportJob";
const WAIT: &str = "/datacovey.transfer.v1.ImportService/WaitImportJob";
const CANCEL: &str = "/datacovey.transfer.v1.ImportService/CancelImportJob";
const TABLES: &str = "/datacovey.catalog.v1.TableService/ListTables";
const DATASETS: &str = "/datacovey.catalog.v1.DatasetService/ListDatasets";

/// A transfer service that takes imports.
struct Imports {
    content: Import,
    /// What was asked to be created.
    created: Arc<Mutex<Vec<pb::CreateImportJobRequest>>>,
    /// What was cancelled.
    cancelled: Arc<Mutex<Vec<String>>>,
    cancel: Arc<Notify>,
}

impl Imports {
    /// Each import ends as `ended`.
    fn of(suite: &Suite, ended: pb::ImportJob) -> Self {
        let imports = Self {
            content: an_import(suite),
            created: Arc::default(),
            cancelled: Arc::default(),
            cancel: Arc::default(),
        };
        let created = imports.created.clone();
        suite.transfer.answer(CREATE, move |request| {
            let created = created.clone();
            Box::pin(async move {
                let request = fake::read(request.into_body()).await;
                created.lock().unwrap().push(request);
                fake::unary(&job(pb::JobState::Pending))
            })
        });
        let waits = Arc::new(Mutex::new(0));
        suite.transfer.answer(WAIT, move |_| {
            // The first wait is over before the import is.
            let mut waits = waits.lock().unwrap();
            *waits += 1;
            let answer = if *waits == 1 {
                job(pb::JobState::Running)
            } else {
                ended.clone()
            };
            Box::pin(async move { fake::unary(&answer) })
        });
        let (cancelled, cancel) = (imports.cancelled.clone(), imports.cancel.clone());
        suite.transfer.answer(CANCEL, move |request| {
            let (cancelled, cancel) = (cancelled.clone(), cancel.clone());
            Box::pin(async move {
                let request: pb::CancelImportJobRequest = fake::read(request.into_body()).await;
                cancelled.lock().unwrap().push(request.id);
                cancel.notify_one();
                fake::unary(&job(pb::JobState::Failed))
            })
        });
        imports
    }

    fn that_complete(suite: &Suite) -> Self {
        Self::of(
            suite,
            pb::ImportJob {
                version: Some(4),
                rows_imported: 7,
                rows_rejected: 1,
                ignored_columns: vec!["other".to_owned()],
                ..job(pb::JobState::Completed)
            },
        )
    }

    fn created(&self) -> usize {
        self.created.lock().unwrap().len()
    }

    fn is_finished(&self) -> bool {
        self.content.lock().unwrap().finish.is_some()
    }

    /// Nothing is left of what was begun.
    fn expect_given_up(&self) {
        assert_eq!(*self.cancelled.lock().unwrap(), ["an import"]);
        assert!(!self.is_finished());
    }
}

fn job(state: pb::JobState) -> pb::ImportJob {
    pb::ImportJob {
        id: "an import".to_owned(),
        state: state.into(),
        ..Default::default()
    }
}

fn table() -> FlightDescriptor {
    path(&["table", &Uuid::nil().to_string()])
}

async fn put(
    suite: &Suite,
    messages: impl Stream<Item = FlightData> + Send + 'static,
) -> Result<Vec<PutResult>, Status> {
    let answer = client(suite).await.do_put(messages).await?.into_inner();
    let results: Vec<_> = soon(answer.collect()).await;
    results.into_iter().collect()
}

async fn put_all(suite: &Suite, messages: Vec<FlightData>) -> Result<Vec<PutResult>, Status> {
    put(suite, stream::iter(messages)).await
}

#[tokio::test]
async fn rows_become_the_content_of_an_import() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    // One of the batches is larger than any message may be that is held.
    let batches = [batch(3), batch(400_000), batch(0)];
    let messages = sent(table(), &batches);
    assert!(messages.iter().any(|it| it.data_body.len() > 8 << 20));
    let results = put_all(&suite, messages).await.unwrap();
    let [result] = results.as_slice() else {
        panic!("{results:?}");
    };
    let told: Value = serde_json::from_slice(&result.app_metadata).unwrap();
    let expected = json!({
        "import_job": "an import", "version": 4, "rows_imported": 7, "rows_rejected": 1, "ignored_columns": ["other"],
    });
    assert_eq!(told, expected);

    let kept = imports.content.lock().unwrap();
    assert!(read(&kept.content) == batches);
    let finish = kept.finish.as_ref().unwrap();
    assert_eq!(finish.total_bytes, kept.content.len() as i64);
    assert!(imports.cancelled.lock().unwrap().is_empty());
    let created = imports.created.lock().unwrap();
    let expected = pb::CreateImportJobRequest {
        table_id: Uuid::nil().to_string(),
        source: Some(pb::create_import_job_request::Source::Upload(pb::UploadSource {})),
        format: pb::FileFormat::Arrow.into(),
        compression: pb::Compression::None.into(),
        mode: pb::ImportMode::Append.into(),
        ..Default::default()
    };
    assert_eq!(*created, [expected]);
}

#[tokio::test]
async fn a_command_says_how_and_a_name_says_where() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let found = Arc::new(Mutex::new(Vec::new()));
    let (tables, asked) = (found.clone(), Arc::new(Mutex::new(Vec::<String>::new())));
    let filters = asked.clone();
    suite.catalog.answer(TABLES, move |request| {
        let (tables, filters) = (tables.clone(), filters.clone());
        Box::pin(async move {
            let request: catalog::ListTablesRequest = fake::read(request.into_body()).await;
            filters.lock().unwrap().push(request.filter);
            let tables = tables.lock().unwrap().clone();
            fake::unary(&catalog::ListTablesResponse {
                tables,
                ..Default::default()
            })
        })
    });
    suite.catalog.answer(DATASETS, |request| {
        Box::pin(async move {
            let request: catalog::ListDatasetsRequest = fake::read(request.into_body()).await;
            assert_eq!(request.filter, "name = \"shop\"");
            fake::unary(&catalog::ListDatasetsResponse {
                datasets: vec![catalog::Dataset {
                    id: "of shop".to_owned(),
                    ..Default::default()
                }],
                ..Default::default()
            })
        })
    });
    let table = |id: &str, dataset: &str| catalog::Table {
        id: id.to_owned(),
        dataset_id: dataset.to_owned(),
        ..Default::default()
    };
    let put = async |name: &str| {
        let command = json!({"table": name, "mode": "replace", "max_bad_records": 9}).to_string();
        put_all(&suite, sent(FlightDescriptor::new_cmd(command), &[batch(2)])).await
    };

    let status = put("orders").await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::NotFound, "NOT_FOUND")
    );
    let filter = format!("name = \"orders\" AND tenant_id = \"{}\"", suite.tenant_id);
    assert_eq!(*asked.lock().unwrap(), [filter]);

    *found.lock().unwrap() = vec![table("one", "of shop"), table("two", "of another")];
    let status = put("orders").await.unwrap_err();
    assert_eq!(fields(&status), ["table", "table"]);
    assert_eq!(imports.created(), 0);
    put("shop.orders").await.unwrap();
    let created = imports.created.lock().unwrap().pop().unwrap();
    assert_eq!(created.table_id, "one");
    assert_eq!(
        (created.mode(), created.max_bad_records),
        (pb::ImportMode::Replace, 9)
    );

    let status = put("orders\" OR name = \"x").await.unwrap_err();
    assert_eq!(fields(&status), ["table"]);
}

#[tokio::test]
async fn what_does_not_begin_as_it_should_begins_no_import() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let rows = [batch(2)];
    let good = sent(table(), &rows);
    let with = |descriptor| sent(descriptor, &rows);
    let mut garbage = good.clone();
    garbage[0].data_header = "garbage".into();
    let mut huge = good.clone();
    huge[0].flight_descriptor = Some(FlightDescriptor::new_cmd(vec![b' '; 70_000]));
    let wrong = json!({"table": 5, "mode": "merge", "x": 1}).to_string();
    for (messages, code, field) in [
        (vec![], Code::InvalidArgument, Some("flight_descriptor")),
        (
            batches_alone(&good),
            Code::InvalidArgument,
            Some("flight_descriptor"),
        ),
        (
            with(path(&["view", "x"])),
            Code::InvalidArgument,
            Some("flight_descriptor"),
        ),
        (
            with(FlightDescriptor::new_cmd(wrong)),
            Code::InvalidArgument,
            Some("flight_descriptor.cmd.table"),
        ),
        (
            with(FlightDescriptor::new_cmd("[]")),
            Code::InvalidArgument,
            Some("cmd"),
        ),
        (garbage, Code::InvalidArgument, Some("")),
        (good[1..].to_vec(), Code::InvalidArgument, Some("")),
        (huge, Code::ResourceExhausted, None),
        (only_descriptor(), Code::InvalidArgument, Some("")),
    ] {
        let status = put_all(&suite, messages).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert_eq!(fields(&status).first().map(String::as_str), field, "{status:?}");
    }
    assert_eq!(imports.created(), 0);
}

/// The same without who it is for.
fn batches_alone(messages: &[FlightData]) -> Vec<FlightData> {
    let mut messages = messages.to_vec();
    messages[0].flight_descriptor = None;
    messages
}

fn only_descriptor() -> Vec<FlightData> {
    vec![FlightData {
        flight_descriptor: Some(table()),
        ..Default::default()
    }]
}

#[tokio::test]
async fn what_goes_wrong_half_way_leaves_nothing() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let mut messages = sent(table(), &[batch(2), batch(100_000), batch(2)]);
    messages[3].data_header = "garbage".into();
    let status = put_all(&suite, messages).await.unwrap_err();
    assert_eq!(
        (status.code(), fields(&status)),
        (Code::InvalidArgument, vec![String::new()])
    );
    assert!(
        status.message().starts_with("message 4 cannot be read"),
        "{}",
        status.message()
    );
    imports.expect_given_up();
}

#[tokio::test]
async fn a_caller_that_leaves_half_way_leaves_nothing() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let messages = stream::iter(sent(table(), &[batch(100_000)])).chain(stream::pending());
    let putting = tokio::spawn({
        let mut client = client(&suite).await;
        async move { client.do_put(messages).await.map(|_| ()) }
    });
    let arrived = async {
        while imports.content.lock().unwrap().content.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    putting.abort();
    soon(imports.cancel.notified()).await;
    imports.expect_given_up();
}

#[tokio::test]
async fn what_the_transfer_service_refuses_is_told() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    suite.transfer.answer(UPLOAD, |_| {
        Box::pin(async { fake::refused(Error::too_large("the upload is too large")) })
    });
    // The caller has more to send, and hears of it nevertheless.
    let messages = stream::iter(sent(table(), &[batch(100_000)])).chain(stream::pending());
    let status = soon(put(&suite, messages)).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_LARGE")
    );
    imports.expect_given_up();

    suite.transfer.answer(CREATE, |_| {
        Box::pin(async { fake::refused(Error::not_found("table", "x")) })
    });
    let status = put_all(&suite, sent(table(), &[batch(1)])).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::NotFound, "NOT_FOUND")
    );
}

#[tokio::test]
async fn why_an_import_failed_is_the_status() {
    let suite = Suite::start().await;
    let error = pb::JobError {
        reason: ErrorReason::TransferFailed.into(),
        message: "the file has no column \"age\"".to_owned(),
        ..Default::default()
    };
    let imports = Imports::of(
        &suite,
        pb::ImportJob {
            error: Some(error),
            ..job(pb::JobState::Failed)
        },
    );
    let status = put_all(&suite, sent(table(), &[batch(1)])).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str(), status.message()),
        (
            Code::FailedPrecondition,
            "TRANSFER_FAILED",
            "the import_job an import failed: the file has no column \"age\""
        )
    );
    assert!(imports.is_finished());
}

fn under_a_key() -> FlightDescriptor {
    let table = Uuid::nil().to_string();
    FlightDescriptor::new_cmd(json!({"table": table, "request_id": "once"}).to_string())
}

#[tokio::test]
async fn a_repeat_under_the_same_key_is_the_same_import() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let messages = sent(under_a_key(), &[batch(3), batch(100_000)]);
    let first = put_all(&suite, messages.clone()).await.unwrap();
    let content = imports.content.lock().unwrap().content.clone();
    // All that the service has by then is not sent to it again.
    suite.transfer.answer(UPLOAD, |_| {
        Box::pin(async { fake::refused(Error::wrong_state("the upload is finished")) })
    });
    for state in [
        pb::JobState::Pending,
        pb::JobState::Running,
        pb::JobState::Completed,
    ] {
        let created = imports.created.clone();
        suite.transfer.answer(CREATE, move |request| {
            let created = created.clone();
            Box::pin(async move {
                let request = fake::read(request.into_body()).await;
                created.lock().unwrap().push(request);
                fake::unary(&job(state))
            })
        });
        assert_eq!(put_all(&suite, messages.clone()).await.unwrap(), first);
    }
    let created = imports.created.lock().unwrap();
    assert_eq!(created.len(), 4);
    assert!(
        created
            .iter()
            .all(|it| *it == created[0] && it.request_id == "once")
    );
    assert!(imports.content.lock().unwrap().content == content);
    assert!(imports.cancelled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_broke_off_under_a_key_goes_on() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let rows = [batch(100_000), batch(7)];
    let whole = sent(under_a_key(), &rows);
    let messages = stream::iter(whole[..2].to_vec()).chain(stream::pending());
    let putting = tokio::spawn({
        let mut client = client(&suite).await;
        async move { client.do_put(messages).await.map(|_| ()) }
    });
    let arrived = async {
        while imports.content.lock().unwrap().content.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    putting.abort();
    let broken_off = async {
        while imports.content.lock().unwrap().ended == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(broken_off).await;
    let before = imports.content.lock().unwrap().content.len();
    let expected = stream_of(&rows);
    assert!(0 < before && before < expected.len());

    put_all(&suite, whole.clone()).await.unwrap();
    let kept = imports.content.lock().unwrap();
    assert!(read(&kept.content) == rows);
    let finish = kept.finish.as_ref().unwrap();
    assert_eq!(finish.total_bytes, kept.content.len() as i64);
    let sha256: String = Sha256::digest(&kept.content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(finish.sha256.as_deref(), Some(sha256.as_str()));
    assert!(imports.cancelled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_stands_for_one_content_and_one_call_at_a_time() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let refused = async |error: fn() -> Error| {
        suite
            .transfer
            .answer(UPLOAD, move |_| Box::pin(async move { fake::refused(error()) }));
        put_all(&suite, sent(under_a_key(), &[batch(2)]))
            .await
            .unwrap_err()
    };
    for error in [
        || Error::wrong_offset(0, 8),
        || Error::wrong_state("the upload is finished"),
    ] {
        let status = refused(error).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Aborted, "CONFLICT")
        );
        assert!(status.message().contains("is under way"), "{status:?}");
    }
    let away = refused(|| Error::unavailable("the store")).await;
    assert_eq!(away.code(), Code::Unavailable);
    assert!(imports.cancelled.lock().unwrap().is_empty());

    // Rows of others than those that arrived, and what no repeat would mend, are of no further use.
    let other = refused(|| {
        let violation = Violation::new("finish.sha256", "is another");
        Error::violated(ErrorReason::ChecksumMismatch, "the request", vec![violation])
    });
    let other = other.await;
    assert_eq!(fields(&other), ["flight_descriptor.cmd.request_id"], "{other:?}");
    refused(|| Error::too_large("the upload is too large")).await;
    assert_eq!(imports.cancelled.lock().unwrap().len(), 2);
}

/// In frames of which none is a message of its own.
#[tokio::test]
async fn a_message_that_gains_no_end_is_no_import() {
    let suite = Suite::start().await;
    let imports = Imports::that_complete(&suite);
    let messages = sent(table(), &[batch(2)]);
    let whole: Vec<u8> = messages.iter().flat_map(fake::frame).collect();
    for (bytes, expected) in [
        (&whole[..whole.len() - 1], "ends within a message"),
        (&[1, 0, 0, 0, 0][..], "compresses"),
    ] {
        let body = http_body_util::Full::new(bytes::Bytes::copy_from_slice(bytes));
        let request = suite.request("/arrow.flight.protocol.FlightService/DoPut");
        let request = request.body(http_body_util::BodyExt::boxed(body)).unwrap();
        let reply = crate::suite::Reply::read(suite.send(request).await).await;
        assert!(reply.status.message().contains(expected), "{reply:?}");
    }
    imports.expect_given_up();
    assert!(imports.content.lock().unwrap().content.len() < stream_of(&[batch(2)]).len());
}
