//! The doors of queries and workers: what they give, and what they must refuse.

use std::time::Duration;

use datacovey_error::{ErrorReason, Kind};
use datacovey_persistence::{
    Claim, ClaimedJob, Database, DbRole, ImportCommit, JobKind, LeaseState, NewFile, Release, Sweep, Swept, utc_now,
};
use datacovey_testing::schema_of;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::refusal::{breaks, forbidden, refusal};
use crate::world::World;

fn claim(kind: JobKind) -> Claim {
    Claim { kind, worker: "w1".to_owned(), lease: Duration::from_secs(60), max_running_per_tenant: 10 }
}

async fn claimed(database: &Database, kind: JobKind) -> ClaimedJob {
    database.job_claim(&claim(kind)).await.unwrap().expect("a job")
}

fn flights_commit(mode: &str, base_version: Option<i64>, files: &[(&str, i64)]) -> ImportCommit {
    let file = |(path, rows): &(&str, i64)| NewFile {
        path: (*path).to_owned(),
        format: "parquet".to_owned(),
        rows: *rows,
        bytes: rows * 10,
        checksum: "c".to_owned(),
        statistics: json!({"tailnum": {"nulls": 0}}),
    };
    ImportCommit {
        used_schema: schema_of(&["tailnum", "carrier"]),
        base_version,
        mode: mode.to_owned(),
        unique_columns: vec!["tailnum".to_owned()],
        files: files.iter().map(file).collect(),
        progress: Some(json!({"rows": 1})),
    }
}

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
async fn a_principal_is_found_by_organization_and_subject() {
    let world = World::new().await;
    let identity = world.database.open(DbRole::Identity).await;
    let (org, sub) = (world.airline.org(), world.airline.admin_sub());
    let principal = identity.principal_resolve("https://issuer", &org, &sub).await.unwrap().unwrap();
    assert_eq!((principal.tenant_id, principal.user_id), (world.airline.id, world.airline.admin));
    for (issuer, org, sub) in [
        ("https://issuer", org.as_str(), world.registry.admin_sub().as_str()),
        ("https://issuer", "org_none", sub.as_str()),
        ("https://issuer", org.as_str(), ""),
        ("", org.as_str(), sub.as_str()),
    ] {
        assert_eq!(identity.principal_resolve(issuer, org, sub).await.unwrap(), None, "{issuer} {org} {sub}");
    }
    world.admin.user(world.airline.id, datacovey_types::Role::OrgAdmin).await;
    let archive = format!("UPDATE \"user\" SET archived_at = now() WHERE id = '{}'", world.airline.admin);
    world.admin.run(&archive).await.unwrap();
    assert_eq!(identity.principal_resolve("https://issuer", &org, &sub).await.unwrap(), None);
    let archive = format!("UPDATE tenant SET archived_at = now() WHERE id = '{}'", world.registry.id);
    world.admin.run(&archive).await.unwrap();
    let (org, sub) = (world.registry.org(), world.registry.admin_sub());
    assert_eq!(identity.principal_resolve("https://issuer", &org, &sub).await.unwrap(), None);
}

#[tokio::test]
async fn doors_open_to_their_role_only() {
    let world = World::new().await;
    let calls = [
        ("resolve_principal", "SELECT * FROM resolve_principal('i', 'o', 's')".to_owned()),
        ("partner_names", format!("SELECT * FROM partner_names('{}')", world.project)),
        ("invitations", "SELECT * FROM invitations()".to_owned()),
        ("accept", format!("SELECT accept('{}')", world.project)),
        ("decline", format!("SELECT decline('{}')", world.project)),
        ("leave", format!("SELECT leave('{}')", world.project)),
        ("resolve_project", format!("SELECT * FROM resolve_project('{}')", world.project)),
        ("resolve_versions", "SELECT * FROM resolve_versions('{}', '{}')".to_owned()),
        ("claim_job", "SELECT * FROM claim_job('query', 'w', 1, 1)".to_owned()),
        (
            "commit_import",
            "SELECT commit_import(gen_random_uuid(), 'w', 1, '{}', 0, 'append', '{}', '[]', NULL)".to_owned(),
        ),
        ("release", "SELECT release(gen_random_uuid(), 'w', 1, '[]', '{}', '{}', '{}')".to_owned()),
        ("sweep", "SELECT * FROM sweep('query', '{}', '{}', 1, 1)".to_owned()),
    ];
    assert_eq!(calls.len(), datacovey_persistence::DOORS.len());
    for (door, call) in calls {
        let (_, allowed) = datacovey_persistence::DOORS.iter().find(|(name, _)| *name == door).unwrap();
        for role in DbRole::ALL.into_iter().filter(|it| !allowed.contains(it)) {
            let sql = world.airline_as(role.as_str()).await;
            let refused = refusal(sql.rows(&call).await);
            assert_eq!(refused.code, "42501", "{door} as {role}: {refused:?}");
        }
        forbidden(world.airline_as("datacovey_backfill").await.rows(&call).await);
    }
}

