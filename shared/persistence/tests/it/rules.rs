//! Constraints and rules of the contract's relations.

use datacovey_types::Role;

use crate::refusal::{breaks, refusal};
use crate::world::World;

#[tokio::test]
async fn names_are_unique_among_rows_that_are_not_archived() {
    let world = World::new().await;
    let (airline, project, dataset) = (world.airline.id, world.project, world.dataset);
    let catalog = world.airline_as("datacovey_catalog").await;
    let new_dataset = |name: &str| {
        format!(
            "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{airline}', '{project}', '{name}')"
        )
    };
    breaks(catalog.run(&new_dataset("air")).await, "dataset_name_key");
    breaks(catalog.run(&new_dataset("reg")).await, "dataset_name_key");
    let new_table = format!(
        "INSERT INTO \"table\" (tenant_id, dataset_id, name, schema) VALUES ('{airline}', '{dataset}', 'flights', '{{}}')"
    );
    breaks(catalog.run(&new_table).await, "table_name_key");
    catalog
        .run("UPDATE \"table\" SET archived_at = now() WHERE name = 'flights'")
        .await
        .unwrap();
    catalog.run(&new_table).await.unwrap();
    let restore = "UPDATE \"table\" SET archived_at = NULL WHERE name = 'flights'";
    breaks(catalog.run(restore).await, "table_name_key");

    let identity = world.airline_as("datacovey_identity").await;
    let email = world
        .admin
        .value(&format!(
            "SELECT upper(email) FROM \"user\" WHERE tenant_id = '{airline}'"
        ))
        .await
        .unwrap();
    let user = |sub: &str, email: &str| {
        format!(
            "INSERT INTO \"user\" (tenant_id, auth0_id, email, name, role)
             VALUES ('{airline}', '{sub}', '{email}', 'x', 'Dataset user')"
        )
    };
    breaks(identity.run(&user("other", &email)).await, "user_email_key");
    breaks(
        identity
            .run(&user(&world.airline.admin_sub(), "other@example.com"))
            .await,
        "user_auth0_id_key",
    );
    identity.run("SET datacovey.platform = 'on'").await.unwrap();
    let tenant = format!(
        "INSERT INTO tenant (name, auth0_org_id) VALUES ('x', '{}')",
        world.registry.org()
    );
    breaks(identity.run(&tenant).await, "tenant_auth0_org_id_key");
}

#[tokio::test]
async fn values_are_within_their_limits() {
    let world = World::new().await;
    let identity = world.airline_as("datacovey_identity").await;
    breaks(
        identity.run("UPDATE tenant SET name = ' '").await,
        "tenant_name_check",
    );
    breaks(
        identity.run("UPDATE tenant SET name = repeat('x', 201)").await,
        "tenant_name_check",
    );
    identity
        .run("UPDATE tenant SET name = repeat('ü', 200)")
        .await
        .unwrap();
    breaks(
        identity.run("UPDATE \"user\" SET role = 'admin'").await,
        "user_role_check",
    );
    breaks(
        identity.run("UPDATE \"user\" SET email = 'nobody'").await,
        "user_email_check",
    );
    breaks(
        identity.run("UPDATE \"user\" SET auth0_id = ''").await,
        "user_auth0_id_check",
    );
    let catalog = world.airline_as("datacovey_catalog").await;
    for relation in ["project", "dataset", "table"] {
        breaks(
            catalog.run(&format!("UPDATE \"{relation}\" SET name = ''")).await,
            &format!("{relation}_name_check"),
        );
    }
    breaks(
        catalog
            .run("UPDATE project SET description = repeat('x', 10001)")
            .await,
        "project_description_check",
    );
    let query = world.registry_as("datacovey_query").await;
    breaks(
        query.run("UPDATE \"query\" SET query_text = ''").await,
        "query_query_text_check",
    );
    breaks(
        query
            .run("UPDATE \"query\" SET query_text = repeat('x', 100001)")
            .await,
        "query_query_text_check",
    );
}

