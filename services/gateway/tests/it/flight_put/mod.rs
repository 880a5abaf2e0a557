//! DoPut, before a fake transfer service that keeps what it is sent.

mod imports;
mod repeat;

use std::sync::{Arc, Mutex};

use arrow_flight::{FlightData, FlightDescriptor};
use datacovey_error::{Error, ErrorReason};
use datacovey_proto::catalog::v1 as catalog;
use datacovey_proto::transfer::v1 as pb;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tonic::Code;
use uuid::Uuid;

use crate::fake;
use crate::flight::{batch, fields, path, read, reason, sent, stream_of};
use crate::suite::{Suite, UPLOAD, soon};

use self::imports::{CREATE, DATASETS, Imports, TABLES, job, leave_half_way, put, put_all, table};

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
    leave_half_way(&suite, &imports, sent(table(), &[batch(100_000)])).await;
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
