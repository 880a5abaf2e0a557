//! Whose job is next.

use datacovey_persistence::{Claim, Database, DbRole, JobKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::leases::{claim, claimed};
use crate::world::World;

/// Takes the next job and ends it; whose it was.
async fn done(worker: &Database) -> Uuid {
    let job = claimed(worker, JobKind::Import).await;
    let error = json!({"reason": "X", "message": "x"});
    worker
        .job_fail(&job.ctx(), &job.lease, error, None)
        .await
        .unwrap();
    job.creator.tenant_id
}

#[tokio::test]
async fn with_one_slot_tenants_take_turns() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let (airline, registry) = (world.airline, world.registry);
    for _ in 0..1_000 {
        world.admin.import_job(airline, world.flights).await;
    }
    assert_eq!(done(&worker).await, airline.id);
    for _ in 0..3 {
        world.admin.import_job(registry, world.planes).await;
    }
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(done(&worker).await == registry.id);
    }
    assert_eq!(turns, [true, false, true, false, true, false]);
    // A kind of job has turns of its own.
    world.admin.export_job(airline, world.flights).await;
    world.admin.export_job(registry, world.planes).await;
    let export = claimed(&worker, JobKind::Export).await;
    assert_eq!(export.creator.tenant_id, airline.id);
}

#[tokio::test]
async fn a_large_job_stands_back_for_small_ones_and_not_for_ever() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let job = async |options: Value, seconds_ago: u32| {
        let id = world.admin.import_job(world.airline, world.flights).await;
        let set = format!(
            "UPDATE import_run SET options = '{options}',
                 ready_at = utc_now() - {seconds_ago} * interval '1 second' WHERE job_id = '{id}'"
        );
        world.admin.run(&set).await.unwrap();
        id
    };
    let sized = |bytes: u64| json!({"upload": {"size_bytes": bytes}});
    // Twenty seconds' worth, and as much as there is, which counts as ten minutes.
    let large = job(sized(1_000_000_000), 60).await;
    let huge = job(sized(1 << 50), 590).await;
    let small = job(sized(1_000), 50).await;
    let new = job(sized(1_000), 0).await;
    let odd = job(json!({"upload": {"size_bytes": "much"}}), 45).await;
    let old = job(sized(1 << 50), 660).await;
    let mut order = Vec::new();
    while let Some(job) = worker.job_claim(&claim(JobKind::Import)).await.unwrap() {
        order.push(job.lease.job_id);
    }
    assert_eq!(order, [old, small, odd, large, new, huge]);
}

#[tokio::test]
async fn a_tenant_at_its_limit_holds_up_nobody() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    for _ in 0..5 {
        world.admin.import_job(world.airline, world.flights).await;
    }
    let one = Claim {
        max_running_per_tenant: 2,
        ..claim(JobKind::Import)
    };
    let next = async || {
        worker
            .job_claim(&one)
            .await
            .unwrap()
            .map(|it| it.creator.tenant_id)
    };
    assert_eq!(next().await, Some(world.airline.id));
    assert_eq!(next().await, Some(world.airline.id));
    assert_eq!(next().await, None);
    world.admin.import_job(world.registry, world.planes).await;
    assert_eq!(next().await, Some(world.registry.id));
}

#[tokio::test]
async fn a_tenant_that_goes_takes_its_turns_along() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let stranger = world.stranger;
    let project = world.admin.project(stranger.id, "Own").await;
    let dataset = world.admin.dataset(stranger.id, project, "own").await;
    let schema = datacovey_testing::schema_of(&["a"]);
    let table = world.admin.table(stranger.id, dataset, "t", &schema).await;
    world.admin.import_job(stranger, table).await;
    assert_eq!(done(&worker).await, stranger.id);
    let turns = "SELECT count(*) FROM job_turn";
    assert_eq!(world.admin.value(turns).await.unwrap(), "1");
    let forbidden = world.stranger_as("datacovey_transfer_worker").await;
    assert!(forbidden.rows(turns).await.is_err());

    let platform = world.stranger_as("datacovey_identity").await;
    platform
        .run("SELECT set_config('datacovey.platform', 'on', false)")
        .await
        .unwrap();
    let purge = format!("SELECT purge('tenant', '{}', true)", stranger.id);
    platform.rows(&purge).await.unwrap();
    assert_eq!(world.admin.value(turns).await.unwrap(), "0");
}
