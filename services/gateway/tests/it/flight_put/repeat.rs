//! DoPut under a `request_id`: what a repeat of it is.

use arrow_flight::FlightDescriptor;
use datacovey_error::{Error, ErrorReason, Violation};
use datacovey_proto::transfer::v1 as pb;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tonic::Code;
use uuid::Uuid;

use crate::fake;
use crate::flight::{batch, fields, read, reason, sent, stream_of};
use crate::suite::{Suite, UPLOAD, soon};

use super::imports::{CREATE, Imports, job, leave_half_way, put_all};

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
    leave_half_way(&suite, &imports, whole[..2].to_vec()).await;
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
    let sha256 = hex::encode(Sha256::digest(&kept.content));
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
