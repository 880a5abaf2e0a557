//! How workers come to their jobs, keep them and lose them.

use std::time::Duration;

use datacovey_error::Kind;
use datacovey_persistence::{Claim, ClaimedJob, Database, DbRole, JobKind, LeaseState, Sweep};
use serde_json::json;
use uuid::Uuid;

use crate::refusal::{breaks, refusal};
use crate::world::World;

pub(crate) fn claim(kind: JobKind) -> Claim {
    Claim {
        kind,
        worker: "w1".to_owned(),
        lease: Duration::from_secs(60),
        max_running_per_tenant: 10,
    }
}

pub(crate) async fn claimed(database: &Database, kind: JobKind) -> ClaimedJob {
    database.job_claim(&claim(kind)).await.unwrap().expect("a job")
}

#[tokio::test]
async fn jobs_are_leased_fairly_and_never_twice() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.admin.import_job(world.airline, world.flights).await);
    }
    ids.push(world.admin.import_job(world.registry, world.planes).await);
    let worker = world.database.open(DbRole::TransferWorker).await;
    // The first of the airline, then the registry's, though it came last.
    assert_eq!(
        claimed(&worker, JobKind::Import).await.creator.tenant_id,
        world.airline.id
    );
    assert_eq!(
        claimed(&worker, JobKind::Import).await.creator.tenant_id,
        world.registry.id
    );

    let claims = (0..30).map(|n| {
        let worker = worker.clone();
        tokio::spawn(async move {
            let claim = Claim {
                worker: format!("w{n}"),
                max_running_per_tenant: 15,
                ..claim(JobKind::Import)
            };
            worker.job_claim(&claim).await.unwrap().map(|it| it.lease.job_id)
        })
    });
    let mut leased = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        leased.extend(claim.await.unwrap());
    }
    let count = leased.len();
    leased.sort();
    leased.dedup();
    assert_eq!(leased.len(), count);
    assert_eq!(count, 14, "one of fifteen was running already");
}

#[tokio::test]
async fn a_job_that_waits_to_be_tried_again_does_not_run() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let first = world.admin.import_job(world.airline, world.flights).await;
    let second = world.admin.import_job(world.airline, world.flights).await;
    let one = Claim {
        max_running_per_tenant: 1,
        ..claim(JobKind::Import)
    };
    let claimed = worker.job_claim(&one).await.unwrap().unwrap();
    assert_eq!(claimed.lease.job_id, first);
    assert_eq!(worker.job_claim(&one).await.unwrap(), None);
    worker
        .lease_retry(&claimed.ctx(), &claimed.lease, Duration::from_secs(3600))
        .await
        .unwrap();
    let next = worker.job_claim(&one).await.unwrap().unwrap();
    assert_eq!(next.lease.job_id, second);
}

#[tokio::test]
async fn a_queue_is_counted_over_all_tenants() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let queue = async || worker.job_queue(JobKind::Import).await.unwrap();
    let empty = queue().await;
    assert_eq!(
        (empty.ready, empty.leased, empty.oldest_ready),
        (0, 0, Duration::ZERO)
    );
    let first = world.admin.import_job(world.airline, world.flights).await;
    world.admin.import_job(world.registry, world.planes).await;
    let uploading = world.admin.import_job(world.airline, world.flights).await;
    world
        .admin
        .run(&format!(
            "UPDATE import_run SET ready_at = utc_now() - interval '1 hour' WHERE job_id = '{first}';
             UPDATE import_run SET ready_at = NULL WHERE job_id = '{uploading}'"
        ))
        .await
        .unwrap();
    let waiting = queue().await;
    assert_eq!((waiting.ready, waiting.leased), (2, 0));
    assert!(waiting.oldest_ready >= Duration::from_secs(3600), "{waiting:?}");

    let held = claimed(&worker, JobKind::Import).await;
    assert_eq!(held.lease.job_id, first);
    let waiting = queue().await;
    assert_eq!((waiting.ready, waiting.leased), (1, 1));
    assert!(waiting.oldest_ready < Duration::from_secs(3600), "{waiting:?}");
    // One that waits to be tried again is neither.
    worker
        .lease_retry(&held.ctx(), &held.lease, Duration::from_secs(60))
        .await
        .unwrap();
    let pausing = queue().await;
    assert_eq!((pausing.ready, pausing.leased), (1, 0));
    // The queue of the other service is no business of this worker.
    assert!(worker.job_queue(JobKind::Query).await.is_err());
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over_until_attempts_are_used_up() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let id = world.admin.import_job(world.airline, world.flights).await;
    let expire = "UPDATE import_run SET lease_expires_at = utc_now() - interval '1 second'";
    let first = claimed(&worker, JobKind::Import).await;
    assert_eq!(worker.job_claim(&claim(JobKind::Import)).await.unwrap(), None);
    world.admin.run(expire).await.unwrap();
    let second = claimed(&worker, JobKind::Import).await;
    assert_eq!((second.lease.job_id, second.lease.attempt), (id, 2));
    assert_eq!((first.taken_over, second.taken_over), (false, true));
    // The first has lost it, and can neither renew nor end it.
    let renew = async |job: &ClaimedJob| {
        worker
            .lease_renew(
                &job.ctx(),
                &job.lease,
                Duration::from_secs(60),
                Some(json!({"rows": 1})),
            )
            .await
            .unwrap()
    };
    assert_eq!(renew(&first).await, LeaseState::Lost);
    assert_eq!(renew(&second).await, LeaseState::Held);
    let refused = worker
        .job_fail(&first.ctx(), &first.lease, json!({"reason": "X"}), None)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::FailedPrecondition);
    // Given back, it is taken at once, and the attempt does not count.
    assert_eq!(
        worker
            .lease_hand_back(&second.ctx(), &second.lease)
            .await
            .unwrap(),
        LeaseState::Held
    );
    let third = claimed(&worker, JobKind::Import).await;
    assert_eq!(
        (third.lease.attempt, third.max_attempts, third.progress),
        (3, 4, Some(json!({"rows": 1})))
    );
    assert!(!third.taken_over, "it was given back");
    world.admin.run(expire).await.unwrap();
    assert_eq!(claimed(&worker, JobKind::Import).await.lease.attempt, 4);
    world.admin.run(expire).await.unwrap();
    assert_eq!(worker.job_claim(&claim(JobKind::Import)).await.unwrap(), None);
    let state =
        "SELECT j.status, r.error ->> 'reason' FROM import_job j JOIN import_run r ON r.job_id = j.id";
    assert_eq!(
        world.admin.rows(state).await.unwrap(),
        [["failed", "ATTEMPTS_EXHAUSTED"]]
    );
}

