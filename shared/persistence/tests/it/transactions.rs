//! Tenant transactions: one round trip, retries, deadlines.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use datacovey_error::Kind;
use datacovey_persistence::{Conn, Database, DbRole, Failure, PoolOptions};
use datacovey_types::Ctx;
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

#[derive(QueryableByName)]
pub(crate) struct Word {
    #[diesel(sql_type = Text)]
    pub(crate) word: String,
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
    let options = PoolOptions {
        max_connections: 1,
        ..PoolOptions::default()
    };
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
    let options = PoolOptions {
        max_connections: 1,
        ..PoolOptions::default()
    };
    let catalog = Database::open(world.database.url(), DbRole::Catalog, options)
        .await
        .unwrap();
    let who = "SELECT current_user || ' ' || coalesce(current_tenant()::text, '-') || ' ' ||
               coalesce(current_user_id()::text, '-') || ' ' || current_setting('timezone') AS word";
    let ctx = world.registry.ctx();
    let seen = catalog
        .transaction(&ctx, async |conn| word(who, conn).await)
        .await
        .unwrap();
    assert_eq!(
        seen,
        format!(
            "datacovey_catalog {} {} UTC",
            world.registry.id, world.registry.admin
        )
    );
    // The connection of the pool is nobody's again: the next one sets whom it acts for.
    let ctx = world.airline.ctx();
    let seen = catalog
        .transaction(&ctx, async |conn| word(who, conn).await)
        .await
        .unwrap();
    assert!(seen.contains(&world.airline.id.to_string()), "{seen}");
    assert_eq!(
        catalog
            .project_list(&ctx, false, &first_page())
            .await
            .unwrap()
            .rows
            .len(),
        1
    );
    assert_eq!(
        catalog
            .project_list(&world.stranger.ctx(), false, &first_page())
            .await
            .unwrap()
            .rows
            .len(),
        0
    );
}

fn first_page() -> datacovey_list::Listing {
    let binding = datacovey_list::Binding::new("test");
    let request = datacovey_list::ListRequest::default();
    let mut violations = datacovey_error::Violations::new();
    datacovey_list::Listing::parse(
        &datacovey_persistence::PROJECT_FIELDS,
        binding,
        request,
        &mut violations,
    )
    .unwrap()
}

