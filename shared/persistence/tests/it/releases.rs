//! The door through which a result is released, and what becomes of it.

use std::time::Duration;

use datacovey_error::ErrorReason;
use datacovey_persistence::{DbRole, JobKind, Release, Sweep, Swept, utc_now};
use serde_json::json;
use uuid::Uuid;

use crate::leases::claimed;
use crate::refusal::breaks;
use crate::world::World;

fn flights_release(world: &World, policy_version: Option<i64>) -> Release {
    Release {
        tables: vec![(world.flights, policy_version)],
        path: "result/x".to_owned(),
        rows: 3,
        bytes: 100,
        schema: json!([{"name": "n"}]),
        cache_key: Some("k".to_owned()),
        expires_at: utc_now() + Duration::from_secs(3600),
        statistics: json!({"total_rows": 3, "cache_hit": false, "query_plan": [{"name": "scan"}]}),
        normalized_query: "SELECT count(*) FROM air.flights".to_owned(),
        released_groups: 3,
        suppressed_groups: Some(2),
    }
}

#[tokio::test]
async fn a_release_stores_result_and_audit_and_ends_the_job() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let id = world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    assert_eq!((job.lease.job_id, job.parent_id), (id, world.query));
    worker
        .query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1)))
        .await
        .unwrap();

    let query = world.registry_as("datacovey_query").await;
    let state = "SELECT status, total_rows, cache_hit, started IS NOT NULL, ended >= started, query_plan FROM query_job";
    assert_eq!(
        query.rows(state).await.unwrap(),
        [["DONE", "3", "f", "t", "t", "[{\"name\": \"scan\"}]"]]
    );
    assert_eq!(
        query.value("SELECT path FROM query_result").await.unwrap(),
        "result/x"
    );
    assert_eq!(
        query.value("SELECT count(*) FROM release_audit").await.unwrap(),
        "0"
    );
    let owner = world.airline_as("datacovey_query").await;
    let audit =
        "SELECT table_id, analyst_tenant_id, analyst_user_id, policy_version, outcome, released_groups,
                        suppressed_groups FROM release_audit";
    let expected = [
        world.flights.to_string(),
        world.registry.id.to_string(),
        world.registry.admin.to_string(),
        "1".to_owned(),
        "released".to_owned(),
        "3".to_owned(),
        "2".to_owned(),
    ];
    assert_eq!(owner.rows(audit).await.unwrap(), [expected]);
    assert_eq!(
        owner.value("SELECT count(*) FROM query_result").await.unwrap(),
        "0"
    );
    breaks(
        world.admin.run("DELETE FROM release_audit").await,
        "release_audit_only_grows",
    );
    let again = worker
        .query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1)))
        .await
        .unwrap_err();
    assert_eq!(again.reason(), ErrorReason::WrongState);
}

#[tokio::test]
async fn a_query_whose_world_has_changed_releases_nothing() {
    type Change = fn(&World) -> String;
    let changes: [(&str, Change); 8] = [
        ("policy", |it| {
            format!(
                "INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
                 VALUES ('{}', 2, '{}', '{{}}', '{}')",
                it.flights, it.airline.id, it.airline.admin
            )
        }),
        ("table", |it| {
            format!(
                "UPDATE \"table\" SET archived_at = now() WHERE id = '{}'",
                it.flights
            )
        }),
        ("dataset", |it| {
            format!(
                "UPDATE dataset SET archived_at = now() WHERE id = '{}'",
                it.dataset
            )
        }),
        ("project", |it| {
            format!(
                "UPDATE project SET archived_at = now() WHERE id = '{}'",
                it.project
            )
        }),
        ("query", |it| {
            format!(
                "UPDATE \"query\" SET archived_at = now() WHERE id = '{}'",
                it.query
            )
        }),
        ("rights", |it| {
            format!(
                "UPDATE project_participant SET can_query = false WHERE tenant_id = '{}'",
                it.registry.id
            )
        }),
        ("analyst", |it| {
            format!(
                "UPDATE project_participant SET status = 'removed' WHERE tenant_id = '{}'",
                it.registry.id
            )
        }),
        ("owner", |it| {
            format!(
                "UPDATE tenant SET archived_at = now() WHERE id = '{}'",
                it.airline.id
            )
        }),
    ];
    for (what, change) in changes {
        let world = World::new().await;
        let worker = world.database.open(DbRole::QueryWorker).await;
        world.admin.query_job(world.registry, world.query).await;
        let job = claimed(&worker, JobKind::Query).await;
        world.admin.act_for(world.airline.id, world.airline.admin).await;
        world
            .admin
            .run(&change(&world))
            .await
            .unwrap_or_else(|it| panic!("{what}: {it:?}"));
        let refused = worker
            .query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1)))
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), ErrorReason::WorldChanged, "{what}");
        assert_eq!(
            world
                .admin
                .value("SELECT count(*) FROM query_result")
                .await
                .unwrap(),
            "0",
            "{what}"
        );
        assert_eq!(
            world.admin.value("SELECT status FROM query_job").await.unwrap(),
            "RUNNING",
            "{what}"
        );
    }
    // Nor one that was checked by no policy at all.
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let refused = worker
        .query_release(&job.ctx(), &job.lease, flights_release(&world, None))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WorldChanged);
}