#[tokio::test]
async fn a_job_that_can_no_longer_run_fails_at_its_lease() {
    let archive =
        |relation: &str, id: Uuid| format!("UPDATE \"{relation}\" SET archived_at = now() WHERE id = '{id}'");
    for what in ["creator", "table", "project"] {
        let world = World::new().await;
        let worker = world.database.open(DbRole::TransferWorker).await;
        world
            .admin
            .user(world.airline.id, datacovey_types::Role::OrgAdmin)
            .await;
        world.admin.export_job(world.airline, world.flights).await;
        let (change, reason) = match what {
            "creator" => (archive("user", world.airline.admin), "CREATOR_ARCHIVED"),
            "table" => (archive("table", world.flights), "ARCHIVED"),
            _ => (archive("project", world.project), "ARCHIVED"),
        };
        world.admin.run(&change).await.unwrap();
        assert_eq!(
            worker.job_claim(&claim(JobKind::Export)).await.unwrap(),
            None,
            "{what}"
        );
        let state =
            "SELECT j.status, r.error ->> 'reason' FROM export_job j JOIN export_run r ON r.job_id = j.id";
        assert_eq!(
            world.admin.rows(state).await.unwrap(),
            [["failed", reason]],
            "{what}"
        );
    }
}

#[tokio::test]
async fn workers_do_jobs_of_their_own_kind() {
    let world = World::new().await;
    world.admin.import_job(world.airline, world.flights).await;
    let query_worker = world.airline_as("datacovey_query_worker").await;
    for kind in ["import", "export", "other"] {
        breaks(
            query_worker
                .rows(&format!("SELECT * FROM claim_job('{kind}', 'w', 1000, 1)"))
                .await,
            "worker_of_kind",
        );
        breaks(
            query_worker
                .rows(&format!("SELECT * FROM sweep('{kind}', '{{}}', '{{}}', 0, 0)"))
                .await,
            "worker_of_kind",
        );
    }
    let transfer_worker = world.airline_as("datacovey_transfer_worker").await;
    breaks(
        transfer_worker
            .rows("SELECT * FROM claim_job('query', 'w', 1000, 1)")
            .await,
        "worker_of_kind",
    );
    for call in ["'', 1000, 1", "'w', 0, 1", "'w', 1000, 0"] {
        let refused = refusal(
            transfer_worker
                .rows(&format!("SELECT * FROM claim_job('import', {call})"))
                .await,
        );
        assert_eq!(refused.code, "22023", "{call}");
    }
}

#[tokio::test]
async fn an_upload_that_is_never_finished_fails() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    world.admin.import_job(world.airline, world.flights).await;
    world
        .admin
        .run("UPDATE import_run SET ready_at = NULL")
        .await
        .unwrap();
    let sweep = Sweep {
        kind: JobKind::Import,
        swept_jobs: Vec::new(),
        swept_paths: Vec::new(),
        grace: Duration::from_secs(3600),
        completed_grace: Duration::from_secs(3600),
        upload_lifetime: Duration::from_secs(3600),
    };
    worker.job_sweep(sweep.clone()).await.unwrap();
    assert_eq!(
        world.admin.value("SELECT status FROM import_job").await.unwrap(),
        "pending"
    );
    worker
        .job_sweep(Sweep {
            upload_lifetime: Duration::ZERO,
            ..sweep
        })
        .await
        .unwrap();
    assert_eq!(
        world
            .admin
            .value("SELECT error ->> 'reason' FROM import_run")
            .await
            .unwrap(),
        "UPLOAD_EXPIRED"
    );
}
