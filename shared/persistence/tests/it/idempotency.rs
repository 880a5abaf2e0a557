//! A key of a request is kept for a day, and forgotten by the sweep of any kind of job.

use datacovey_persistence::{Database, DbRole, NewProject, Replay};
use datacovey_testing::Tenant;
use uuid::Uuid;

use crate::refusal::forbidden;
use crate::world::{ROLES, World};

/// Which role sweeps which kinds.
const SWEEPERS: [(&str, &str); 3] = [
    ("query", "datacovey_query_worker"),
    ("import", "datacovey_transfer_worker"),
    ("export", "datacovey_transfer_worker"),
];

impl World {
    async fn key(&self, tenant: Tenant, request_id: &str, age: &str) {
        let insert = format!(
            "INSERT INTO idempotency (tenant_id, request_id, method, request_hash, resource_id, created_at)
             VALUES ('{}', '{request_id}', 'M', '', gen_random_uuid(), utc_now() - interval '{age}')",
            tenant.id
        );
        self.admin.run(&insert).await.unwrap();
    }

    async fn keys(&self) -> Vec<String> {
        let keys = "SELECT request_id FROM idempotency ORDER BY request_id";
        self.admin.column(keys).await.unwrap()
    }

    /// A sweep in the worker's own words, of a tenant that has nothing to do with it.
    async fn sweep(&self, kind: &str, role: &str) {
        let worker = self.stranger_as(role).await;
        let sweep = format!("SELECT * FROM sweep('{kind}', '{{}}', '{{}}', 0, 1000)");
        assert!(worker.rows(&sweep).await.unwrap().is_empty());
    }

    async fn make_old(&self, request_id: &str) {
        let age = format!(
            "UPDATE idempotency SET created_at = created_at - interval '24 hours'
             WHERE request_id = '{request_id}'"
        );
        assert_eq!(self.admin.run(&age).await.unwrap(), 1);
    }
}

async fn create(catalog: &Database, tenant: Tenant, name: &str) -> Uuid {
    let new = NewProject {
        name: name.to_owned(),
        description: None,
    };
    let replay = Replay::new("CreateProject", "key", name.as_bytes());
    let created = catalog.project_create(&tenant.ctx(), new, Some(replay)).await;
    created.unwrap().id
}

#[tokio::test]
async fn a_sweep_of_any_kind_forgets_the_keys_of_all_tenants_after_a_day() {
    let world = World::new().await;
    for (kind, role) in SWEEPERS {
        world.key(world.airline, "new", "0").await;
        world.key(world.airline, "almost", "23 hours 59 minutes").await;
        world.key(world.airline, "old", "24 hours").await;
        world.key(world.registry, "older", "30 days").await;
        world.sweep(kind, role).await;
        assert_eq!(world.keys().await, ["almost", "new"], "{kind}");
        world.admin.run("DELETE FROM idempotency").await.unwrap();
    }
}

#[tokio::test]
async fn a_sweep_forgets_a_bounded_number_the_oldest_first() {
    let world = World::new().await;
    let many = format!(
        "INSERT INTO idempotency (tenant_id, request_id, method, request_hash, resource_id, created_at)
         SELECT '{}', 'r' || it, 'M', '', gen_random_uuid(), utc_now() - interval '2 days' + it * interval '1 second'
         FROM generate_series(1, 10002) AS it",
        world.airline.id
    );
    world.admin.run(&many).await.unwrap();
    world.sweep("query", "datacovey_query_worker").await;
    assert_eq!(world.keys().await, ["r10001", "r10002"]);
    world.sweep("import", "datacovey_transfer_worker").await;
    assert!(world.keys().await.is_empty());
}

#[tokio::test]
async fn a_sweep_waits_for_nobody_who_holds_a_key() {
    let world = World::new().await;
    world.key(world.airline, "free", "2 days").await;
    world.key(world.airline, "held", "2 days").await;
    let holder = world.database.sql().await;
    let hold = "BEGIN; SELECT FROM idempotency WHERE request_id = 'held' FOR SHARE";
    holder.run(hold).await.unwrap();
    world.sweep("query", "datacovey_query_worker").await;
    assert_eq!(world.keys().await, ["held"]);
    holder.run("COMMIT").await.unwrap();
    world.sweep("query", "datacovey_query_worker").await;
    assert!(world.keys().await.is_empty());
}

#[tokio::test]
async fn nobody_changes_or_deletes_a_key_but_through_the_door() {
    let world = World::new().await;
    world.key(world.airline, "old", "2 days").await;
    for role in ROLES {
        let sql = world.airline_as(role).await;
        forbidden(sql.run("DELETE FROM idempotency").await);
        forbidden(sql.run("UPDATE idempotency SET created_at = now()").await);
    }
    assert_eq!(world.keys().await, ["old"]);
}

#[tokio::test]
async fn a_repeat_after_the_key_is_forgotten_is_a_new_request() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let first = create(&catalog, world.airline, "Fleet").await;
    world.sweep("query", "datacovey_query_worker").await;
    assert_eq!(create(&catalog, world.airline, "Fleet").await, first);

    world.make_old("key").await;
    world.sweep("query", "datacovey_query_worker").await;
    // Another request, even: the key is free again.
    let second = create(&catalog, world.airline, "Other").await;
    assert_ne!(second, first);
    assert_eq!(create(&catalog, world.airline, "Other").await, second);
}

#[tokio::test]
async fn a_repeat_that_meets_the_sweep_waits_for_it() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let first = create(&catalog, world.airline, "Fleet").await;
    world.make_old("key").await;
    let worker = world.stranger_as("datacovey_query_worker").await;
    let sweep = "BEGIN; SELECT FROM sweep('query', '{}', '{}', 0, 1000)";
    worker.run(sweep).await.unwrap();
    let (second, ()) = tokio::join!(create(&catalog, world.airline, "Fleet"), async {
        world.wait_for_a_lock().await;
        worker.run("COMMIT").await.unwrap();
    });
    assert_ne!(second, first);
    assert_eq!(create(&catalog, world.airline, "Fleet").await, second);
}
