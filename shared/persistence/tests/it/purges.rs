//! The door of hard deletes: what it takes along, what it leaves, and what it refuses.

use datacovey_testing::Sql;
use serde_json::json;
use uuid::Uuid;

use crate::refusal::{breaks, refusal};
use crate::world::World;

fn purge(kind: &str, id: Uuid, force: bool) -> String {
    format!("SELECT purge('{kind}', '{id}', {force})")
}

async fn count(sql: &Sql, relation: &str, rule: &str) -> String {
    sql.value(&format!("SELECT count(*) FROM {relation} WHERE {rule}"))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_has_something_below_it_stays_without_force() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    for (kind, id) in [
        ("project", world.project),
        ("dataset", world.dataset),
        ("table", world.flights),
    ] {
        let refused = refusal(owner.rows(&purge(kind, id, false)).await);
        assert_eq!(
            (refused.code.as_str(), refused.rule.as_str()),
            ("23503", "purge_has_children"),
            "{refused:?}"
        );
        assert!(
            refused.message.contains("1 versions of a policy") || kind == "project",
            "{refused:?}"
        );
        assert_eq!(
            count(&world.admin, &format!("\"{kind}\""), &format!("id = '{id}'")).await,
            "1"
        );
    }
    let registry = world.registry_as("datacovey_catalog").await;
    registry.run(&purge("table", world.planes, false)).await.unwrap();
    registry
        .run(&purge("dataset", world.planes_dataset, false))
        .await
        .unwrap();
    assert_eq!(
        count(
            &world.admin,
            "dataset",
            &format!("id = '{}'", world.planes_dataset)
        )
        .await,
        "0"
    );
    let last = format!(
        "SELECT action FROM table_history WHERE id = '{}' ORDER BY changed_at DESC LIMIT 1",
        world.planes
    );
    assert_eq!(world.admin.value(&last).await.unwrap(), "DELETE");
}

#[tokio::test]
async fn force_takes_everything_below_along_and_notes_its_objects() {
    let world = World::new().await;
    let import = world.admin.import_job(world.airline, world.flights).await;
    let export = world.admin.export_job(world.airline, world.flights).await;
    let owner = world.airline_as("datacovey_catalog").await;
    owner.run(&purge("dataset", world.dataset, true)).await.unwrap();
    for (relation, rule) in [
        ("dataset", format!("id = '{}'", world.dataset)),
        ("\"table\"", format!("id = '{}'", world.flights)),
        ("table_policy", format!("table_id = '{}'", world.flights)),
        ("import_job", format!("id = '{import}'")),
        ("import_run", format!("job_id = '{import}'")),
        ("export_job", format!("id = '{export}'")),
    ] {
        assert_eq!(count(&world.admin, relation, &rule).await, "0", "{relation}");
    }
    let garbage = "SELECT string_agg(path, ' ' ORDER BY path) FROM object_garbage WHERE since > utc_now()";
    let (airline, flights) = (world.airline.id, world.flights);
    assert_eq!(
        world.admin.value(garbage).await.unwrap(),
        format!("result/{airline}/{export}/ staging/{import}/ tenant/{airline}/table/{flights}/")
    );
    // What another tenant owns beside it is as it was.
    assert_eq!(
        count(&world.admin, "\"table\"", &format!("id = '{}'", world.planes)).await,
        "1"
    );
}

#[tokio::test]
async fn what_others_own_below_is_theirs_to_remove() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    let refused = owner
        .rows(&purge("project", world.project, true))
        .await
        .unwrap_err();
    let said = refused.as_db_error().unwrap();
    assert_eq!(said.constraint(), Some("purge_below_is_own"));
    assert_eq!(said.detail(), Some(world.registry.id.to_string().as_str()));

    let registry = world.registry_as("datacovey_catalog").await;
    registry
        .run(&purge("dataset", world.planes_dataset, true))
        .await
        .unwrap();
    breaks(
        owner.rows(&purge("project", world.project, true)).await,
        "purge_below_is_own",
    );
    let query = world.registry_as("datacovey_query").await;
    query.run(&purge("query", world.query, true)).await.unwrap();
    owner.run(&purge("project", world.project, true)).await.unwrap();
    for relation in [
        "project",
        "dataset",
        "\"table\"",
        "\"query\"",
        "project_participant",
    ] {
        assert_eq!(count(&world.admin, relation, "true").await, "0", "{relation}");
    }
}

#[tokio::test]
async fn whose_row_it_is_not_for_them_it_is_not_there() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    let registry = world.registry_as("datacovey_catalog").await;
    let stranger = world.stranger_as("datacovey_catalog").await;
    for (sql, kind, id) in [
        (&registry, "table", world.flights),
        (&registry, "project", world.project),
        (&stranger, "dataset", world.dataset),
        (&owner, "table", Uuid::nil()),
    ] {
        breaks(sql.rows(&purge(kind, id, true)).await, "purge_is_own");
    }
    breaks(
        owner.rows(&purge("user", world.airline.admin, true)).await,
        "purge_of_kind",
    );
    breaks(
        owner.rows(&purge("import_job", world.flights, true)).await,
        "purge_of_kind",
    );
    let identity = world.airline_as("datacovey_identity").await;
    breaks(
        identity.rows(&purge("tenant", world.airline.id, true)).await,
        "purge_is_own",
    );
    breaks(
        identity.rows(&purge("user", world.registry.admin, true)).await,
        "purge_is_own",
    );
    breaks(
        identity.rows(&purge("user", world.airline.admin, true)).await,
        "tenant_keeps_an_admin",
    );
}

#[tokio::test]
async fn the_platform_removes_a_tenant_and_nothing_of_anothers() {
    let world = World::new().await;
    let platform = world.airline_as("datacovey_identity").await;
    platform.run("SET datacovey.platform = 'on'").await.unwrap();
    breaks(
        platform.rows(&purge("tenant", world.registry.id, false)).await,
        "purge_has_children",
    );
    // The registry's query and dataset are its own, the project around them is not.
    platform
        .run(&purge("tenant", world.registry.id, true))
        .await
        .unwrap();
    for relation in [
        "\"user\"",
        "dataset",
        "\"table\"",
        "\"query\"",
        "project_participant",
    ] {
        let rule = format!("tenant_id = '{}'", world.registry.id);
        assert_eq!(count(&world.admin, relation, &rule).await, "0", "{relation}");
    }
    assert_eq!(
        count(&world.admin, "project", &format!("id = '{}'", world.project)).await,
        "1"
    );
    assert_eq!(
        count(&world.admin, "tenant", &format!("id = '{}'", world.registry.id)).await,
        "0"
    );
}

#[tokio::test]
async fn nothing_slips_in_below_while_it_goes() {
    let world = World::new().await;
    let owner = world.airline_as("datacovey_catalog").await;
    owner.run("BEGIN").await.unwrap();
    owner.run(&purge("dataset", world.dataset, true)).await.unwrap();
    let other = world.airline_as("datacovey_catalog").await;
    let insert = format!(
        "INSERT INTO \"table\" (tenant_id, dataset_id, name, schema) VALUES ('{}', '{}', 'late', '{}')",
        world.airline.id,
        world.dataset,
        json!({})
    );
    let late = tokio::spawn(async move { other.run(&insert).await.map(drop) });
    world.wait_for_a_lock().await;
    owner.run("COMMIT").await.unwrap();
    crate::refusal::no_parent(late.await.unwrap(), "table", "dataset_id");
}
