//! What each role of each tenant writes and must not write.

use crate::refusal::{breaks, forbidden, no_parent};
use crate::walls::{CONTRACT, full_world};
use crate::world::{ROLES, World};

#[tokio::test]
async fn a_service_writes_its_own_relations_only() {
    let world = World::new().await;
    let writers = [
        ("tenant", "datacovey_identity", "name = 'x'"),
        ("\"user\"", "datacovey_identity", "name = 'x'"),
        ("project", "datacovey_catalog", "name = 'x'"),
        ("dataset", "datacovey_catalog", "description = 'x'"),
        ("\"table\"", "datacovey_catalog", "name = name"),
        ("\"query\"", "datacovey_query", "query_text = 'x'"),
    ];
    for role in ROLES.into_iter().filter(|it| *it != "datacovey_backfill") {
        let sql = world.airline_as(role).await;
        for (relation, writer, change) in writers {
            let update = sql.run(&format!("UPDATE {relation} SET {change}")).await;
            if role == writer {
                update.unwrap_or_else(|it| panic!("{relation} as {role}: {it}"));
            } else {
                forbidden(update);
                forbidden(
                    sql.run(&format!("INSERT INTO {relation} (id) VALUES (gen_random_uuid())"))
                        .await,
                );
            }
        }
        // Nobody deletes: what may go goes through a door.
        for relation in CONTRACT {
            forbidden(sql.run(&format!("DELETE FROM {relation}")).await);
            forbidden(sql.run(&format!("TRUNCATE {relation} CASCADE")).await);
        }
        for history in CONTRACT.iter().filter(|it| it.ends_with("_history")) {
            forbidden(sql.run(&format!("UPDATE {history} SET action = 'x'")).await);
            forbidden(
                sql.run(&format!("INSERT INTO {history} (action) VALUES ('x')"))
                    .await,
            );
        }
    }
}

#[tokio::test]
async fn columns_that_are_not_the_clients_cannot_be_written() {
    let world = World::new().await;
    let identity = world.airline_as("datacovey_identity").await;
    for change in ["id = gen_random_uuid()", "created_at = now()"] {
        forbidden(identity.run(&format!("UPDATE tenant SET {change}")).await);
        forbidden(identity.run(&format!("UPDATE \"user\" SET {change}")).await);
    }
    forbidden(
        identity
            .run("UPDATE \"user\" SET tenant_id = gen_random_uuid()")
            .await,
    );
    let catalog = world.airline_as("datacovey_catalog").await;
    for relation in ["project", "dataset", "\"table\""] {
        for column in ["id", "tenant_id", "created_at"] {
            forbidden(
                catalog
                    .run(&format!("UPDATE {relation} SET {column} = {column}"))
                    .await,
            );
        }
    }
    let query = world.registry_as("datacovey_query").await;
    for column in ["id", "tenant_id", "project_id", "created_at"] {
        forbidden(
            query
                .run(&format!("UPDATE \"query\" SET {column} = {column}"))
                .await,
        );
    }
    for column in [
        "started",
        "ended",
        "total_rows",
        "error_result",
        "updated_at",
        "query_id",
        "cache_hit",
    ] {
        forbidden(query.run(&format!("UPDATE query_job SET {column} = NULL")).await);
    }
    for column in ["holder", "attempt", "lease_expires_at", "error", "created_by"] {
        forbidden(query.run(&format!("UPDATE query_run SET {column} = NULL")).await);
    }
    forbidden(query.run("INSERT INTO query_result (path) VALUES ('x')").await);
    let transfer = world.airline_as("datacovey_transfer").await;
    for relation in ["table_version", "table_file", "rejected_row"] {
        forbidden(
            transfer
                .run(&format!(
                    "INSERT INTO {relation} (tenant_id) VALUES (current_tenant())"
                ))
                .await,
        );
    }
    let worker = world.airline_as("datacovey_transfer_worker").await;
    for relation in ["table_version", "table_file"] {
        forbidden(
            worker
                .run(&format!(
                    "INSERT INTO {relation} (tenant_id) VALUES (current_tenant())"
                ))
                .await,
        );
    }
}

#[tokio::test]
async fn rows_of_other_tenants_cannot_be_changed() {
    let world = full_world().await;
    // What the registry sees of the airline it still cannot write; what it does not see is not there.
    let catalog = world.registry_as("datacovey_catalog").await;
    for (relation, id) in [
        ("project", world.project),
        ("dataset", world.dataset),
        ("\"table\"", world.flights),
    ] {
        let update = format!("UPDATE {relation} SET name = 'taken' WHERE id = '{id}'");
        assert_eq!(catalog.run(&update).await.unwrap(), 0, "{relation}");
        let archive = format!("UPDATE {relation} SET archived_at = now() WHERE id = '{id}'");
        assert_eq!(catalog.run(&archive).await.unwrap(), 0, "{relation}");
    }
    let identity = world.registry_as("datacovey_identity").await;
    assert_eq!(identity.run("UPDATE tenant SET name = 'x'").await.unwrap(), 1);
    assert_eq!(identity.run("UPDATE \"user\" SET name = 'x'").await.unwrap(), 1);
    let query = world.airline_as("datacovey_query").await;
    assert_eq!(
        query.run("UPDATE query_job SET status = 'ERROR'").await.unwrap(),
        0
    );
    assert_eq!(
        query
            .run("UPDATE \"query\" SET archived_at = now()")
            .await
            .unwrap(),
        0
    );
    let transfer = world.registry_as("datacovey_transfer").await;
    assert_eq!(
        transfer
            .run("UPDATE import_job SET status = 'failed'")
            .await
            .unwrap(),
        0
    );
    let worker = world.stranger_as("datacovey_query_worker").await;
    assert_eq!(worker.run("UPDATE query_run SET holder = 'me'").await.unwrap(), 0);
}

