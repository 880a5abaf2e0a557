//! Which versions of a table others see.

use std::sync::atomic::{AtomicU32, Ordering};

use datacovey_error::{ErrorReason, Kind};
use datacovey_list::{Binding, Paging};
use datacovey_persistence::{Database, DbRole, ImportCommit, JobKind, NewFile};
use datacovey_testing::schema_of;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::leases::claimed;
use crate::refusal::{breaks, forbidden};
use crate::world::World;

pub(crate) struct Imports {
    pub(crate) world: World,
    pub(crate) worker: Database,
    pub(crate) transfer: Database,
    files: AtomicU32,
}

impl Imports {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        Self {
            worker: world.database.open(DbRole::TransferWorker).await,
            transfer: world.database.open(DbRole::Transfer).await,
            files: AtomicU32::new(0),
            world,
        }
    }

    /// Imports a file of so many planes for each number.
    pub(crate) async fn import(&self, mode: &str, planes: &[u32]) -> i64 {
        self.world
            .admin
            .import_job(self.world.airline, self.world.flights)
            .await;
        let job = claimed(&self.worker, JobKind::Import).await;
        let file = |planes: &u32| {
            let number = self.files.fetch_add(1, Ordering::Relaxed);
            NewFile {
                path: format!("file {number}"),
                format: "parquet".to_owned(),
                rows: 1_000,
                bytes: 1_000,
                checksum: "c".to_owned(),
                statistics: json!({"tailnum": {"nulls": 0, "distinct": planes}, "carrier": {"distinct": 1_000}}),
            }
        };
        let commit = ImportCommit {
            used_schema: schema_of(&["tailnum", "carrier"]),
            base_version: None,
            mode: mode.to_owned(),
            unique_columns: Vec::new(),
            files: planes.iter().map(file).collect(),
            progress: None,
        };
        self.worker
            .import_commit(&job.ctx(), &job.lease, commit)
            .await
            .unwrap()
    }

    pub(crate) async fn policy(&self, policy: Value) {
        self.world
            .admin
            .table_policy(self.world.airline, self.world.flights, &policy)
            .await;
    }

    /// The version that the registry reads.
    pub(crate) async fn seen(&self) -> i64 {
        let flights = [(self.world.flights, None)];
        let versions = self
            .transfer
            .versions_resolve(&self.world.registry.ctx(), &flights)
            .await;
        let query = self.world.database.open(DbRole::Query).await;
        let tables = query
            .project_resolve(&self.world.registry.ctx(), self.world.project)
            .await;
        let [seen, told] = [versions.unwrap()[0].version, tables.unwrap()[0].version];
        assert_eq!(seen, told);
        seen
    }
}

#[tokio::test]
async fn others_see_what_differs_by_enough_individuals() {
    let imports = Imports::new().await;
    assert_eq!(
        (imports.import("append", &[1]).await, imports.seen().await),
        (1, 1)
    );
    for (mode, planes, seen) in [
        ("append", [24].as_slice(), 1),
        // Of two files the individuals may be the same.
        ("append", &[24, 24], 1),
        ("append", &[25], 4),
        ("append", &[24], 4),
        // Nothing new is no other content than that of the version before, which is not in sight.
        ("append", &[], 4),
        ("append", &[30], 7),
        ("append", &[], 8),
        // What was taken away is not known.
        ("replace", &[1_000], 8),
        ("append", &[1_000], 8),
    ] {
        imports.import(mode, planes).await;
        assert_eq!(imports.seen().await, seen, "{mode} {planes:?}");
    }
    let own = [(imports.world.flights, None)];
    let own = imports
        .transfer
        .versions_resolve(&imports.world.airline.ctx(), &own)
        .await;
    assert_eq!(own.unwrap()[0].version, 10, "the owner sees each at once");

    // By its number, too, others get what was in sight and nothing else.
    let asked: Vec<_> = (1..=10)
        .map(|version| (imports.world.flights, Some(version)))
        .collect();
    let given = imports
        .transfer
        .versions_resolve(&imports.world.registry.ctx(), &asked)
        .await
        .unwrap();
    assert_eq!(
        given.iter().map(|it| it.version).collect::<Vec<_>>(),
        [1, 4, 7, 8]
    );
}

#[tokio::test]
async fn a_policy_says_how_many_are_enough_and_whose_they_are() {
    let imports = Imports::new().await;
    imports.import("append", &[100]).await;
    imports
        .policy(json!({
            "privacy_unit": "tailnum",
            "threshold": {"min_units": 5},
            "columns": {"carrier": {"use": ["dimension"], "min_units": 50}},
        }))
        .await;
    imports.import("append", &[49]).await;
    assert_eq!(imports.seen().await, 1);
    imports.import("append", &[50]).await;
    assert_eq!(imports.seen().await, 3);
    imports
        .policy(json!({"privacy_unit": "tailnum", "threshold": {"min_units": 1}}))
        .await;
    imports.import("append", &[1]).await;
    assert_eq!(imports.seen().await, 3, "one is never enough");
    imports
        .policy(json!({"privacy_unit": {"via": "planes.tailnum"}}))
        .await;
    imports.import("append", &[1_000]).await;
    assert_eq!(imports.seen().await, 3, "whose they are is not known");
    imports.policy(json!({"reference": true})).await;
    assert_eq!(imports.seen().await, 5, "no person is in it");
    imports.import("replace", &[1]).await;
    assert_eq!(imports.seen().await, 6);
    // A stricter policy takes nothing out of sight that was in it.
    imports.policy(json!({"privacy_unit": "tailnum"})).await;
    assert_eq!(imports.seen().await, 6);
}

