//! Tenant transactions: one round trip, retries, deadlines, and what errors become.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use datacovey_error::{ErrorReason, Kind};
use datacovey_persistence::{Conn, Database, DbRole, Failure, OnConstraint as _, OrNotFound as _, PoolOptions};
use datacovey_testing::TestDatabase;
use datacovey_types::Ctx;
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

async fn word(sql: &str, conn: &mut Conn<'_>) -> Result<String, Failure> {
    Ok(sql_query(sql).get_result::<Word>(conn).await?.word)
}

/// Passes on what is sent and counts the turns: bytes of the client after bytes of the server.
async fn counting_proxy(url: &str) -> (String, &'static AtomicU32) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (head, tail) = url.rsplit_once('@').unwrap();
    let (target, database) = tail.split_once('/').unwrap();
    let target = target.to_owned();
    let turns: &'static AtomicU32 = Box::leak(Box::default());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(pass_on(client, server, turns));
        }
    });
    (format!("{head}@127.0.0.1:{port}/{database}"), turns)
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, turns: &'static AtomicU32) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    let mut server_spoke = true;
    loop {
        tokio::select! {
            sent = client.read(&mut asked) => match sent {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if std::mem::take(&mut server_spoke) {
                        turns.fetch_add(1, Ordering::SeqCst);
                    }
                    server.write_all(&asked[..count]).await.unwrap();
                }
            },
            sent = server.read(&mut answered) => match sent {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    server_spoke = true;
                    client.write_all(&answered[..count]).await.unwrap();
                }
            },
        }
    }
}

#[tokio::test]
async fn a_statement_and_its_transaction_are_one_round_trip() {
    let world = World::new().await;
    let (url, turns) = counting_proxy(world.database.url()).await;
    let options = PoolOptions { max_connections: 1, ..PoolOptions::default() };
    let catalog = Database::open(&url, DbRole::Catalog, options).await.unwrap();
    let ctx = world.airline.ctx();
    // The first run prepares the statement.
    catalog.project_get(&ctx, world.project).await.unwrap();
    let before = AtomicU32::load(turns, Ordering::SeqCst);
    for _ in 0..10 {
        catalog.project_get(&ctx, world.project).await.unwrap();
    }
    // The server answers statement by statement, but nothing waits for any of its answers.
    assert_eq!(AtomicU32::load(turns, Ordering::SeqCst) - before, 10);
}

#[tokio::test]
async fn a_transaction_acts_for_its_tenant_and_leaves_no_trace() {
    let world = World::new().await;
    let options = PoolOptions { max_connections: 1, ..PoolOptions::default() };
    let catalog = Database::open(world.database.url(), DbRole::Catalog, options).await.unwrap();
    let who = "SELECT current_user || ' ' || coalesce(current_tenant()::text, '-') || ' ' ||
               coalesce(current_user_id()::text, '-') || ' ' || current_setting('timezone') AS word";
    let ctx = world.registry.ctx();
    let seen = catalog.transaction(&ctx, async |conn| word(who, conn).await).await.unwrap();
    assert_eq!(seen, format!("datacovey_catalog {} {} UTC", world.registry.id, world.registry.admin));
    // The connection of the pool is nobody's again: the next one sets whom it acts for.
    let ctx = world.airline.ctx();
    let seen = catalog.transaction(&ctx, async |conn| word(who, conn).await).await.unwrap();
    assert!(seen.contains(&world.airline.id.to_string()), "{seen}");
    assert_eq!(catalog.project_list(&ctx, false, &first_page()).await.unwrap().rows.len(), 1);
    assert_eq!(catalog.project_list(&world.stranger.ctx(), false, &first_page()).await.unwrap().rows.len(), 0);
}

fn first_page() -> datacovey_list::Paging<uuid::Uuid> {
    datacovey_list::Paging::first(datacovey_list::Binding::new("test"), 10)
}

