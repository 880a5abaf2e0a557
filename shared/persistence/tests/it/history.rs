//! Every change leaves a row in the history, in the same transaction.

use crate::world::World;

#[tokio::test]
async fn a_datasets_life_is_told_in_order() {
    let world = World::new().await;
    let catalog = world.airline_as("datacovey_catalog").await;
    let id = world.dataset;
    for change in [
        "description = 'd'",
        "description = 'd'",
        "archived_at = now()",
        "name = 'renamed', archived_at = NULL",
    ] {
        catalog
            .run(&format!("UPDATE dataset SET {change} WHERE id = '{id}'"))
            .await
            .unwrap();
    }
    catalog
        .run(&format!(
            "BEGIN; UPDATE dataset SET name = 'undone' WHERE id = '{id}'; ROLLBACK"
        ))
        .await
        .unwrap();
    let story = format!(
        "SELECT action, name, coalesce(description, '-'), project_id, tenant_id FROM dataset_history
         WHERE id = '{id}' ORDER BY changed_at"
    );
    let rows = catalog.rows(&story).await.unwrap();
    let told = rows
        .iter()
        .map(|it| (it[0].as_str(), it[1].as_str(), it[2].as_str()))
        .collect::<Vec<_>>();
    // A statement that changes nothing is no change.
    assert_eq!(
        told,
        [
            ("INSERT", "air", "-"),
            ("UPDATE", "air", "d"),
            ("ARCHIVE", "air", "d"),
            ("RESTORE", "renamed", "d")
        ]
    );
    assert!(
        rows.iter()
            .all(|it| it[3] == world.project.to_string() && it[4] == world.airline.id.to_string())
    );
}

#[tokio::test]
async fn the_history_of_a_deleted_row_ends_with_how_it_last_stood() {
    let world = World::new().await;
    let table = world
        .admin
        .table(
            world.airline.id,
            world.dataset,
            "gone",
            &serde_json::json!({"type": "object"}),
        )
        .await;
    world
        .admin
        .run(&format!("DELETE FROM \"table\" WHERE id = '{table}'"))
        .await
        .unwrap();
    let catalog = world.registry_as("datacovey_catalog").await;
    let story =
        format!("SELECT action, name, schema FROM table_history WHERE id = '{table}' ORDER BY changed_at");
    let rows = catalog.rows(&story).await.unwrap();
    let schema = "{\"type\": \"object\"}";
    assert_eq!(rows, [["INSERT", "gone", schema], ["DELETE", "gone", schema]]);
}

#[tokio::test]
async fn queries_and_transfer_jobs_have_a_history_too() {
    let world = World::new().await;
    let query = world.registry_as("datacovey_query").await;
    query
        .run("UPDATE \"query\" SET query_text = 'SELECT 2'")
        .await
        .unwrap();
    let told = query
        .rows("SELECT action, query_text FROM query_history ORDER BY changed_at")
        .await
        .unwrap();
    assert_eq!(
        told,
        [
            ["INSERT", "SELECT count(*) FROM air.flights"],
            ["UPDATE", "SELECT 2"]
        ]
    );

    let job = world.admin.import_job(world.airline, world.flights).await;
    let transfer = world.airline_as("datacovey_transfer").await;
    transfer
        .run(&format!(
            "UPDATE import_job SET status = 'failed' WHERE id = '{job}'"
        ))
        .await
        .unwrap();
    transfer
        .run(&format!(
            "UPDATE import_job SET archived_at = now() WHERE id = '{job}'"
        ))
        .await
        .unwrap();
    let told = transfer
        .rows("SELECT action, status FROM import_job_history ORDER BY changed_at")
        .await
        .unwrap();
    assert_eq!(
        told,
        [["INSERT", "pending"], ["UPDATE", "failed"], ["ARCHIVE", "failed"]]
    );

    let job = world.admin.export_job(world.airline, world.flights).await;
    let told = format!("SELECT action, status FROM export_job_history WHERE id = '{job}'");
    assert_eq!(transfer.rows(&told).await.unwrap(), [["INSERT", "pending"]]);
}

#[tokio::test]
async fn times_are_utc_whatever_the_session_says() {
    let world = World::new().await;
    let catalog = world.airline_as("datacovey_catalog").await;
    catalog.run("SET TIME ZONE 'Asia/Tokyo'").await.unwrap();
    catalog.run("UPDATE dataset SET description = 'x'").await.unwrap();
    let late = "SELECT count(*) FROM dataset_history WHERE changed_at > clock_timestamp() AT TIME ZONE 'UTC'";
    assert_eq!(catalog.value(late).await.unwrap(), "0");
    let order = "SELECT action FROM dataset_history ORDER BY changed_at DESC LIMIT 1";
    assert_eq!(catalog.value(order).await.unwrap(), "UPDATE");
}
