use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::QueryJobState;
use tonic::Code;

use crate::clients::reason;
use crate::fixture::Bench;
use crate::jobs::error;

/// Longer than any test waits.
const ENDLESS: &str = "SELECT count(*) AS n FROM registry.planes a, registry.planes b, registry.planes c
                       WHERE a.maker || b.maker || c.maker = 'nothing'";

#[tokio::test]
async fn a_cancel_reaches_a_running_worker() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller.start(ENDLESS).await.unwrap();
    let watch = pb::WatchQueryJobRequest { id: job.id.clone() };
    let mut states = caller
        .jobs
        .clone()
        .watch_query_job(watch)
        .await
        .unwrap()
        .into_inner();
    let mut seen = Vec::new();
    while let Some(job) = states.message().await.unwrap() {
        if job.state() == QueryJobState::Running && seen.last() != Some(&QueryJobState::Running) {
            let error = caller
                .read(&job.id, pb::ResultFormat::Json, 0, None)
                .await
                .unwrap_err();
            assert_eq!(
                (error.code(), reason(&error).as_str()),
                (Code::FailedPrecondition, "WRONG_STATE")
            );
            let cancel = pb::CancelQueryJobRequest {
                id: job.id.clone(),
                request_id: String::new(),
            };
            let cancelled = caller
                .jobs
                .clone()
                .cancel_query_job(cancel.clone())
                .await
                .unwrap()
                .into_inner();
            assert_eq!(cancelled.state(), QueryJobState::Error);
            // Once more changes nothing.
            assert_eq!(
                caller
                    .jobs
                    .clone()
                    .cancel_query_job(cancel)
                    .await
                    .unwrap()
                    .into_inner(),
                cancelled
            );
        }
        seen.push(job.state());
    }
    assert_eq!(seen.last(), Some(&QueryJobState::Error));
    assert!(seen.contains(&QueryJobState::Running), "{seen:?}");
    let ended = caller.end(&job.id).await;
    assert_eq!(error(&ended, "reason"), "CANCELLED");
    // Both places are free again: a third run gets one.
    assert_eq!(caller.rows("SELECT 1 AS one").await.len(), 1);
}

#[tokio::test]
async fn a_wait_ends_with_its_time() {
    let bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller.start(ENDLESS).await.unwrap();
    let timeout = Some(prost_types::Duration {
        seconds: 0,
        nanos: 50_000_000,
    });
    let request = pb::WaitQueryJobRequest {
        id: job.id.clone(),
        timeout,
    };
    let waited = caller
        .jobs
        .clone()
        .wait_query_job(request)
        .await
        .unwrap()
        .into_inner();
    assert!(waited.ended.is_none());
    let cancel = pb::CancelQueryJobRequest {
        id: job.id,
        request_id: String::new(),
    };
    caller.jobs.clone().cancel_query_job(cancel).await.unwrap();
}

#[tokio::test]
async fn a_job_of_others_is_not_there() {
    let bench = Bench::new().await;
    let job = bench.as_registry().run("SELECT 1 AS one").await;
    // The partner of the project sees as little as a stranger.
    for other in [bench.as_alliance(), bench.as_stranger()] {
        let id = job.id.clone();
        let mut jobs = other.jobs.clone();
        let codes = [
            jobs.get_query_job(pb::GetQueryJobRequest { id: id.clone() })
                .await
                .unwrap_err()
                .code(),
            jobs.cancel_query_job(pb::CancelQueryJobRequest {
                id: id.clone(),
                ..Default::default()
            })
            .await
            .unwrap_err()
            .code(),
            jobs.wait_query_job(pb::WaitQueryJobRequest {
                id: id.clone(),
                timeout: None,
            })
            .await
            .unwrap_err()
            .code(),
            jobs.watch_query_job(pb::WatchQueryJobRequest { id: id.clone() })
                .await
                .unwrap_err()
                .code(),
            other
                .read(&id, pb::ResultFormat::Json, 0, None)
                .await
                .unwrap_err()
                .code(),
        ];
        assert_eq!(codes, [Code::NotFound; 5]);
        let listed = jobs
            .list_query_jobs(pb::ListQueryJobsRequest::default())
            .await
            .unwrap()
            .into_inner();
        assert!(listed.query_jobs.is_empty());
    }
}

#[tokio::test]
async fn a_tenant_has_so_many_open_jobs_and_no_more() {
    let bench = Bench::with_open_jobs(1).await;
    let caller = bench.as_registry();
    let job = caller.start(ENDLESS).await.unwrap();
    let error = caller.start("SELECT 1").await.unwrap_err();
    assert_eq!(
        (error.code(), reason(&error).as_str()),
        (Code::ResourceExhausted, "QUOTA_EXCEEDED")
    );
    // Others are not concerned.
    bench.as_alliance().rows("SELECT 1 AS one").await;
    let cancel = pb::CancelQueryJobRequest {
        id: job.id,
        request_id: String::new(),
    };
    caller.jobs.clone().cancel_query_job(cancel).await.unwrap();
    caller.rows("SELECT 1 AS one").await;
}

#[tokio::test]
async fn a_stopped_service_hands_its_jobs_back() {
    let mut bench = Bench::new().await;
    let caller = bench.as_registry();
    let job = caller.start(ENDLESS).await.unwrap();
    let mut states = caller
        .jobs
        .clone()
        .watch_query_job(pb::WatchQueryJobRequest { id: job.id.clone() })
        .await
        .unwrap()
        .into_inner();
    while let Some(job) = states.message().await.unwrap() {
        if job.state() == QueryJobState::Running {
            break;
        }
    }
    drop((states, caller));
    bench.stop().await;
    let runs = "SELECT holder IS NULL AND ended_at IS NULL FROM query_run";
    assert_eq!(
        bench.sql.column(runs).await.unwrap(),
        ["t"],
        "another worker may take it at once"
    );
}