#[tokio::test]
async fn a_project_is_resolved_for_who_may_query_it() {
    let world = World::new().await;
    let query = world.database.open(DbRole::Query).await;
    let tables = query.project_resolve(&world.registry.ctx(), world.project).await.unwrap();
    let named = tables.iter().map(|it| (it.dataset_name.as_str(), it.table_name.as_str(), it.tenant_id));
    assert_eq!(
        named.collect::<Vec<_>>(),
        [("air", "flights", world.airline.id), ("reg", "planes", world.registry.id)]
    );
    assert_eq!(tables[0].policy, Some(json!({"privacy_unit": "tailnum"})));
    assert_eq!((tables[0].policy_version, tables[0].version), (Some(1), 0));
    assert_eq!((tables[1].policy_version, &tables[1].policy), (None, &None));

    let refused = query.project_resolve(&world.stranger.ctx(), world.project).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::NotFound);
    assert_eq!(query.project_resolve(&world.registry.ctx(), Uuid::nil()).await.unwrap_err().kind(), Kind::NotFound);

    let archive = |relation: &str, id: Uuid| format!("UPDATE \"{relation}\" SET archived_at = now() WHERE id = '{id}'");
    world.admin.run(&archive("table", world.flights)).await.unwrap();
    let tables = query.project_resolve(&world.registry.ctx(), world.project).await.unwrap();
    assert_eq!(tables.iter().map(|it| it.table_id).collect::<Vec<_>>(), [world.planes]);
    world.admin.run(&archive("dataset", world.planes_dataset)).await.unwrap();
    assert_eq!(query.project_resolve(&world.registry.ctx(), world.project).await.unwrap(), []);
    world.admin.run(&archive("project", world.project)).await.unwrap();
    let refused = query.project_resolve(&world.registry.ctx(), world.project).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::Archived);
}

#[tokio::test]
async fn what_an_owner_no_longer_contributes_is_not_resolved() {
    let world = World::new().await;
    let query = world.database.open(DbRole::Query).await;
    let of = async || {
        let tables = query.project_resolve(&world.airline.ctx(), world.project).await.unwrap();
        tables.into_iter().map(|it| it.table_name).collect::<Vec<_>>()
    };
    assert_eq!(of().await, ["flights", "planes"]);
    let owner = world.airline_as("datacovey_catalog").await;
    let rights = "UPDATE project_participant SET can_contribute";
    let guest = format!("WHERE tenant_id = '{}'", world.registry.id);
    owner.run(&format!("{rights} = false {guest}")).await.unwrap();
    assert_eq!(of().await, ["flights"]);
    owner.run(&format!("{rights} = true {guest}")).await.unwrap();
    let leave = format!("SELECT leave('{}')", world.project);
    world.registry_as("datacovey_catalog").await.run(&leave).await.unwrap();
    assert_eq!(of().await, ["flights"]);
}

