use std::time::Duration;

use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::upload_request::Part;
use futures::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::suite::{Caller, PATIENCE, Suite, csv, csv_import, data_message, finish, message, start};

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

async fn offset(caller: &mut Caller, job_id: &str) -> pb::GetUploadOffsetResponse {
    let request = pb::GetUploadOffsetRequest {
        import_job_id: job_id.to_owned(),
    };
    caller
        .imports
        .get_upload_offset(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn an_upload_goes_on_after_its_connection_broke() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let content = csv(1, 300).into_bytes();

    // Two chunks go out, and less than a third, and then the connection is gone with the call.
    let (mut broken, id) = (suite.as_editor(), job.id.clone());
    let sent = vec![
        start(&id, 0),
        data_message(&content[..1000]),
        data_message(&content[1000..2000]),
        data_message(&content[2000..2300]),
    ];
    let call = tokio::spawn(async move {
        broken
            .imports
            .upload(stream::iter(sent).chain(stream::pending()))
            .await
    });
    let mut committed = async |bytes: i64| {
        let committed = async {
            while offset(&mut editor, &job.id).await.committed_bytes < bytes {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, committed).await.unwrap();
    };
    committed(2000).await;
    call.abort();
    committed(2300).await;
    let found = offset(&mut editor, &job.id).await;
    assert_eq!(
        (found.committed_bytes, found.finished, found.expires_at.is_some()),
        (2300, false, true)
    );

    // From anywhere else it cannot go on, and the answer says from where it can.
    for wrong in [0, 2299, 2301] {
        let status = editor
            .send(&job.id, wrong, &content[2300..], None)
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::OutOfRange, "WRONG_OFFSET")
        );
        assert_eq!(
            status.get_details_error_info().unwrap().metadata["expected_offset"],
            "2300"
        );
    }
    let halfway = editor
        .send(&job.id, 2300, &content[2300..3300], None)
        .await
        .unwrap();
    assert_eq!((halfway.committed_bytes, halfway.finished), (3300, false));
    let finish = pb::UploadFinish {
        sha256: Some(sha256(&content)),
        ..finish(content.len())
    };
    let whole = editor
        .send(&job.id, 3300, &content[3300..], Some(finish))
        .await
        .unwrap();
    assert_eq!(
        (whole.committed_bytes, whole.finished),
        (content.len() as i64, true)
    );

    let job = editor.ended(&job.id).await;
    assert_eq!(
        (job.state(), job.rows_imported, job.sha256),
        (pb::JobState::Completed, 300, sha256(&content))
    );
}

#[tokio::test]
async fn two_who_upload_at_once_do_not_mix() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let content = csv(1, 300).into_bytes();
    let senders = (0..4).map(|_| {
        let (mut sender, id, content) = (suite.as_editor(), job.id.clone(), content.clone());
        async move { sender.send(&id, 0, &content, Some(finish(content.len()))).await }
    });
    let results = futures::future::join_all(senders).await;
    assert!(results.iter().filter(|it| it.is_ok()).count() <= 1, "{results:?}");
    // Whoever was overtaken knows from where to go on.
    let found = offset(&mut editor, &job.id).await;
    if !found.finished {
        let from = usize::try_from(found.committed_bytes).unwrap();
        editor
            .send(&job.id, from, &content[from..], Some(finish(content.len())))
            .await
            .unwrap();
    }
    let job = editor.ended(&job.id).await;
    assert_eq!((job.state(), job.rows_imported), (pb::JobState::Completed, 300));
}

#[tokio::test]
async fn content_that_is_not_what_was_meant_is_refused() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let content = csv(1, 3).into_bytes();
    let sum = |sha256: &str| {
        Some(pb::UploadFinish {
            sha256: Some(sha256.to_owned()),
            ..finish(content.len())
        })
    };

    let status = editor
        .send(&job.id, 0, &content, Some(finish(7)))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message().contains("finish.total_bytes")),
        (Code::InvalidArgument, true)
    );
    // What came is kept.
    let all = content.len();
    let status = editor.send(&job.id, all, b"", sum("7")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = editor
        .send(&job.id, all, b"", sum(&sha256(b"other")))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::InvalidArgument, "CHECKSUM_MISMATCH")
    );
    assert!(
        editor
            .send(&job.id, all, b"", sum(&sha256(&content).to_uppercase()))
            .await
            .unwrap()
            .finished
    );

    let status = editor.send(&job.id, all, b"more", None).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(offset(&mut editor, &job.id).await.finished);
}

#[tokio::test]
async fn messages_out_of_order_are_told() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let nothing = pb::UploadRequest { part: None };
    for messages in [
        vec![],
        vec![nothing.clone()],
        vec![data_message(b"x")],
        vec![start("no id", 0)],
        vec![start(&job.id, 0), start(&job.id, 0)],
        vec![start(&job.id, 0), nothing],
        vec![start(&job.id, 0), data_message(b"")],
        vec![
            start(&job.id, 0),
            message(Part::Finish(pb::UploadFinish {
                total_bytes: -1,
                sha256: None,
            })),
        ],
    ] {
        let told = format!("{messages:?}");
        let status = editor.imports.upload(stream::iter(messages)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{told}: {status:?}");
    }
    assert_eq!(offset(&mut editor, &job.id).await.committed_bytes, 0);
}

#[tokio::test]
async fn sizes_are_limited() {
    let suite = Suite::with(|limits| limits.max_upload_bytes = 5_000).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let status = editor.send(&job.id, 0, &[b'x'; 5_001], None).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_LARGE")
    );
    // One message larger than any may be.
    let job = editor.create(csv_import(&table)).await;
    let huge = vec![start(&job.id, 0), data_message(&vec![b'x'; 8 << 20])];
    let status = editor.imports.upload(stream::iter(huge)).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_LARGE")
    );
}

#[tokio::test]
async fn uploads_of_others_do_not_exist() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let job = suite.as_editor().create(csv_import(&table)).await;
    let mut other = suite.as_other_tenant();
    let status = other.send(&job.id, 0, b"x", None).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let request = pb::GetUploadOffsetRequest {
        import_job_id: job.id.clone(),
    };
    assert_eq!(
        other.imports.get_upload_offset(request).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(offset(&mut suite.as_editor(), &job.id).await.committed_bytes, 0);
}