#[tokio::test]
async fn rows_cannot_be_made_for_another_tenant() {
    let world = World::new().await;
    let (airline, registry) = (world.airline.id, world.registry.id);
    let catalog = world.registry_as("datacovey_catalog").await;
    forbidden(
        catalog
            .run(&format!(
                "INSERT INTO project (tenant_id, name) VALUES ('{airline}', 'x')"
            ))
            .await,
    );
    let (project, dataset) = (world.project, world.dataset);
    forbidden(
        catalog
            .run(&format!(
                "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{airline}', '{project}', 'x')"
            ))
            .await,
    );
    forbidden(
        catalog
            .run(&format!(
                "INSERT INTO \"table\" (tenant_id, dataset_id, name, schema) VALUES ('{airline}', '{dataset}', 'x', '{{}}')"
            ))
            .await,
    );
    let query = world.airline_as("datacovey_query").await;
    forbidden(
        query
            .run(&format!(
                "INSERT INTO \"query\" (tenant_id, project_id, query_text) VALUES ('{registry}', '{project}', 'SELECT 1')"
            ))
            .await,
    );
    let identity = world.airline_as("datacovey_identity").await;
    forbidden(
        identity
            .run(&format!(
                "INSERT INTO \"user\" (tenant_id, auth0_id, email, name, role)
                 VALUES ('{registry}', 'a', 'a@b', 'a', 'Org admin')"
            ))
            .await,
    );
    forbidden(
        identity
            .run(&format!(
                "INSERT INTO idempotency (tenant_id, request_id, method, request_hash, resource_id)
                 VALUES ('{registry}', 'r', 'm', '', gen_random_uuid())"
            ))
            .await,
    );
}

#[tokio::test]
async fn a_parent_out_of_sight_does_not_exist() {
    let world = World::new().await;
    let stranger = world.stranger.id;
    let nowhere = "00000000-0000-0000-0000-000000000001";
    let catalog = world.stranger_as("datacovey_catalog").await;
    let query = world.stranger_as("datacovey_query").await;
    let transfer = world.stranger_as("datacovey_transfer").await;
    // The same answer for what belongs to others and what belongs to nobody.
    for project in [world.project.to_string(), nowhere.to_owned()] {
        let dataset = format!(
            "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{stranger}', '{project}', 'x')"
        );
        no_parent(catalog.run(&dataset).await, "dataset", "project_id");
        let insert = format!(
            "INSERT INTO \"query\" (tenant_id, project_id, query_text) VALUES ('{stranger}', '{project}', 'SELECT 1')"
        );
        no_parent(query.run(&insert).await, "query", "project_id");
    }
    for dataset in [world.dataset.to_string(), nowhere.to_owned()] {
        let table = format!(
            "INSERT INTO \"table\" (tenant_id, dataset_id, name, schema) VALUES ('{stranger}', '{dataset}', 'x', '{{}}')"
        );
        no_parent(catalog.run(&table).await, "table", "dataset_id");
    }
    for table in [world.flights.to_string(), nowhere.to_owned()] {
        for kind in ["import_job", "export_job"] {
            let job = format!(
                "INSERT INTO {kind} (tenant_id, table_id, status) VALUES ('{stranger}', '{table}', 'pending')"
            );
            no_parent(transfer.run(&job).await, kind, "table_id");
        }
        let policy = format!(
            "INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
             VALUES ('{table}', 1, '{stranger}', '{{}}', '{}')",
            world.stranger.admin
        );
        no_parent(catalog.run(&policy).await, "table_policy", "table_id");
    }
    for id in [world.query.to_string(), nowhere.to_owned()] {
        let job = format!(
            "INSERT INTO query_job (tenant_id, query_id, bigquery_job_id, status) VALUES ('{stranger}', '{id}', 'x', 'PENDING')"
        );
        no_parent(query.run(&job).await, "query_job", "query_id");
    }
}

#[tokio::test]
async fn jobs_and_policies_are_the_tables_owners() {
    let world = World::new().await;
    let registry = world.registry.id;
    let transfer = world.registry_as("datacovey_transfer").await;
    for kind in ["import_job", "export_job"] {
        let job = format!(
            "INSERT INTO {kind} (tenant_id, table_id, status) VALUES ('{registry}', '{}', 'pending')",
            world.flights
        );
        breaks(transfer.run(&job).await, "table_owner");
    }
    let catalog = world.registry_as("datacovey_catalog").await;
    let policy = format!(
        "INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
         VALUES ('{}', 2, '{registry}', '{{}}', '{}')",
        world.flights, world.registry.admin
    );
    breaks(catalog.run(&policy).await, "table_owner");
    // Nor may somebody else be named as its author.
    let planes = format!(
        "INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
         VALUES ('{}', 1, '{registry}', '{{}}', '{}')",
        world.planes, world.airline.admin
    );
    forbidden(catalog.run(&planes).await);
}