#[tokio::test]
async fn an_import_becomes_a_version_of_files() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let transfer = world.database.open(DbRole::Transfer).await;
    let commit = async |commit: ImportCommit| {
        world.admin.import_job(world.airline, world.flights).await;
        let job = claimed(&worker, JobKind::Import).await;
        assert_eq!((job.parent_id, job.creator.user_id), (world.flights, world.airline.admin));
        worker.import_commit(&job.ctx(), &job.lease, commit).await
    };
    assert_eq!(commit(flights_commit("append", Some(0), &[("a", 100)])).await.unwrap(), 1);
    assert_eq!(commit(flights_commit("append", Some(1), &[("b", 20), ("c", 3)])).await.unwrap(), 2);
    assert_eq!(commit(flights_commit("append", None, &[])).await.unwrap(), 3);
    assert_eq!(commit(flights_commit("replace", None, &[("d", 7)])).await.unwrap(), 4);

    let versions = transfer
        .versions_resolve(
            &world.registry.ctx(),
            &[(world.flights, Some(1)), (world.flights, Some(3)), (world.flights, None), (world.planes, None)],
        )
        .await
        .unwrap();
    let paths = |files: &Value| {
        files.as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let found = versions
        .iter()
        .map(|it| (it.version, it.content_version, it.rows, it.bytes, paths(&it.files)))
        .collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            (1, 1, 100, 1000, "a".to_owned()),
            (3, 2, 123, 1230, "a b c".to_owned()),
            (4, 4, 7, 70, "d".to_owned()),
            (0, 0, 0, 0, String::new()),
        ]
    );
    // A version that is not there, and a table that is not the stranger's to query, are absent.
    let none = transfer.versions_resolve(&world.registry.ctx(), &[(world.flights, Some(9))]).await.unwrap();
    assert_eq!(none, []);
    assert_eq!(transfer.versions_resolve(&world.stranger.ctx(), &[(world.flights, None)]).await.unwrap(), []);

    // Of another's table the size class is told, of an own one the size.
    let query = world.database.open(DbRole::Query).await;
    let seen = query.project_resolve(&world.registry.ctx(), world.project).await.unwrap();
    assert_eq!((seen[0].version, seen[0].rows, seen[0].bytes), (4, 8, 128));
    let seen = query.project_resolve(&world.airline.ctx(), world.project).await.unwrap();
    assert_eq!((seen[0].rows, seen[0].bytes, seen[0].unique_columns.as_slice()), (7, 70, ["tailnum".to_owned()].as_slice()));
    let state = "SELECT status FROM import_job";
    assert!(world.admin.column(state).await.unwrap().iter().all(|it| it == "completed"));
}

#[tokio::test]
async fn an_import_that_no_longer_fits_is_not_committed() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    world.admin.import_job(world.airline, world.flights).await;
    let first = claimed(&worker, JobKind::Import).await;
    worker.import_commit(&first.ctx(), &first.lease, flights_commit("append", Some(0), &[("a", 1)])).await.unwrap();
    // Ended: it commits nothing a second time.
    let again = worker.import_commit(&first.ctx(), &first.lease, flights_commit("append", None, &[("z", 1)])).await;
    assert_eq!(again.unwrap_err().kind(), Kind::FailedPrecondition);

    world.admin.import_job(world.airline, world.flights).await;
    let job = claimed(&worker, JobKind::Import).await;
    let commit = async |commit| worker.import_commit(&job.ctx(), &job.lease, commit).await.unwrap_err();
    assert_eq!(commit(flights_commit("append", Some(0), &[("b", 1)])).await.kind(), Kind::Aborted);
    assert_eq!(commit(flights_commit("empty_only", None, &[("b", 1)])).await.reason(), ErrorReason::WrongState);
    let mut other_schema = flights_commit("append", None, &[("b", 1)]);
    other_schema.used_schema = json!({});
    assert_eq!(commit(other_schema).await.reason(), ErrorReason::WrongState);
    let mut stale = job.lease.clone();
    stale.attempt = 2;
    let refused = worker.import_commit(&job.ctx(), &stale, flights_commit("append", None, &[])).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WrongState);
    stale = job.lease.clone();
    stale.holder = "w2".to_owned();
    let refused = worker.import_commit(&job.ctx(), &stale, flights_commit("append", None, &[])).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WrongState);
    // In another tenant's name the job is not there.
    let refused = worker.import_commit(&world.registry.ctx(), &job.lease, flights_commit("append", None, &[])).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::FailedPrecondition);
    for (relation, id) in [("table", world.flights), ("dataset", world.dataset), ("project", world.project)] {
        let set = |value: &str| format!("UPDATE \"{relation}\" SET archived_at = {value} WHERE id = '{id}'");
        world.admin.run(&set("now()")).await.unwrap();
        assert_eq!(commit(flights_commit("append", None, &[])).await.reason(), ErrorReason::Archived);
        world.admin.act_for(world.airline.id, world.airline.admin).await;
        world.admin.run(&set("NULL")).await.unwrap();
    }
    // Nothing of it was left.
    assert_eq!(world.admin.value("SELECT count(*) FROM table_version").await.unwrap(), "1");
    assert_eq!(worker.import_commit(&job.ctx(), &job.lease, flights_commit("append", Some(1), &[])).await.unwrap(), 2);
}