#[tokio::test]
async fn a_transaction_that_loses_a_race_runs_again() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let (one, two) = (
        world.dataset,
        world.admin.dataset(world.airline.id, world.project, "b").await,
    );
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
                let touch = |id| {
                    format!(
                        "UPDATE dataset SET description = coalesce(description, '') || 'x' WHERE id = '{id}'"
                    )
                };
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
    let both = world
        .admin
        .column("SELECT description FROM dataset WHERE description IS NOT NULL")
        .await
        .unwrap();
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
    assert_eq!(
        world
            .admin
            .value("SELECT count(*) FROM dataset WHERE description = 'half'")
            .await
            .unwrap(),
        "0"
    );
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back() {
    let world = World::new().await;
    let options = PoolOptions {
        max_connections: 1,
        ..PoolOptions::default()
    };
    let catalog = Database::open(world.database.url(), DbRole::Catalog, options)
        .await
        .unwrap();
    let ctx = world.airline.ctx();
    let (reached, wait) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let endless = catalog.transaction(&ctx, async |conn| {
        sql_query("UPDATE dataset SET description = 'lost' WHERE tenant_id = current_tenant()")
            .execute(conn)
            .await?;
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
    assert_eq!(
        world
            .admin
            .value("SELECT count(*) FROM dataset WHERE description = 'lost'")
            .await
            .unwrap(),
        "0"
    );
}

#[tokio::test]
async fn a_deadline_ends_a_statement() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let within = |left: Duration| Ctx {
        deadline: Some(Instant::now() + left),
        ..world.airline.ctx()
    };
    let ctx = within(Duration::from_millis(50));
    let slow = catalog
        .transaction(&ctx, async |conn| {
            word("SELECT pg_sleep(60)::text AS word", conn).await
        })
        .await;
    assert_eq!(slow.unwrap_err().kind(), Kind::DeadlineExceeded);
    let passed = catalog.project_get(&within(Duration::ZERO), world.project).await;
    assert_eq!(passed.unwrap_err().kind(), Kind::DeadlineExceeded);
}

/// A pool of one connection that is lent until the end of a test.
async fn exhausted(world: &World, acquire_timeout: Duration) -> (Database, tokio::task::JoinHandle<()>) {
    let options = PoolOptions {
        max_connections: 1,
        acquire_timeout,
        ..PoolOptions::default()
    };
    let catalog = Database::open(world.database.url(), DbRole::Catalog, options)
        .await
        .unwrap();
    let (ctx, holder) = (world.airline.ctx(), catalog.clone());
    let (lent, is_lent) = tokio::sync::oneshot::channel();
    let lent = std::sync::Mutex::new(Some(lent));
    let held = tokio::spawn(async move {
        let endless = holder.transaction(&ctx, async |conn| {
            word("SELECT 'x' AS word", conn).await?;
            lent.lock().unwrap().take().unwrap().send(()).unwrap();
            std::future::pending::<Result<(), Failure>>().await
        });
        endless.await.unwrap();
    });
    is_lent.await.unwrap();
    (catalog, held)
}

/// Nobody would get a connection within an hour.
#[tokio::test]
async fn a_deadline_ends_the_wait_for_a_connection() {
    let world = World::new().await;
    let (catalog, held) = exhausted(&world, Duration::from_secs(3600)).await;
    let within = |millis| Ctx {
        deadline: Some(Instant::now() + Duration::from_millis(millis)),
        ..world.airline.ctx()
    };
    // A transaction, and a statement sent in one piece.
    let ctx = within(50);
    let late = catalog.transaction(&ctx, async |conn| word("SELECT 'x' AS word", conn).await);
    assert_eq!(late.await.unwrap_err().kind(), Kind::DeadlineExceeded);
    let late = catalog.project_get(&within(50), world.project).await;
    assert_eq!(late.unwrap_err().kind(), Kind::DeadlineExceeded);
    let usage = catalog.pool_usage();
    assert_eq!((usage.in_use, usage.max, usage.waiting), (1, 1, 0));

    // Whoever waits when the connection is back gets it.
    let ctx = within(60_000);
    let (waits, ()) = tokio::join!(catalog.project_get(&ctx, world.project), async {
        while catalog.pool_usage().waiting == 0 {
            tokio::task::yield_now().await;
        }
        held.abort();
    });
    assert_eq!(waits.unwrap().id, world.project);
    assert_eq!(catalog.pool_usage().waiting, 0);
}

#[tokio::test]
async fn a_queue_that_stays_is_not_waited_in_for_long() {
    let world = World::new().await;
    let (catalog, _held) = exhausted(&world, Duration::from_secs(3600)).await;
    // A job waits, and keeps the queue from ever being empty.
    let (waiting, job) = (catalog.clone(), world.airline.ctx());
    let project = world.project;
    let waiting = tokio::spawn(async move { waiting.project_get(&job, project).await.map(drop) });
    let ctx = Ctx {
        deadline: Some(Instant::now() + Duration::from_secs(3600)),
        ..world.airline.ctx()
    };
    // The first may be among those who find a queue that has just begun; each gives up its wait.
    let busy = async {
        loop {
            let call = catalog.project_get(&ctx, world.project);
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(300), call).await {
                return answer.unwrap_err();
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(30), busy).await.unwrap();
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.retry_delay().is_some());
    assert!(!waiting.is_finished(), "a job waits for its turn");
    waiting.abort();
}

#[tokio::test]
async fn a_pool_survives_the_loss_of_its_connections() {
    let world = World::new().await;
    let catalog = world.database.open(DbRole::Catalog).await;
    let ctx = world.airline.ctx();
    for _ in 0..3 {
        catalog
            .transaction(&ctx, async |conn| word("SELECT 'x' AS word", conn).await)
            .await
            .unwrap();
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'datacovey_catalog'";
        assert_eq!(world.admin.value(kill).await.unwrap(), "1");
        catalog
            .transaction(&ctx, async |conn| word("SELECT 'x' AS word", conn).await)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_scope_platform_reaches_identity_alone() {
    let world = World::new().await;
    let mut ctx = world.stranger.ctx();
    ctx.principal.scopes.platform = true;
    let count = "SELECT count(*)::text AS word FROM tenant";
    for (role, expected) in [(DbRole::Identity, "3"), (DbRole::Catalog, "1")] {
        let database = world.database.open(role).await;
        let seen = database
            .transaction(&ctx, async |conn| word(count, conn).await)
            .await
            .unwrap();
        assert_eq!(seen, expected, "{role}");
    }
}