#[tokio::test]
async fn an_archived_parent_takes_archived_children_only() {
    let world = World::new().await;
    let (airline, project, dataset, flights) =
        (world.airline.id, world.project, world.dataset, world.flights);
    let catalog = world.airline_as("datacovey_catalog").await;
    let transfer = world.airline_as("datacovey_transfer").await;
    let table = |archived: &str| {
        format!(
            "INSERT INTO \"table\" (tenant_id, dataset_id, name, schema, archived_at)
             VALUES ('{airline}', '{dataset}', 'late', '{{}}', {archived})"
        )
    };
    let job = format!(
        "INSERT INTO import_job (tenant_id, table_id, status) VALUES ('{airline}', '{flights}', 'pending')"
    );

    catalog
        .run(&format!(
            "UPDATE \"table\" SET archived_at = now() WHERE id = '{flights}'"
        ))
        .await
        .unwrap();
    breaks(transfer.run(&job).await, "table_archived");
    let policy = format!(
        "INSERT INTO table_policy (table_id, version, tenant_id, policy, created_by)
         VALUES ('{flights}', 2, '{airline}', '{{}}', current_user_id())"
    );
    breaks(catalog.run(&policy).await, "table_archived");
    catalog
        .run(&format!(
            "UPDATE dataset SET archived_at = now() WHERE id = '{dataset}'"
        ))
        .await
        .unwrap();
    breaks(catalog.run(&table("NULL")).await, "dataset_archived");
    catalog.run(&table("now()")).await.unwrap();
    let restore = format!("UPDATE \"table\" SET archived_at = NULL WHERE id = '{flights}'");
    breaks(catalog.run(&restore).await, "dataset_archived");

    catalog
        .run(&format!(
            "UPDATE project SET archived_at = now() WHERE id = '{project}'"
        ))
        .await
        .unwrap();
    let new_dataset = format!(
        "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{airline}', '{project}', 'late')"
    );
    breaks(catalog.run(&new_dataset).await, "project_archived");
    let query = world.registry_as("datacovey_query").await;
    let registry = world.registry.id;
    let new_query = format!(
        "INSERT INTO \"query\" (tenant_id, project_id, query_text) VALUES ('{registry}', '{project}', 'SELECT 1')"
    );
    breaks(query.run(&new_query).await, "project_archived");
    let run = format!(
        "INSERT INTO query_job (tenant_id, query_id, bigquery_job_id, status) VALUES ('{registry}', '{}', 'x', 'PENDING')",
        world.query
    );
    breaks(query.run(&run).await, "project_archived");
    query
        .run("UPDATE \"query\" SET archived_at = now()")
        .await
        .unwrap();
    breaks(query.run(&run).await, "query_archived");
}

#[tokio::test]
async fn an_archive_and_a_new_child_at_once_do_not_miss_each_other() {
    let world = World::new().await;
    let catalog = world.airline_as("datacovey_catalog").await;
    let other = world.registry_as("datacovey_catalog").await;
    catalog
        .run(&format!(
            "BEGIN; UPDATE project SET archived_at = now() WHERE id = '{}'",
            world.project
        ))
        .await
        .unwrap();
    let insert = format!(
        "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{}', '{}', 'late')",
        world.registry.id, world.project
    );
    let (inserted, ()) = tokio::join!(other.run(&insert), async {
        world.wait_for_a_lock().await;
        catalog.run("COMMIT").await.unwrap();
    });
    breaks(inserted, "project_archived");
}

