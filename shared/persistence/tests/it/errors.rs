//! What the database's refusals become, and what keeps a service from starting.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datacovey_error::{ErrorReason, Kind};
use datacovey_persistence::{Database, DbRole, OnConstraint as _, OrNotFound as _, PoolOptions};
use datacovey_testing::TestDatabase;
use diesel::sql_query;
use diesel_async::RunQueryDsl as _;

use crate::transactions::Word;
use crate::world::World;

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() {
    let refused = Database::open(
        "postgres://nobody@127.0.0.1:1/none",
        DbRole::Catalog,
        PoolOptions::default(),
    )
    .await;
    let message = refused.unwrap_err().to_string();
    assert!(message.starts_with("the database cannot be used"), "{message}");

    let world = World::new().await;
    let options = PoolOptions {
        max_connections: 1,
        acquire_timeout: Duration::from_secs(1),
        ..PoolOptions::default()
    };
    let catalog = Database::open(world.database.url(), DbRole::Catalog, options)
        .await
        .unwrap();
    let ctx = world.airline.ctx();
    let busy = catalog
        .transaction(&ctx, async |_| {
            Ok(catalog.project_get(&ctx, world.project).await.unwrap_err())
        })
        .await
        .unwrap();
    assert_eq!(busy.reason(), ErrorReason::Overloaded);
}

#[tokio::test]
async fn refusals_become_errors_of_the_api() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let (airline, nowhere) = (world.airline.id, uuid::Uuid::nil());
    let ctx = world.airline.ctx();
    let told = async |sql: String| {
        catalog
            .transaction(&ctx, async |conn| {
                Ok(sql_query(sql.as_str()).execute(conn).await?)
            })
            .await
            .unwrap_err()
    };
    let taken = told(format!(
        "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{airline}', '{}', 'air')",
        world.project
    ));
    let taken = taken.await;
    assert_eq!(
        (taken.kind(), taken.message()),
        (
            Kind::AlreadyExists,
            "another dataset of the project has this name, be it one whose owner takes no part at present"
        )
    );

    let parent = told(format!(
        "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{airline}', '{nowhere}', 'x')"
    ))
    .await;
    assert_eq!(
        (parent.kind(), parent.message()),
        (
            Kind::NotFound,
            format!("there is no project \"{nowhere}\"").as_str()
        )
    );

    let value = told(format!(
        "UPDATE dataset SET name = '' WHERE id = '{}'",
        world.dataset
    ))
    .await;
    assert_eq!(
        (value.kind(), value.violations()[0].field.as_str()),
        (Kind::InvalidArgument, "name")
    );

    let grant = told("DELETE FROM dataset".to_owned()).await;
    assert_eq!(
        (grant.kind(), grant.message()),
        (Kind::PermissionDenied, "the caller may not do this")
    );

    let row = told(format!(
        "INSERT INTO project (tenant_id, name) VALUES ('{}', 'x')",
        world.registry.id
    ))
    .await;
    assert_eq!(row.kind(), Kind::PermissionDenied);

    let state = told(format!("SELECT leave('{}')", world.project)).await;
    assert_eq!(state.kind(), Kind::FailedPrecondition);

    let fault = told("SELECT * FROM nowhere".to_owned()).await;
    assert_eq!(
        (fault.kind(), fault.message()),
        (Kind::Internal, "internal error")
    );
    let cause = std::error::Error::source(&fault).unwrap().to_string();
    assert!(cause.contains("nowhere"), "{cause}");
}

#[tokio::test]
async fn a_call_site_says_what_absence_and_conflict_mean() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let sql = "UPDATE dataset SET name = 'reg' WHERE tenant_id = current_tenant()";
    let said = catalog
        .transaction(&world.airline.ctx(), async |conn| {
            let update = sql_query(sql).execute(conn).await;
            update.on_constraint("dataset_name_key", || {
                datacovey_error::Error::wrong_state("taken, it says")
            })
        })
        .await;
    assert_eq!(said.unwrap_err().message(), "taken, it says");
    let none = catalog
        .transaction(&world.airline.ctx(), async |conn| {
            let row = sql_query("SELECT '' AS word WHERE false")
                .get_result::<Word>(conn)
                .await;
            row.or_not_found("dataset", "x").map(|_| ())
        })
        .await;
    assert_eq!(none.unwrap_err().message(), "there is no dataset \"x\"");
}

/// Lines that a subscriber writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_service_refuses_a_schema_that_it_does_not_know() {
    let open = async |database: &TestDatabase| {
        Database::open(database.url(), DbRole::Catalog, PoolOptions::default())
            .await
            .unwrap_err()
            .to_string()
    };
    let empty = TestDatabase::empty().await;
    assert_eq!(
        open(&empty).await,
        "the database has no schema of DataCovey; run `datacovey migrate`"
    );

    let known = datacovey_persistence::known_versions().unwrap();
    let (last, before) = known.split_last().unwrap();
    datacovey_persistence::migrate_to(empty.admin_url(), before.last().map(String::as_str))
        .await
        .unwrap();
    let older = open(&empty).await;
    assert_eq!(
        older,
        format!(
            "the database's schema is older than this program: {last} is missing; run `datacovey migrate`"
        )
    );

    // What it lacks counts, whatever else it has.
    let sql = empty.sql().await;
    sql.run("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')")
        .await
        .unwrap();
    assert_eq!(open(&empty).await, older);
}

#[tokio::test]
async fn a_service_starts_on_a_schema_that_is_ahead_and_says_so_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || writer.clone());
    // Of a subscriber that is the only one, tracing takes it that every thread has it, and events that
    // another test meets first would be off in this one.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let database = TestDatabase::new().await;
    let open = || Database::open(database.url(), DbRole::Catalog, PoolOptions::default());
    open().await.unwrap();
    assert_eq!(log.lines(), Vec::<String>::new());

    // An upgrade has run its migrations, and a pod of the version before is started anew.
    let sql = database.sql().await;
    sql.run(
        "ALTER TABLE project ADD COLUMN added_later text;
         INSERT INTO __diesel_schema_migrations (version) VALUES ('9998'), ('9999')",
    )
    .await
    .unwrap();
    let catalog = open().await.unwrap();
    catalog.ping().await.unwrap();
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN"), "{lines:?}");
    assert!(lines[0].contains("migrations=\"9998, 9999\""), "{lines:?}");
}