#[tokio::test]
async fn what_jobs_leave_behind_is_swept() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let id = world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    worker
        .query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1)))
        .await
        .unwrap();
    let sweep = |jobs: &[Uuid], paths: &[&str]| Sweep {
        kind: JobKind::Query,
        swept_jobs: jobs.to_vec(),
        swept_paths: paths.iter().map(ToString::to_string).collect(),
        grace: Duration::ZERO,
        // As the query service asks: its jobs await no content.
        upload_lifetime: Duration::MAX,
    };
    let left = Swept::Job {
        tenant_id: world.registry.id,
        job_id: id,
        last_attempt: 1,
        completed: true,
    };
    assert_eq!(worker.job_sweep(sweep(&[], &[])).await.unwrap(), [left]);
    world
        .admin
        .run("UPDATE query_result SET expires_at = utc_now()")
        .await
        .unwrap();
    assert_eq!(
        worker.job_sweep(sweep(&[id], &[])).await.unwrap(),
        [Swept::Object("result/x".to_owned())]
    );
    assert_eq!(
        world
            .admin
            .value("SELECT count(*) FROM query_result")
            .await
            .unwrap(),
        "0"
    );
    assert_eq!(worker.job_sweep(sweep(&[], &["result/x"])).await.unwrap(), []);
}

#[tokio::test]
async fn a_policy_set_during_a_release_comes_before_it_or_after_it() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let owner = world.airline_as("datacovey_catalog").await;
    let policy = format!(
        "BEGIN; INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
         VALUES ('{}', 2, '{}', '{{}}', '{}')",
        world.flights, world.airline.id, world.airline.admin
    );
    owner.run(&policy).await.unwrap();
    let ctx = job.ctx();
    let (released, ()) = tokio::join!(
        worker.query_release(&ctx, &job.lease, flights_release(&world, Some(1))),
        async {
            world.wait_for_a_lock().await;
            owner.run("COMMIT").await.unwrap();
        }
    );
    assert_eq!(released.unwrap_err().reason(), ErrorReason::WorldChanged);
}

#[tokio::test]
async fn what_was_suppressed_is_not_told_where_owners_are_several() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    world.admin.participant(world.project, world.stranger.id).await;
    world
        .admin
        .table_policy(world.registry, world.planes, &json!({"privacy_unit": "tailnum"}))
        .await;
    let query = world
        .admin
        .query(world.stranger.id, world.project, "SELECT count(*) FROM both")
        .await;
    world.admin.query_job(world.stranger, query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let mut release = flights_release(&world, Some(1));
    release.tables.push((world.planes, Some(1)));
    worker
        .query_release(&job.ctx(), &job.lease, release)
        .await
        .unwrap();
    for owner in [world.airline, world.registry] {
        let sql = world
            .database
            .sql_for("datacovey_query", owner.id, owner.admin)
            .await;
        let told = "SELECT released_groups, coalesce(suppressed_groups::text, '-') FROM release_audit";
        assert_eq!(sql.rows(told).await.unwrap(), [["3", "-"]]);
    }
}
