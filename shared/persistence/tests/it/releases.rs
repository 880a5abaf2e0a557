//! The door through which a result is released, and what becomes of it.

use std::time::Duration;

use datacovey_error::ErrorReason;
use datacovey_persistence::{
    CheckedTable, DbRole, JobKind, Release, ReleasedGroups, Sweep, Swept, Unreleased, utc_now,
};
use serde_json::json;
use uuid::Uuid;

use crate::leases::claimed;
use crate::refusal::breaks;
use crate::world::World;

pub(crate) fn flights_release(world: &World, policy_version: Option<i64>) -> Release {
    Release {
        tables: vec![CheckedTable {
            table_id: world.flights,
            policy_version,
            uses: 1,
        }],
        path: "result/x".to_owned(),
        rows: 3,
        bytes: 100,
        schema: json!([{"name": "n"}]),
        cache_key: Some("k".to_owned()),
        cached_from: None,
        question: "0".repeat(64),
        expires_at: utc_now() + Duration::from_secs(3600),
        statistics: json!({"total_rows": 3, "query_plan": [{"name": "scan"}]}),
        normalized_query: "SELECT count(*) FROM air.flights".to_owned(),
        releases: vec![ReleasedGroups {
            tables: vec![world.flights],
            released: 3,
            suppressed: 2,
        }],
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
        completed_grace: Duration::ZERO,
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
    release.tables.push(CheckedTable {
        table_id: world.planes,
        policy_version: Some(1),
        uses: 1,
    });
    release.releases[0].tables.push(world.planes);
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

#[tokio::test]
async fn each_owner_is_told_of_the_releases_that_read_its_tables() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    world.admin.participant(world.project, world.stranger.id).await;
    world
        .admin
        .table_policy(world.registry, world.planes, &json!({"privacy_unit": "tailnum"}))
        .await;
    let query = world
        .admin
        .query(world.stranger.id, world.project, "SELECT of both, apart")
        .await;
    world.admin.query_job(world.stranger, query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let mut release = flights_release(&world, Some(1));
    release.tables.push(CheckedTable {
        table_id: world.planes,
        policy_version: Some(1),
        uses: 1,
    });
    release.releases.push(ReleasedGroups {
        tables: vec![world.planes],
        released: 7,
        suppressed: 5,
    });
    worker
        .query_release(&job.ctx(), &job.lease, release)
        .await
        .unwrap();
    for (owner, told) in [(world.airline, ["3", "2"]), (world.registry, ["7", "5"])] {
        let sql = world
            .database
            .sql_for("datacovey_query", owner.id, owner.admin)
            .await;
        let rows = sql
            .rows("SELECT released_groups, suppressed_groups FROM release_audit")
            .await;
        assert_eq!(rows.unwrap(), [told]);
    }
}

#[tokio::test]
async fn rows_of_the_analyst_are_no_business_of_an_owners() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let mut release = flights_release(&world, Some(1));
    release.tables.push(CheckedTable {
        table_id: world.planes,
        policy_version: None,
        uses: 1,
    });
    release.releases[0].tables.push(world.planes);
    worker
        .query_release(&job.ctx(), &job.lease, release)
        .await
        .unwrap();
    let told = "SELECT released_groups, coalesce(suppressed_groups::text, '-') FROM release_audit";
    let owner = world.airline_as("datacovey_query").await;
    assert_eq!(owner.rows(told).await.unwrap(), [["3", "-"]]);
}

#[tokio::test]
async fn an_earlier_answer_is_given_again_to_its_tenant_alone_and_for_no_longer() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let first = world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let release = flights_release(&world, Some(1));
    worker
        .query_release(&job.ctx(), &job.lease, release.clone())
        .await
        .unwrap();

    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let again = || Release {
        cached_from: Some(first),
        releases: Vec::new(),
        ..release.clone()
    };
    let later = Release {
        expires_at: release.expires_at + Duration::from_secs(1),
        ..again()
    };
    let other = Release {
        cache_key: Some("other".to_owned()),
        ..again()
    };
    for wrong in [later, other] {
        let refused = worker
            .query_release(&job.ctx(), &job.lease, wrong)
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), ErrorReason::Conflict);
    }
    worker
        .query_release(&job.ctx(), &job.lease, again())
        .await
        .unwrap();
    let owner = world.airline_as("datacovey_query").await;
    let audit = "SELECT outcome, released_groups, suppressed_groups FROM release_audit ORDER BY created_at";
    let told = owner.rows(audit).await.unwrap();
    assert_eq!(told, [["released", "3", "2"], ["cached", "3", "2"]]);

    // The answer of another tenant is none.
    world.admin.participant(world.project, world.stranger.id).await;
    let query = world
        .admin
        .query(world.stranger.id, world.project, "SELECT 1")
        .await;
    world.admin.query_job(world.stranger, query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let refused = worker
        .query_release(&job.ctx(), &job.lease, again())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::Conflict);
}

