//! What each role of each tenant sees and must not see.

use uuid::Uuid;

use crate::refusal::{breaks, forbidden};
use crate::world::{ROLES, SERVICES, World};

pub(crate) const CONTRACT: [&str; 14] = [
    "tenant",
    "\"user\"",
    "project",
    "dataset",
    "\"table\"",
    "\"query\"",
    "query_job",
    "import_job",
    "export_job",
    "dataset_history",
    "table_history",
    "query_history",
    "import_job_history",
    "export_job_history",
];

/// Rows in each relation of the contract, in its order.
async fn counts(sql: &datacovey_testing::Sql) -> Vec<u64> {
    let mut counts = Vec::new();
    for relation in CONTRACT {
        let count = sql.value(&format!("SELECT count(*) FROM {relation}")).await;
        counts.push(
            count
                .unwrap_or_else(|it| panic!("{relation}: {it}"))
                .parse()
                .unwrap(),
        );
    }
    counts
}

pub(crate) async fn full_world() -> World {
    let world = World::new().await;
    world.admin.query_job(world.registry, world.query).await;
    world.admin.import_job(world.airline, world.flights).await;
    world.admin.export_job(world.registry, world.planes).await;
    world
}

#[tokio::test]
async fn without_a_tenant_nothing_is_visible() {
    let world = full_world().await;
    for role in ROLES {
        let sql = world.database.sql_as(role).await;
        assert_eq!(counts(&sql).await, [0; 14], "{role}");
        // A local setting goes back to an empty text when its transaction ends.
        sql.run(&format!(
            "BEGIN; SET LOCAL datacovey.tenant = '{}'; COMMIT",
            world.airline.id
        ))
        .await
        .unwrap();
        assert_eq!(counts(&sql).await, [0; 14], "{role}");
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_and_what_is_shared() {
    let world = full_world().await;
    for role in ROLES {
        // tenant user project dataset table query query_job import export, and the histories
        assert_eq!(
            counts(&world.airline_as(role).await).await,
            [1, 1, 1, 2, 2, 0, 0, 1, 0, 2, 2, 0, 1, 0],
            "airline as {role}"
        );
        assert_eq!(
            counts(&world.registry_as(role).await).await,
            [1, 1, 1, 2, 2, 1, 1, 0, 1, 2, 2, 1, 0, 1],
            "registry as {role}"
        );
        assert_eq!(
            counts(&world.stranger_as(role).await).await,
            [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "{role}"
        );
    }
}

#[tokio::test]
async fn relations_beside_the_contracts_are_seen_by_whom_they_concern() {
    let world = full_world().await;
    let policies = "SELECT count(*) FROM table_policy";
    assert_eq!(
        world
            .airline_as("datacovey_catalog")
            .await
            .value(policies)
            .await
            .unwrap(),
        "1"
    );
    assert_eq!(
        world
            .registry_as("datacovey_catalog")
            .await
            .value(policies)
            .await
            .unwrap(),
        "1"
    );
    assert_eq!(
        world
            .stranger_as("datacovey_catalog")
            .await
            .value(policies)
            .await
            .unwrap(),
        "0"
    );

    let runs = "SELECT count(*) FROM query_run";
    assert_eq!(
        world
            .registry_as("datacovey_query")
            .await
            .value(runs)
            .await
            .unwrap(),
        "1"
    );
    assert_eq!(
        world
            .airline_as("datacovey_query")
            .await
            .value(runs)
            .await
            .unwrap(),
        "0"
    );
    let participants = "SELECT count(*) FROM project_participant";
    assert_eq!(
        world
            .registry_as("datacovey_catalog")
            .await
            .value(participants)
            .await
            .unwrap(),
        "2"
    );
    assert_eq!(
        world
            .stranger_as("datacovey_catalog")
            .await
            .value(participants)
            .await
            .unwrap(),
        "0"
    );
}

#[tokio::test]
async fn a_relation_is_closed_to_services_it_is_no_business_of() {
    let world = World::new().await;
    let all = [
        (
            "query_run",
            ["datacovey_query", "datacovey_query_worker"].as_slice(),
        ),
        ("query_result", &["datacovey_query", "datacovey_query_worker"]),
        ("release_audit", &["datacovey_query"]),
        ("budget_ledger", &["datacovey_query"]),
        ("query_approval", &["datacovey_query", "datacovey_query_worker"]),
        ("import_run", &["datacovey_transfer", "datacovey_transfer_worker"]),
        ("export_run", &["datacovey_transfer", "datacovey_transfer_worker"]),
        (
            "upload_chunk",
            &["datacovey_transfer", "datacovey_transfer_worker"],
        ),
        (
            "rejected_row",
            &["datacovey_transfer", "datacovey_transfer_worker"],
        ),
        (
            "table_version",
            &[
                "datacovey_catalog",
                "datacovey_transfer",
                "datacovey_transfer_worker",
            ],
        ),
        ("visible_version", &["datacovey_transfer"]),
        ("project_secret", &["datacovey_transfer_worker"]),
        ("table_file", &["datacovey_transfer", "datacovey_transfer_worker"]),
        (
            "table_policy",
            &["datacovey_catalog", "datacovey_query", "datacovey_query_worker"],
        ),
        ("idempotency", &SERVICES),
        ("object_garbage", &[]),
        ("backfill_audit", &[]),
    ];
    for role in ROLES {
        let sql = world.airline_as(role).await;
        for (relation, readers) in all {
            let read = sql.rows(&format!("SELECT * FROM {relation}")).await;
            if readers.contains(&role) {
                read.unwrap_or_else(|it| panic!("{relation} as {role}: {it}"));
            } else {
                forbidden(read);
            }
        }
    }
}

#[tokio::test]
async fn who_leaves_takes_what_it_owns_out_of_sight() {
    let world = World::new().await;
    let airline = world.airline_as("datacovey_catalog").await;
    let tables = "SELECT name FROM \"table\" ORDER BY name";
    assert_eq!(airline.column(tables).await.unwrap(), ["flights", "planes"]);
    let registry = world.registry_as("datacovey_catalog").await;
    registry
        .run(&format!("SELECT leave('{}')", world.project))
        .await
        .unwrap();
    assert_eq!(airline.column(tables).await.unwrap(), ["flights"]);
    assert_eq!(airline.value("SELECT count(*) FROM dataset").await.unwrap(), "1");
    assert_eq!(
        airline.value("SELECT count(*) FROM table_history").await.unwrap(),
        "1"
    );
    assert_eq!(registry.column(tables).await.unwrap(), ["planes"]);
    assert_eq!(registry.value("SELECT count(*) FROM project").await.unwrap(), "0");
}

#[tokio::test]
async fn an_archived_tenant_is_out_of_sight_until_it_is_restored() {
    let world = World::new().await;
    let airline = world.airline_as("datacovey_catalog").await;
    let tables = "SELECT name FROM \"table\" ORDER BY name";
    let platform = world.airline_as("datacovey_identity").await;
    platform.run("SET datacovey.platform = 'on'").await.unwrap();
    let archive = format!(
        "UPDATE tenant SET archived_at = now() WHERE id = '{}'",
        world.registry.id
    );
    assert_eq!(platform.run(&archive).await.unwrap(), 1);
    assert_eq!(airline.column(tables).await.unwrap(), ["flights"]);
    let restore = format!(
        "UPDATE tenant SET archived_at = NULL WHERE id = '{}'",
        world.registry.id
    );
    assert_eq!(platform.run(&restore).await.unwrap(), 1);
    assert_eq!(airline.column(tables).await.unwrap(), ["flights", "planes"]);
}

#[tokio::test]
async fn the_platform_manages_tenants_and_users_and_nothing_else() {
    let world = World::new().await;
    let identity = world.stranger_as("datacovey_identity").await;
    let new_tenant = "INSERT INTO tenant (name) VALUES ('New')";
    forbidden(identity.run(new_tenant).await);
    breaks(
        identity.run("UPDATE tenant SET archived_at = now()").await,
        "tenant_platform",
    );
    breaks(
        identity.run("UPDATE tenant SET auth0_org_id = 'mine'").await,
        "tenant_platform",
    );

    identity.run("SET datacovey.platform = 'on'").await.unwrap();
    assert_eq!(identity.value("SELECT count(*) FROM tenant").await.unwrap(), "3");
    assert_eq!(
        identity.value("SELECT count(*) FROM \"user\"").await.unwrap(),
        "3"
    );
    assert_eq!(identity.value("SELECT count(*) FROM project").await.unwrap(), "0");
    assert_eq!(
        identity.value("SELECT count(*) FROM \"table\"").await.unwrap(),
        "0"
    );
    identity.run(new_tenant).await.unwrap();
    let user = format!(
        "INSERT INTO \"user\" (tenant_id, auth0_id, email, name, role) VALUES ('{}', 'a', 'a@b', 'a', 'Dataset user')",
        world.registry.id
    );
    identity.run(&user).await.unwrap();

    // The setting says nothing to any other role.
    for role in ROLES.into_iter().filter(|it| *it != "datacovey_identity") {
        let sql = world.stranger_as(role).await;
        sql.run("SET datacovey.platform = 'on'").await.unwrap();
        assert_eq!(
            sql.value("SELECT count(*) FROM tenant").await.unwrap(),
            "1",
            "{role}"
        );
        assert_eq!(
            sql.value("SELECT count(*) FROM \"user\"").await.unwrap(),
            "1",
            "{role}"
        );
    }
}

/// Triggers run before row-level security judges a new row: they tell a stranger nothing on the way.
#[tokio::test]
async fn a_refused_row_says_nothing_of_what_it_names() {
    let world = World::new().await;
    let archive =
        |relation: &str, id: Uuid| format!("UPDATE {relation} SET archived_at = now() WHERE id = '{id}'");
    world.admin.run(&archive("project", world.project)).await.unwrap();
    world
        .admin
        .run(&archive("tenant", world.registry.id))
        .await
        .unwrap();
    let catalog = world.stranger_as("datacovey_catalog").await;
    let identity = world.stranger_as("datacovey_identity").await;
    for tenant in [world.airline.id, world.registry.id, Uuid::nil()] {
        let project = format!("INSERT INTO project (tenant_id, name) VALUES ('{tenant}', 'mine')");
        forbidden(catalog.run(&project).await);
        let user = format!(
            "INSERT INTO \"user\" (tenant_id, auth0_id, email, name, role)
             VALUES ('{tenant}', 'a', 'a@example.com', 'a', 'Org admin')"
        );
        forbidden(identity.run(&user).await);
        for project in [world.project, Uuid::nil()] {
            let participant = format!(
                "INSERT INTO project_participant (project_id, tenant_id, status, invited_by)
                 VALUES ('{project}', '{tenant}', 'invited', '{}')",
                world.stranger.admin
            );
            forbidden(catalog.run(&participant).await);
        }
    }
}