#[tokio::test]
async fn what_holds_data_or_a_policy_stays_where_it_is() {
    let world = World::new().await;
    let airline = world.airline.id;
    let catalog = world.airline_as("datacovey_catalog").await;
    let elsewhere = world.admin.project(airline, "Elsewhere").await;
    let target = world.admin.dataset(airline, elsewhere, "target").await;
    // `flights` has a policy.
    let move_table = format!(
        "UPDATE \"table\" SET dataset_id = '{target}' WHERE id = '{}'",
        world.flights
    );
    breaks(catalog.run(&move_table).await, "table_stays_with_data");
    let move_dataset = format!(
        "UPDATE dataset SET project_id = '{elsewhere}' WHERE id = '{}'",
        world.dataset
    );
    breaks(catalog.run(&move_dataset).await, "dataset_stays_with_data");
    let empty = world
        .admin
        .table(airline, world.dataset, "empty", &serde_json::json!({}))
        .await;
    catalog
        .run(&format!(
            "UPDATE \"table\" SET dataset_id = '{target}' WHERE id = '{empty}'"
        ))
        .await
        .unwrap();
    catalog
        .run(&format!(
            "UPDATE dataset SET project_id = '{}' WHERE id = '{target}'",
            world.project
        ))
        .await
        .unwrap();
    // Not into what one cannot see.
    let foreign = world.admin.project(world.stranger.id, "Secret").await;
    let hide = format!("UPDATE dataset SET project_id = '{foreign}' WHERE id = '{target}'");
    assert_eq!(refusal(catalog.run(&hide).await).rule, "dataset_project_id_fkey");
}

#[tokio::test]
async fn identity_and_birth_of_a_row_never_change() {
    let world = World::new().await;
    // Not even for the owner of the relations.
    for (relation, column) in [
        ("tenant", "id"),
        ("tenant", "created_at"),
        ("user", "tenant_id"),
        ("project", "tenant_id"),
        ("dataset", "id"),
        ("table", "tenant_id"),
        ("query", "project_id"),
    ] {
        let value = if column == "created_at" {
            "now() + interval '1 day'"
        } else {
            "gen_random_uuid()"
        };
        breaks(
            world
                .admin
                .run(&format!("UPDATE \"{relation}\" SET {column} = {value}"))
                .await,
            &format!("{relation}_{column}_kept"),
        );
    }
    breaks(
        world
            .admin
            .run("UPDATE table_policy SET policy = '{\"reference\": true}'")
            .await,
        "table_policy_only_grows",
    );
}

#[tokio::test]
async fn a_tenant_keeps_an_admin() {
    let world = World::new().await;
    let identity = world.airline_as("datacovey_identity").await;
    let rule = "tenant_keeps_an_admin";
    breaks(
        identity.run("UPDATE \"user\" SET archived_at = now()").await,
        rule,
    );
    breaks(
        identity.run("UPDATE \"user\" SET role = 'Dataset user'").await,
        rule,
    );
    let delete = format!("DELETE FROM \"user\" WHERE tenant_id = '{}'", world.airline.id);
    breaks(world.admin.run(&delete).await, rule);

    let second = world.admin.user(world.airline.id, Role::OrgAdmin).await;
    let first = world.airline.admin;
    identity
        .run(&format!(
            "UPDATE \"user\" SET archived_at = now() WHERE id = '{first}'"
        ))
        .await
        .unwrap();
    breaks(
        identity
            .run(&format!(
                "UPDATE \"user\" SET role = 'Dataset user' WHERE id = '{second}'"
            ))
            .await,
        rule,
    );
}

#[tokio::test]
async fn two_admins_cannot_leave_at_once() {
    let world = World::new().await;
    let second = world.admin.user(world.airline.id, Role::OrgAdmin).await;
    let one = world.airline_as("datacovey_identity").await;
    let two = world.airline_as("datacovey_identity").await;
    let archive = |id| format!("UPDATE \"user\" SET archived_at = now() WHERE id = '{id}'");
    let second = archive(second);
    one.run(&format!("BEGIN; {}", archive(world.airline.admin)))
        .await
        .unwrap();
    let (other, ()) = tokio::join!(two.run(&second), async {
        world.wait_for_a_lock().await;
        one.run("COMMIT").await.unwrap();
    });
    breaks(other, "tenant_keeps_an_admin");
}