#[tokio::test]
async fn the_first_policy_puts_the_version_of_then_in_sight() {
    let imports = Imports::new().await;
    let world = &imports.world;
    world
        .admin
        .run("SET session_replication_role = replica; DELETE FROM table_policy; SET session_replication_role = origin")
        .await
        .unwrap();
    imports.import("append", &[100]).await;
    imports.import("append", &[1]).await;
    assert_eq!(imports.seen().await, 0);
    imports.policy(json!({"privacy_unit": "tailnum"})).await;
    assert_eq!(imports.seen().await, 2);
}

#[tokio::test]
async fn an_owner_publishes_what_it_wants() {
    let imports = Imports::new().await;
    let (world, transfer) = (&imports.world, &imports.transfer);
    for _ in 0..3 {
        imports.import("append", &[1]).await;
    }
    let publish = async |version| {
        transfer
            .table_version_publish(&world.airline.ctx(), world.flights, version, None)
            .await
    };
    assert_eq!(publish(2).await.unwrap().version, 2);
    assert_eq!(imports.seen().await, 2);
    publish(2).await.unwrap();
    publish(3).await.unwrap();
    assert_eq!(imports.seen().await, 3);
    imports.import("append", &[1]).await;
    assert_eq!(publish(5).await.unwrap_err().kind(), Kind::NotFound);
    publish(4).await.unwrap();
    // Published later than what came after it.
    imports.import("append", &[1]).await;
    imports.import("append", &[90]).await;
    assert_eq!(imports.seen().await, 6);
    assert_eq!(publish(5).await.unwrap_err().reason(), ErrorReason::WrongState);
    let others = transfer
        .table_version_publish(&world.registry.ctx(), world.flights, 5, None)
        .await;
    assert_eq!(others.unwrap_err().kind(), Kind::NotFound);

    let paging = Paging::first(Binding::new("x"), 10);
    let list = async |ctx| transfer.table_version_list(&ctx, world.flights, &paging).await;
    let all = list(world.airline.ctx()).await.unwrap().rows;
    let told: Vec<_> = all.iter().map(|it| (it.version, it.visible)).collect();
    assert_eq!(
        told,
        [(6, true), (5, false), (4, true), (3, true), (2, true), (1, true)]
    );
    assert!(all[0].import_job_id.is_some());
    let seen = list(world.registry.ctx()).await.unwrap().rows;
    assert_eq!(
        seen.iter().map(|it| it.version).collect::<Vec<_>>(),
        [6, 4, 3, 2, 1]
    );
    assert_eq!((seen[0].rows, seen[0].import_job_id), (8_192, None));
    assert_eq!(
        list(world.stranger.ctx()).await.unwrap_err().kind(),
        Kind::NotFound
    );
}

#[tokio::test]
async fn nobody_but_the_owner_puts_versions_in_sight() {
    let imports = Imports::new().await;
    let world = &imports.world;
    imports.import("append", &[1]).await;
    imports.import("append", &[1]).await;
    let insert = |tenant: Uuid, user: Uuid, version: i64| {
        format!(
            "INSERT INTO visible_version (table_id, version, tenant_id, published_by)
             VALUES ('{}', {version}, '{tenant}', '{user}')",
            world.flights
        )
    };
    let (airline, registry) = (world.airline, world.registry);
    let partner = world.registry_as("datacovey_transfer").await;
    forbidden(partner.run(&insert(airline.id, registry.admin, 2)).await);
    forbidden(partner.run(&insert(registry.id, registry.admin, 2)).await);
    let owner = world.airline_as("datacovey_transfer").await;
    forbidden(owner.run(&insert(airline.id, registry.admin, 2)).await);
    forbidden(owner.run(&insert(airline.id, airline.admin, 9)).await);
    for sql in [&partner, &owner] {
        forbidden(sql.run("DELETE FROM visible_version").await);
        forbidden(sql.run("UPDATE visible_version SET version = 2").await);
    }
    let count = "SELECT count(*) FROM visible_version";
    assert_eq!(partner.value(count).await.unwrap(), "0");
    assert_eq!(owner.value(count).await.unwrap(), "1");
    breaks(
        world.admin.run("UPDATE visible_version SET version = 2").await,
        "visible_version_only_grows",
    );

    let purge = format!("SELECT purge('table', '{}', true)", world.flights);
    world
        .airline_as("datacovey_catalog")
        .await
        .rows(&purge)
        .await
        .unwrap();
    assert_eq!(world.admin.value(count).await.unwrap(), "0");
}