#[tokio::test]
async fn a_transaction_that_loses_a_race_runs_again() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let (one, two) = (world.dataset, world.admin.dataset(world.airline.id, world.project, "b").await);
    let runs = AtomicU32::new(0);
    let barrier = tokio::sync::Barrier::new(2);
    let ctx = world.airline.ctx();
    // Each locks its first row before either asks for its second: one of them is the deadlock's victim.
    let cross = async |first: uuid::Uuid, second: uuid::Uuid| {
        let met = std::sync::atomic::AtomicBool::new(false);
        let (runs, barrier, met) = (&runs, &barrier, &met);
        catalog
            .transaction(&ctx, async |conn| {
                runs.fetch_add(1, Ordering::SeqCst);
                let touch = |id| format!("UPDATE dataset SET description = coalesce(description, '') || 'x' WHERE id = '{id}'");
                sql_query(touch(first)).execute(conn).await?;
                if !met.swap(true, Ordering::SeqCst) {
                    barrier.wait().await;
                }
                sql_query(touch(second)).execute(conn).await?;
                Ok(())
            })
            .await
    };
    let (a, b) = tokio::join!(cross(one, two), cross(two, one));
    a.unwrap();
    b.unwrap();
    assert_eq!(AtomicU32::load(&runs, Ordering::SeqCst), 3);
    let both = world.admin.column("SELECT description FROM dataset WHERE description IS NOT NULL").await.unwrap();
    assert_eq!(both, ["xx", "xx"]);
}

#[tokio::test]
async fn what_fails_within_is_undone_and_never_committed_by_half() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let ctx = world.airline.ctx();
    let touch = "UPDATE dataset SET description = 'half' WHERE tenant_id = current_tenant()";
    let refused = catalog
        .transaction(&ctx, async |conn| {
            sql_query(touch).execute(conn).await?;
            Err::<(), _>(datacovey_error::Error::wrong_state("changed my mind").into())
        })
        .await;
    assert_eq!(refused.unwrap_err().message(), "changed my mind");
    // A body that passes over a failed statement does not get its transaction committed either.
    let swallowed = catalog
        .transaction(&ctx, async |conn| {
            sql_query(touch).execute(conn).await?;
            let _ = sql_query("SELECT 1 / 0").execute(conn).await;
            Ok(())
        })
        .await;
    assert_eq!(swallowed.unwrap_err().kind(), Kind::Internal);
    assert_eq!(world.admin.value("SELECT count(*) FROM dataset WHERE description = 'half'").await.unwrap(), "0");
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back() {
    let world = World::new().await;
    let options = PoolOptions { max_connections: 1, ..PoolOptions::default() };
    let catalog = Database::open(world.database.url(), DbRole::Catalog, options).await.unwrap();
    let ctx = world.airline.ctx();
    let (reached, wait) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let endless = catalog.transaction(&ctx, async |conn| {
        sql_query("UPDATE dataset SET description = 'lost' WHERE tenant_id = current_tenant()").execute(conn).await?;
        reached.notify_one();
        wait.notified().await;
        Ok(())
    });
    tokio::select! {
        _ = endless => panic!("nobody notifies it"),
        () = reached.notified() => {}
    }
    // The one connection is not lent again with the transaction open.
    let page = catalog.project_list(&ctx, false, &first_page()).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(world.admin.value("SELECT count(*) FROM dataset WHERE description = 'lost'").await.unwrap(), "0");
}

#[tokio::test]
async fn a_deadline_ends_a_statement() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let within = |left: Duration| Ctx { deadline: Some(Instant::now() + left), ..world.airline.ctx() };
    let ctx = within(Duration::from_millis(50));
    let slow = catalog.transaction(&ctx, async |conn| word("SELECT pg_sleep(60)::text AS word", conn).await).await;
    assert_eq!(slow.unwrap_err().kind(), Kind::DeadlineExceeded);
    let passed = catalog.project_get(&within(Duration::ZERO), world.project).await;
    assert_eq!(passed.unwrap_err().kind(), Kind::DeadlineExceeded);
}