#[tokio::test]
async fn a_release_stores_result_and_audit_and_ends_the_job() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let id = world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    assert_eq!((job.lease.job_id, job.parent_id), (id, world.query));
    worker.query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1))).await.unwrap();

    let query = world.registry_as("datacovey_query").await;
    let state = "SELECT status, total_rows, cache_hit, started IS NOT NULL, ended >= started, query_plan FROM query_job";
    assert_eq!(query.rows(state).await.unwrap(), [["DONE", "3", "f", "t", "t", "[{\"name\": \"scan\"}]"]]);
    assert_eq!(query.value("SELECT path FROM query_result").await.unwrap(), "result/x");
    assert_eq!(query.value("SELECT count(*) FROM release_audit").await.unwrap(), "0");
    let owner = world.airline_as("datacovey_query").await;
    let audit = "SELECT table_id, analyst_tenant_id, analyst_user_id, policy_version, outcome, released_groups,
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
    assert_eq!(owner.value("SELECT count(*) FROM query_result").await.unwrap(), "0");
    breaks(world.admin.run("DELETE FROM release_audit").await, "release_audit_only_grows");
    let again = worker.query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1))).await.unwrap_err();
    assert_eq!(again.reason(), ErrorReason::WrongState);
}

#[tokio::test]
async fn a_query_whose_world_has_changed_releases_nothing() {
    let changes: [(&str, fn(&World) -> String); 8] = [
        ("policy", |it| {
            format!(
                "INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
                 VALUES ('{}', 2, '{}', '{{}}', '{}')",
                it.flights, it.airline.id, it.airline.admin
            )
        }),
        ("table", |it| format!("UPDATE \"table\" SET archived_at = now() WHERE id = '{}'", it.flights)),
        ("dataset", |it| format!("UPDATE dataset SET archived_at = now() WHERE id = '{}'", it.dataset)),
        ("project", |it| format!("UPDATE project SET archived_at = now() WHERE id = '{}'", it.project)),
        ("query", |it| format!("UPDATE \"query\" SET archived_at = now() WHERE id = '{}'", it.query)),
        ("rights", |it| {
            format!("UPDATE project_participant SET can_query = false WHERE tenant_id = '{}'", it.registry.id)
        }),
        ("analyst", |it| {
            format!("UPDATE project_participant SET status = 'removed' WHERE tenant_id = '{}'", it.registry.id)
        }),
        ("owner", |it| format!("UPDATE tenant SET archived_at = now() WHERE id = '{}'", it.airline.id)),
    ];
    for (what, change) in changes {
        let world = World::new().await;
        let worker = world.database.open(DbRole::QueryWorker).await;
        world.admin.query_job(world.registry, world.query).await;
        let job = claimed(&worker, JobKind::Query).await;
        world.admin.act_for(world.airline.id, world.airline.admin).await;
        world.admin.run(&change(&world)).await.unwrap_or_else(|it| panic!("{what}: {it:?}"));
        let refused = worker.query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1))).await.unwrap_err();
        assert_eq!(refused.reason(), ErrorReason::WorldChanged, "{what}");
        assert_eq!(world.admin.value("SELECT count(*) FROM query_result").await.unwrap(), "0", "{what}");
        assert_eq!(world.admin.value("SELECT status FROM query_job").await.unwrap(), "RUNNING", "{what}");
    }
    // Nor one that was checked by no policy at all.
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    let refused = worker.query_release(&job.ctx(), &job.lease, flights_release(&world, None)).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::WorldChanged);
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
    assert_eq!(claimed(&worker, JobKind::Import).await.creator.tenant_id, world.airline.id);
    assert_eq!(claimed(&worker, JobKind::Import).await.creator.tenant_id, world.registry.id);

    let claims = (0..30).map(|n| {
        let worker = worker.clone();
        tokio::spawn(async move {
            let claim = Claim { worker: format!("w{n}"), max_running_per_tenant: 15, ..claim(JobKind::Import) };
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
    // The first has lost it, and can neither renew nor end it.
    let renew = async |job: &ClaimedJob| {
        worker.lease_renew(&job.ctx(), &job.lease, Duration::from_secs(60), Some(json!({"rows": 1}))).await.unwrap()
    };
    assert_eq!(renew(&first).await, LeaseState::Lost);
    assert_eq!(renew(&second).await, LeaseState::Held);
    let refused = worker.job_fail(&first.ctx(), &first.lease, json!({"reason": "X"}), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::FailedPrecondition);
    // Given back, it is taken at once, and the attempt does not count.
    assert_eq!(worker.lease_hand_back(&second.ctx(), &second.lease).await.unwrap(), LeaseState::Held);
    let third = claimed(&worker, JobKind::Import).await;
    assert_eq!((third.lease.attempt, third.max_attempts, third.progress), (3, 4, Some(json!({"rows": 1}))));
    world.admin.run(expire).await.unwrap();
    assert_eq!(claimed(&worker, JobKind::Import).await.lease.attempt, 4);
    world.admin.run(expire).await.unwrap();
    assert_eq!(worker.job_claim(&claim(JobKind::Import)).await.unwrap(), None);
    let state = "SELECT j.status, r.error ->> 'reason' FROM import_job j JOIN import_run r ON r.job_id = j.id";
    assert_eq!(world.admin.rows(state).await.unwrap(), [["failed", "ATTEMPTS_EXHAUSTED"]]);
}

#[tokio::test]
async fn a_job_that_can_no_longer_run_fails_at_its_lease() {
    let archive = |relation: &str, id: Uuid| format!("UPDATE \"{relation}\" SET archived_at = now() WHERE id = '{id}'");
    for what in ["creator", "table", "project"] {
        let world = World::new().await;
        let worker = world.database.open(DbRole::TransferWorker).await;
        world.admin.user(world.airline.id, datacovey_types::Role::OrgAdmin).await;
        world.admin.export_job(world.airline, world.flights).await;
        let (change, reason) = match what {
            "creator" => (archive("user", world.airline.admin), "CREATOR_ARCHIVED"),
            "table" => (archive("table", world.flights), "ARCHIVED"),
            _ => (archive("project", world.project), "ARCHIVED"),
        };
        world.admin.run(&change).await.unwrap();
        assert_eq!(worker.job_claim(&claim(JobKind::Export)).await.unwrap(), None, "{what}");
        let state = "SELECT j.status, r.error ->> 'reason' FROM export_job j JOIN export_run r ON r.job_id = j.id";
        assert_eq!(world.admin.rows(state).await.unwrap(), [["failed", reason]], "{what}");
    }
}

#[tokio::test]
async fn workers_do_jobs_of_their_own_kind() {
    let world = World::new().await;
    world.admin.import_job(world.airline, world.flights).await;
    let query_worker = world.airline_as("datacovey_query_worker").await;
    for kind in ["import", "export", "other"] {
        breaks(query_worker.rows(&format!("SELECT * FROM claim_job('{kind}', 'w', 1000, 1)")).await, "worker_of_kind");
        breaks(
            query_worker.rows(&format!("SELECT * FROM sweep('{kind}', '{{}}', '{{}}', 0, 0)")).await,
            "worker_of_kind",
        );
    }
    let transfer_worker = world.airline_as("datacovey_transfer_worker").await;
    breaks(transfer_worker.rows("SELECT * FROM claim_job('query', 'w', 1000, 1)").await, "worker_of_kind");
    for call in ["'', 1000, 1", "'w', 0, 1", "'w', 1000, 0"] {
        let refused = refusal(transfer_worker.rows(&format!("SELECT * FROM claim_job('import', {call})")).await);
        assert_eq!(refused.code, "22023", "{call}");
    }
}

#[tokio::test]
async fn of_cancel_and_commit_exactly_one_wins() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    let client = world.airline_as("datacovey_transfer").await;
    let mut committed = 0;
    for _ in 0..25 {
        let id = world.admin.import_job(world.airline, world.flights).await;
        let job = claimed(&worker, JobKind::Import).await;
        let cancel = format!("UPDATE import_job SET status = 'failed' WHERE id = '{id}'");
        let ctx = job.ctx();
        let (commit, cancel) = tokio::join!(
            worker.import_commit(&ctx, &job.lease, flights_commit("append", None, &[])),
            client.run(&cancel)
        );
        assert_ne!(commit.is_ok(), cancel.is_ok(), "{commit:?} {cancel:?}");
        let status = world.admin.value(&format!("SELECT status FROM import_job WHERE id = '{id}'")).await.unwrap();
        assert_eq!(status == "completed", commit.is_ok());
        committed += u64::from(commit.is_ok());
    }
    assert_eq!(world.admin.value("SELECT count(*) FROM table_version").await.unwrap(), committed.to_string());
}

#[tokio::test]
async fn what_jobs_leave_behind_is_swept() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::QueryWorker).await;
    let id = world.admin.query_job(world.registry, world.query).await;
    let job = claimed(&worker, JobKind::Query).await;
    worker.query_release(&job.ctx(), &job.lease, flights_release(&world, Some(1))).await.unwrap();
    let sweep = |jobs: &[Uuid], paths: &[&str]| Sweep {
        kind: JobKind::Query,
        swept_jobs: jobs.to_vec(),
        swept_paths: paths.iter().map(ToString::to_string).collect(),
        grace: Duration::ZERO,
        upload_lifetime: Duration::from_secs(3600),
    };
    let left = Swept::Job { tenant_id: world.registry.id, job_id: id, last_attempt: 1, completed: true };
    assert_eq!(worker.job_sweep(sweep(&[], &[])).await.unwrap(), [left]);
    world.admin.run("UPDATE query_result SET expires_at = utc_now()").await.unwrap();
    assert_eq!(worker.job_sweep(sweep(&[id], &[])).await.unwrap(), [Swept::Object("result/x".to_owned())]);
    assert_eq!(world.admin.value("SELECT count(*) FROM query_result").await.unwrap(), "0");
    assert_eq!(worker.job_sweep(sweep(&[], &["result/x"])).await.unwrap(), []);
}

#[tokio::test]
async fn an_upload_that_is_never_finished_fails() {
    let world = World::new().await;
    let worker = world.database.open(DbRole::TransferWorker).await;
    world.admin.import_job(world.airline, world.flights).await;
    world.admin.run("UPDATE import_run SET ready_at = NULL").await.unwrap();
    let sweep = Sweep {
        kind: JobKind::Import,
        swept_jobs: Vec::new(),
        swept_paths: Vec::new(),
        grace: Duration::from_secs(3600),
        upload_lifetime: Duration::from_secs(3600),
    };
    worker.job_sweep(sweep.clone()).await.unwrap();
    assert_eq!(world.admin.value("SELECT status FROM import_job").await.unwrap(), "pending");
    worker.job_sweep(Sweep { upload_lifetime: Duration::ZERO, ..sweep }).await.unwrap();
    assert_eq!(world.admin.value("SELECT error ->> 'reason' FROM import_run").await.unwrap(), "UPLOAD_EXPIRED");
}
