//! The sealed secrets of projects: who may read and keep them, and how long they live.

use datacovey_error::{ErrorReason, Kind};
use datacovey_persistence::{DbRole, SealedSecret};
use datacovey_testing::Sql;
use uuid::Uuid;

use crate::refusal::{breaks, forbidden};
use crate::world::{ROLES, World};

const WORKER: &str = "datacovey_transfer_worker";

fn keep(project: Uuid) -> String {
    format!(
        "INSERT INTO project_secret (project_id, sealed, fingerprint)
         VALUES ('{project}', decode(repeat('ab', 73), 'hex'), '0123456789abcdef')"
    )
}

async fn kept(sql: &Sql) -> String {
    sql.value("SELECT count(*) FROM project_secret").await.unwrap()
}

#[tokio::test]
async fn participants_import_with_it_and_nobody_else_sees_it() {
    let world = World::new().await;
    let airline = world.airline_as(WORKER).await;
    airline.run(&keep(world.project)).await.unwrap();
    assert_eq!(kept(&airline).await, "1");
    let registry = world.registry_as(WORKER).await;
    assert_eq!(kept(&registry).await, "1");
    let stranger = world.stranger_as(WORKER).await;
    assert_eq!(kept(&stranger).await, "0");
    let own = world.admin.project(world.airline.id, "Another").await;
    forbidden(stranger.rows(&keep(own)).await);
    world
        .registry_as("datacovey_catalog")
        .await
        .run(&format!("SELECT leave('{}')", world.project))
        .await
        .unwrap();
    assert_eq!(kept(&registry).await, "0");
    // Without a tenant there is none.
    assert_eq!(kept(&world.database.sql_as(WORKER).await).await, "0");
}

#[tokio::test]
async fn only_the_worker_of_imports_may_and_nobody_changes_it() {
    let world = World::new().await;
    world.admin.run(&keep(world.project)).await.unwrap();
    for role in ROLES {
        let sql = world.airline_as(role).await;
        if role != WORKER {
            forbidden(sql.rows("SELECT * FROM project_secret").await);
            let own = world.admin.project(world.airline.id, role).await;
            forbidden(sql.rows(&keep(own)).await);
        }
        forbidden(
            sql.rows("UPDATE project_secret SET fingerprint = repeat('0', 16)")
                .await,
        );
        forbidden(sql.rows("DELETE FROM project_secret").await);
        forbidden(sql.rows("TRUNCATE project_secret").await);
    }
    breaks(
        world
            .admin
            .rows("UPDATE project_secret SET sealed = sealed || sealed")
            .await,
        "project_secret_only_grows",
    );
}

#[tokio::test]
async fn of_several_made_at_once_the_first_counts() {
    let world = World::new().await;
    let database = world.database.open(DbRole::TransferWorker).await;
    let (ours, theirs) = (world.airline.ctx(), world.registry.ctx());
    let found = database
        .project_secret_of_table(&ours, world.flights)
        .await
        .unwrap();
    assert_eq!(found, (world.project, None));
    let made = |byte| SealedSecret {
        sealed: vec![byte; 73],
        fingerprint: format!("{byte:016x}"),
    };
    let (one, two) = (made(1), made(2));
    let (left, right) = tokio::join!(
        database.project_secret_keep(&ours, world.project, &one),
        database.project_secret_keep(&theirs, world.project, &two),
    );
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_eq!(left, right);
    assert!([&one, &two].contains(&&left));
    let found = database
        .project_secret_of_table(&theirs, world.planes)
        .await
        .unwrap();
    assert_eq!(found, (world.project, Some(left)));

    let stranger = world.stranger.ctx();
    let unseen = database.project_secret_of_table(&stranger, world.flights).await;
    assert_eq!(unseen.unwrap_err().kind(), Kind::NotFound);
    let registry = world.registry_as("datacovey_catalog").await;
    registry
        .run(&format!("SELECT leave('{}')", world.project))
        .await
        .unwrap();
    let left = database.project_secret_of_table(&theirs, world.planes).await;
    assert_eq!(left.unwrap_err().reason(), ErrorReason::WrongState);
}

#[tokio::test]
async fn a_project_takes_its_secret_along() {
    let world = World::new().await;
    let project = world.admin.project(world.airline.id, "Another").await;
    for project in [world.project, project] {
        world.admin.run(&keep(project)).await.unwrap();
    }
    let owner = world.airline_as("datacovey_catalog").await;
    owner
        .run(&format!("SELECT purge('project', '{project}', false)"))
        .await
        .unwrap();
    let left = world.admin.column("SELECT project_id FROM project_secret").await;
    assert_eq!(left.unwrap(), [world.project.to_string()]);
}

#[tokio::test]
async fn what_one_project_keyed_does_not_go_into_another() {
    let world = World::new().await;
    world.admin.run(&keep(world.project)).await.unwrap();
    let version = format!(
        "INSERT INTO table_version (table_id, version, content_version, tenant_id, mode, rows, bytes, unique_columns)
         VALUES ('{}', 1, 1, '{}', 'append', 0, 0, '{{}}')",
        world.flights, world.airline.id
    );
    world.admin.run(&version).await.unwrap();
    let file = |name: &str, statistics: &str| {
        format!(
            "INSERT INTO table_file (table_id, added_in, path, tenant_id, format, rows, bytes, checksum, statistics)
             VALUES ('{}', 1, '{name}', '{}', 'parquet', 1, 1, '', '{statistics}')",
            world.flights, world.airline.id
        )
    };
    for (name, statistics) in [
        ("plain", r#"{"a": {"nulls": 0}}"#),
        ("old", "{}"),
        ("ids", r#"{"a": {"nulls": 0, "id": "0123456789abcdef"}}"#),
        ("pseudonyms", r#"{"a": {"pseudonym": "0123456789abcdef"}}"#),
    ] {
        world.admin.run(&file(name, statistics)).await.unwrap();
    }
    for statistics in [
        r#"{"a": {"id": "fedcba9876543210"}}"#,
        r#"{"a": {"id": null}}"#,
        r#"{"a": {"nulls": 0}, "b": {"id": "0123456789abcdef", "pseudonym": "fedcba9876543210"}}"#,
    ] {
        breaks(
            world.admin.rows(&file("other", statistics)).await,
            "table_file_is_keyed_by_its_project",
        );
    }
}