#[tokio::test]
async fn a_pool_survives_the_loss_of_its_connections() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let ctx = world.airline.ctx();
    for _ in 0..3 {
        catalog.transaction(&ctx, async |conn| word("SELECT 'x' AS word", conn).await).await.unwrap();
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'datacovey_catalog'";
        assert_eq!(world.admin.value(kill).await.unwrap(), "1");
        catalog.transaction(&ctx, async |conn| word("SELECT 'x' AS word", conn).await).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() {
    let refused = Database::open("postgres://nobody@127.0.0.1:1/none", DbRole::Catalog, PoolOptions::default()).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.starts_with("the database cannot be used"), "{message}");

    let world = World::new().await;
    let options = PoolOptions { max_connections: 1, acquire_timeout: Duration::from_millis(50), ..PoolOptions::default() };
    let catalog = Database::open(world.database.url(), DbRole::Catalog, options).await.unwrap();
    let ctx = world.airline.ctx();
    let busy = catalog
        .transaction(&ctx, async |_| Ok(catalog.project_get(&ctx, world.project).await.unwrap_err()))
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
        catalog.transaction(&ctx, async |conn| Ok(sql_query(sql.as_str()).execute(conn).await?)).await.unwrap_err()
    };
    let taken = told(format!(
        "INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{airline}', '{}', 'air')",
        world.project
    ));
    let taken = taken.await;
    assert_eq!((taken.kind(), taken.message()), (Kind::AlreadyExists, "another dataset of the project has this name"));

    let parent = told(format!("INSERT INTO dataset (tenant_id, project_id, name) VALUES ('{airline}', '{nowhere}', 'x')")).await;
    assert_eq!((parent.kind(), parent.message()), (Kind::NotFound, format!("there is no project \"{nowhere}\"").as_str()));

    let value = told(format!("UPDATE dataset SET name = '' WHERE id = '{}'", world.dataset)).await;
    assert_eq!((value.kind(), value.violations()[0].field.as_str()), (Kind::InvalidArgument, "name"));

    let grant = told("DELETE FROM dataset".to_owned()).await;
    assert_eq!((grant.kind(), grant.message()), (Kind::PermissionDenied, "the caller may not do this"));

    let row = told(format!("INSERT INTO project (tenant_id, name) VALUES ('{}', 'x')", world.registry.id)).await;
    assert_eq!(row.kind(), Kind::PermissionDenied);

    let state = told(format!("SELECT leave('{}')", world.project)).await;
    assert_eq!(state.kind(), Kind::FailedPrecondition);

    let fault = told("SELECT * FROM nowhere".to_owned()).await;
    assert_eq!((fault.kind(), fault.message()), (Kind::Internal, "internal error"));
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
            update.on_constraint("dataset_name_key", || datacovey_error::Error::wrong_state("taken, it says"))
        })
        .await;
    assert_eq!(said.unwrap_err().message(), "taken, it says");
    let none = catalog
        .transaction(&world.airline.ctx(), async |conn| {
            let row = sql_query("SELECT '' AS word WHERE false").get_result::<Word>(conn).await;
            row.or_not_found("dataset", "x").map(|_| ())
        })
        .await;
    assert_eq!(none.unwrap_err().message(), "there is no dataset \"x\"");
}

#[tokio::test]
async fn the_scope_platform_reaches_identity_alone() {
    let world = World::new().await;
    let mut ctx = world.stranger.ctx();
    ctx.principal.scopes.platform = true;
    let count = "SELECT count(*)::text AS word FROM tenant";
    for (role, expected) in [(DbRole::Identity, "3"), (DbRole::Catalog, "1")] {
        let database = world.database.open(role).await;
        let seen = database.transaction(&ctx, async |conn| word(count, conn).await).await.unwrap();
        assert_eq!(seen, expected, "{role}");
    }
}

#[tokio::test]
async fn a_service_refuses_a_schema_that_it_does_not_know() {
    let open = async |database: &TestDatabase| {
        Database::open(database.url(), DbRole::Catalog, PoolOptions::default()).await.unwrap_err().to_string()
    };
    let empty = TestDatabase::empty().await;
    assert_eq!(open(&empty).await, "the database has no schema of DataCovey; run `datacovey migrate`");

    let known = datacovey_persistence::known_versions().unwrap();
    let (last, before) = known.split_last().unwrap();
    datacovey_persistence::migrate_to(empty.url(), before.last().map(String::as_str)).await.unwrap();
    let older = open(&empty).await;
    assert_eq!(
        older,
        format!("the database's schema is older than this program: {last} is missing; run `datacovey migrate`")
    );

    let newer = TestDatabase::new().await;
    newer.sql().await.run("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')").await.unwrap();
    assert_eq!(
        open(&newer).await,
        "the database's schema is newer than this program: it does not know 9999; run a newer version"
    );
}