#[tokio::test]
async fn nothing_is_released_that_was_not_charged() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let policy = json!({"privacy_unit": "tailnum", "access_budget": {"uses": 9, "window": "ever"}});
    world
        .admin
        .table_policy(world.airline, world.flights, &policy)
        .await;
    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let mut release = flights_release(&world, Some(2));
    let refused = worker
        .query_release(&job.ctx(), &job.lease, release.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WorldChanged);
    worker
        .access_charge(&job.ctx(), &job.lease, &release.tables)
        .await
        .unwrap();
    release.tables[0].uses = 2;
    let refused = worker
        .query_release(&job.ctx(), &job.lease, release.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WorldChanged);
    release.tables[0].uses = 1;
    worker
        .query_release(&job.ctx(), &job.lease, release)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_failure_is_told_to_an_owner_whose_tables_are_all_that_was_read() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let flights = flights_release(&world, Some(1)).tables;
    let planes = CheckedTable {
        table_id: world.planes,
        policy_version: None,
        uses: 0,
    };
    for tables in [[flights.clone(), vec![planes]].concat(), flights] {
        world.admin.query_job(world.registry, world.query).await;
        let job = claimed(&worker, JobKind::Query).await;
        let read = Unreleased {
            tables,
            normalized_query: "SELECT 1".to_owned(),
            read: true,
        };
        let error = json!({"reason": "QUERY_FAILED"});
        worker
            .query_fail(
                &job.ctx(),
                &job.lease,
                error.clone(),
                json!({}),
                Some(read.clone()),
            )
            .await
            .unwrap();
        let again = worker
            .query_fail(&job.ctx(), &job.lease, error, json!({}), Some(read))
            .await;
        assert_eq!(again.unwrap_err().reason(), ErrorReason::WrongState);
    }
    let owner = world.airline_as("datacovey_query").await;
    let audit = "SELECT outcome, released_groups, coalesce(suppressed_groups::text, '-') FROM release_audit";
    assert_eq!(owner.rows(audit).await.unwrap(), [["failed", "0", "-"]]);
}

#[tokio::test]
async fn refusals_and_cancels_are_told_as_failures_are() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let client = world.database.open(DbRole::Query).await;
    let flights = flights_release(&world, Some(1)).tables;
    let planes = CheckedTable {
        table_id: world.planes,
        policy_version: None,
        uses: 0,
    };
    let with_own = [flights.clone(), vec![planes]].concat();
    let next = async || {
        world.admin.query_job(world.registry, world.query).await;
        claimed(&worker, JobKind::Query).await
    };
    for tables in [&with_own, &flights] {
        let job = next().await;
        let refused = Unreleased {
            tables: tables.clone(),
            normalized_query: "SELECT 1".to_owned(),
            read: false,
        };
        let error = json!({"reason": "BUDGET_SPENT"});
        worker
            .query_fail(&job.ctx(), &job.lease, error, json!({}), Some(refused))
            .await
            .unwrap();
        // Cancelled before it reads, and after.
        for reads in [false, true] {
            let job = next().await;
            if reads {
                worker
                    .query_note_reads(&job.ctx(), &job.lease, tables, "SELECT 2")
                    .await
                    .unwrap();
            }
            let ctx = world.registry.ctx();
            client.query_job_cancel(&ctx, job.lease.job_id).await.unwrap();
            client.query_job_cancel(&ctx, job.lease.job_id).await.unwrap();
            let late = worker
                .query_note_reads(&job.ctx(), &job.lease, tables, "SELECT 3")
                .await;
            assert_eq!(late.unwrap_err().reason(), ErrorReason::WrongState);
        }
    }
    let audit = "SELECT outcome, normalized_query, released_groups, coalesce(suppressed_groups::text, '-')
                 FROM release_audit ORDER BY created_at";
    let told = [
        ["refused", "SELECT 1", "0", "-"],
        ["cancelled", "SELECT 2", "0", "-"],
    ];
    assert_eq!(
        world
            .airline_as("datacovey_query")
            .await
            .rows(audit)
            .await
            .unwrap(),
        told
    );
    for other in [
        world.registry_as("datacovey_query").await,
        world.stranger_as("datacovey_query").await,
    ] {
        assert!(other.rows(audit).await.unwrap().is_empty());
    }
}
