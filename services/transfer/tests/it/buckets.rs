//! The suite's own objects in a bucket.

use datacovey_error::ErrorReason;
use datacovey_proto::transfer::v1 as pb;
use datacovey_storage::Store;
use datacovey_storage::external::Allowed;
use futures::TryStreamExt as _;
use http::Method;
use tonic::Code;

use crate::s3::{Fault, S3};
use crate::suite::{Suite, csv, csv_import, finish};

async fn start(s3: &S3) -> Suite {
    let store = Store::open_with("s3://suite/data", &s3.options()).unwrap();
    Suite::over(store, Allowed::default(), |limits| {
        limits.sweep_every = std::time::Duration::from_millis(200);
        limits.sweep_grace = std::time::Duration::ZERO;
    })
    .await
}

fn csv_export(table_id: &str) -> pb::CreateExportJobRequest {
    pb::CreateExportJobRequest {
        table_id: table_id.to_owned(),
        format: pb::FileFormat::Csv.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn everything_works_over_a_bucket() {
    let s3 = S3::start(&["suite"]).await;
    let suite = start(&s3).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let content = csv(1, 20_000);
    // Chunks are as small here as tests make them: some are enough.
    let job = editor.create(csv_import(&table)).await;
    let (head, tail) = content.as_bytes().split_at(40_000);
    editor.send(&job.id, 0, head, None).await.unwrap();
    let finished = editor
        .send(&job.id, 40_000, tail, Some(finish(content.len())))
        .await
        .unwrap();
    assert!(finished.finished);
    let job = editor.ended(&job.id).await;
    assert_eq!(
        (job.state(), job.rows_imported),
        (pb::JobState::Completed, 20_000),
        "{job:?}"
    );
    let export = editor.export(csv_export(&table)).await;
    assert_eq!(export.rows_exported, 20_000, "{export:?}");
    let exported = editor.download(&export.id, 0).await.unwrap();
    assert_eq!(exported.iter().filter(|it| **it == b'\n').count(), 20_001);
    assert_eq!(editor.download(&export.id, 1000).await.unwrap(), exported[1000..]);
    // What was staged is swept; what counts stays.
    let staged = datacovey_storage::layout::staging(job.id.parse().unwrap());
    let gone = async {
        while suite
            .transfer
            .store
            .list(&staged)
            .try_next()
            .await
            .unwrap()
            .is_some()
        {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::suite::PATIENCE, gone).await.unwrap();
    assert!(s3.path("suite/data/tenant").exists());
    assert_eq!(editor.export(csv_export(&table)).await.rows_exported, 20_000);
}

#[tokio::test]
async fn a_bucket_that_is_away_leaves_nothing_half_done() {
    let s3 = S3::start(&["suite"]).await;
    let suite = start(&s3).await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let content = csv(1, 100);
    for fault in [Fault::Answer(500), Fault::Hang, Fault::Answer(403)] {
        let job = editor.create(csv_import(&table)).await;
        // An upload is told at once, and goes on later.
        s3.fail(move |method, _| if method == Method::PUT { fault } else { Fault::None });
        let status = editor
            .send(&job.id, 0, content.as_bytes(), None)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        s3.fail(|_, _| Fault::None);
        editor.upload(&job.id, content.as_bytes()).await;
        assert_eq!(editor.ended(&job.id).await.state(), pb::JobState::Completed);

        // A worker tries again, and gives up after so many attempts.
        let job = editor.create(csv_import(&table)).await;
        s3.fail(move |method, path| {
            if method == Method::PUT && path.contains("/tenant/") {
                fault
            } else {
                Fault::None
            }
        });
        editor.upload(&job.id, content.as_bytes()).await;
        let job = editor.ended(&job.id).await;
        let error = job.error.unwrap();
        assert_eq!(
            (error.reason(), job.version),
            (ErrorReason::Unavailable, None),
            "{error:?}"
        );
        s3.fail(|_, _| Fault::None);
    }
}
