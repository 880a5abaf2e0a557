use std::time::Duration;

use datacovey_error::ErrorReason;
use datacovey_proto::transfer::v1 as pb;
use futures::StreamExt as _;
use tonic::Code;

use crate::suite::{PATIENCE, Suite, csv, csv_import};

fn wait(id: &str, seconds: i64) -> pb::WaitImportJobRequest {
    let timeout = Some(prost_types::Duration { seconds, nanos: 0 });
    pb::WaitImportJobRequest {
        id: id.to_owned(),
        timeout,
    }
}

#[tokio::test]
async fn a_cancelled_import_leaves_nothing() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    editor.send(&job.id, 0, b"tailnum\nN1\n", None).await.unwrap();
    let request = pb::CancelImportJobRequest {
        id: job.id.clone(),
        request_id: "once".to_owned(),
    };
    let cancelled = editor
        .imports
        .cancel_import_job(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (cancelled.state(), cancelled.error.clone().unwrap().reason()),
        (pb::JobState::Failed, ErrorReason::Cancelled)
    );
    assert!(cancelled.ended_at.is_some() && cancelled.upload_expires_at.is_none());
    // Again, as a repeat and anew, it changes nothing.
    assert_eq!(
        editor
            .imports
            .cancel_import_job(request)
            .await
            .unwrap()
            .into_inner(),
        cancelled
    );
    let anew = pb::CancelImportJobRequest {
        id: job.id.clone(),
        request_id: String::new(),
    };
    assert_eq!(
        editor.imports.cancel_import_job(anew).await.unwrap().into_inner(),
        cancelled
    );
    let status = editor.send(&job.id, 11, b"N2\n", None).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_running_import_is_cancelled() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    // A lock on the table holds the commit up, so that the import is surely still running.
    let blocker = suite.sql.client();
    blocker
        .batch_execute(&format!(
            "BEGIN; SELECT FROM \"table\" WHERE id = '{table}' FOR UPDATE"
        ))
        .await
        .unwrap();
    editor.upload(&job.id, csv(1, 1_000).as_bytes()).await;
    let mut states = editor
        .imports
        .watch_import_job(pb::WatchImportJobRequest { id: job.id.clone() })
        .await
        .unwrap()
        .into_inner();
    while let Some(state) = states.next().await {
        if state.unwrap().state() == pb::JobState::Running {
            break;
        }
    }
    let request = pb::CancelImportJobRequest {
        id: job.id.clone(),
        request_id: String::new(),
    };
    editor.imports.cancel_import_job(request).await.unwrap();
    let last = tokio::time::timeout(PATIENCE, states.collect::<Vec<_>>())
        .await
        .unwrap()
        .pop()
        .unwrap()
        .unwrap();
    assert_eq!((last.state(), last.version), (pb::JobState::Failed, None));
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let count = format!("SELECT count(*) FROM table_version WHERE table_id = '{table}'");
    assert_eq!(suite.sql.value(&count).await.unwrap(), "0");
}

#[tokio::test]
async fn a_watched_import_is_told_of_until_it_has_ended() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let request = pb::WatchImportJobRequest { id: job.id.clone() };
    let watched = suite
        .as_user()
        .imports
        .watch_import_job(request)
        .await
        .unwrap()
        .into_inner();
    editor.upload(&job.id, csv(1, 100).as_bytes()).await;
    let states: Vec<_> = tokio::time::timeout(PATIENCE, watched.collect::<Vec<_>>())
        .await
        .unwrap();
    let states: Vec<pb::JobState> = states.into_iter().map(|job| job.unwrap().state()).collect();
    assert_eq!(states.first(), Some(&pb::JobState::Pending));
    assert_eq!(states.last(), Some(&pb::JobState::Completed));
    assert!(states.is_sorted(), "{states:?}");
}

#[tokio::test]
async fn waiting_is_bounded() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let table = suite.table("planes").await;
    let job = editor.create(csv_import(&table)).await;
    let at_once = editor
        .imports
        .wait_import_job(wait(&job.id, 0))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(at_once.state(), pb::JobState::Pending);
    // The caller's own deadline ends the waiting with an answer, too.
    let mut request = tonic::Request::new(wait(&job.id, 300));
    request.set_timeout(Duration::from_millis(700));
    assert_eq!(
        editor
            .imports
            .wait_import_job(request)
            .await
            .unwrap()
            .into_inner()
            .state(),
        pb::JobState::Pending
    );
    assert_eq!(
        editor
            .imports
            .wait_import_job(wait(&job.id, -1))
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn imports_are_listed_in_pages_and_by_table() {
    let suite = Suite::start().await;
    let mut editor = suite.as_editor();
    let [one, two] = [suite.table("one").await, suite.table("two").await];
    let mut created = Vec::new();
    for table in [&one, &two, &one, &one] {
        created.push(editor.create(csv_import(table)).await.id);
    }
    let mut request = pb::ListImportJobsRequest {
        page_size: 3,
        ..Default::default()
    };
    let page = editor
        .imports
        .list_import_jobs(request.clone())
        .await
        .unwrap()
        .into_inner();
    request.page_token = page.next_page_token.clone();
    let rest = editor
        .imports
        .list_import_jobs(request.clone())
        .await
        .unwrap()
        .into_inner();
    let listed: Vec<String> = page
        .import_jobs
        .into_iter()
        .chain(rest.import_jobs)
        .map(|job| job.id)
        .collect();
    assert_eq!((listed, rest.next_page_token.as_str()), (created, ""));
    request.table_id = Some(two);
    assert_eq!(
        editor
            .imports
            .list_import_jobs(request.clone())
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    request.page_token = String::new();
    assert_eq!(
        editor
            .imports
            .list_import_jobs(request)
            .await
            .unwrap()
            .into_inner()
            .import_jobs
            .len(),
        1
    );
    let theirs = suite
        .as_other_tenant()
        .imports
        .list_import_jobs(pb::ListImportJobsRequest::default())
        .await;
    assert!(theirs.unwrap().into_inner().import_jobs.is_empty());
}

#[tokio::test]
async fn imports_of_others_do_not_exist() {
    let suite = Suite::start().await;
    let table = suite.table("planes").await;
    let id = suite.as_editor().create(csv_import(&table)).await.id;
    let mut other = suite.as_other_tenant();
    let codes = [
        other
            .imports
            .get_import_job(pb::GetImportJobRequest { id: id.clone() })
            .await
            .unwrap_err()
            .code(),
        other
            .imports
            .wait_import_job(wait(&id, 1))
            .await
            .unwrap_err()
            .code(),
        other
            .imports
            .watch_import_job(pb::WatchImportJobRequest { id: id.clone() })
            .await
            .unwrap_err()
            .code(),
        other
            .imports
            .cancel_import_job(pb::CancelImportJobRequest {
                id: id.clone(),
                request_id: String::new(),
            })
            .await
            .unwrap_err()
            .code(),
    ];
    assert_eq!(codes, [Code::NotFound; 4]);
    let job = suite
        .as_user()
        .imports
        .get_import_job(pb::GetImportJobRequest { id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(job.state(), pb::JobState::Pending);
}
