//! The server of one machine: made, found again, and never left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use datacovey_persistence::{
    Database, DbRole, LocalServer, LocalServerError, LocalServerOptions, PoolOptions,
};
use tokio_postgres::NoTls;

fn options(data_dir: &Path) -> LocalServerOptions {
    LocalServerOptions {
        durable: false,
        ..LocalServerOptions::new(data_dir)
    }
}

async fn run(url: &str, sql: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let row = client.query_one(sql, &[]).await?;
    drop(client);
    let _ = connection.await;
    Ok(row.get(0))
}

fn is_running(pid: u32) -> bool {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&output.stdout);
    !state.trim().is_empty() && !state.starts_with('Z')
}

async fn gone(pid: u32) {
    let since = Instant::now();
    while is_running(pid) {
        assert!(since.elapsed() < Duration::from_secs(60), "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The cluster of a data directory, which may be elsewhere; removed with the value.
struct Cleanup<'a>(&'a Path);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        if let Ok(elsewhere) = std::fs::read_to_string(self.0.join("postgres.location")) {
            let _ = std::fs::remove_dir_all(elsewhere.trim());
        }
    }
}

#[tokio::test]
async fn data_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let _cleanup = Cleanup(folder.path());
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    let url = server.database("kept").await.unwrap();
    assert_eq!(server.database("kept").await.unwrap(), url);
    run(&url, "WITH made AS (SELECT 1) SELECT 'x'::text FROM made")
        .await
        .unwrap();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("CREATE TABLE t AS SELECT 'there'::text AS word")
        .await
        .unwrap();
    let pid = server.pid().unwrap();
    server.stop().await;
    assert!(!is_running(pid));

    let server = LocalServer::start(options(folder.path())).await.unwrap();
    assert_eq!(
        run(&server.url("kept"), "SELECT word FROM t").await.unwrap(),
        "there"
    );
    // The password is needed, and the folder that holds it is ours alone.
    let (scheme, rest) = server
        .url("kept")
        .split_once("://")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let host = rest.split_once('@').unwrap().1;
    assert!(
        run(&format!("{scheme}://datacovey_admin:wrong@{host}"), "SELECT ''")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn services_log_in_as_no_superuser() {
    let folder = tempfile::tempdir().unwrap();
    let _cleanup = Cleanup(folder.path());
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    datacovey_persistence::migrate(&server.url("postgres"))
        .await
        .unwrap();
    let former = server.service_login().await.unwrap().url("postgres");
    let login = server.service_login().await.unwrap().url("postgres");
    // The password is of the last who asked.
    assert!(run(&former, "SELECT ''").await.is_err());

    let may = "SELECT concat_ws(' ', rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolinherit)
               FROM pg_roles WHERE rolname = current_user";
    assert_eq!(run(&login, may).await.unwrap(), "f f f f f");
    let member = "SELECT string_agg(roleid::regrole::text, ' ' ORDER BY roleid::regrole::text)
                  FROM pg_auth_members WHERE member = current_user::regrole";
    let mut roles = DbRole::ALL.map(DbRole::as_str);
    roles.sort_unstable();
    assert_eq!(run(&login, member).await.unwrap(), roles.join(" "));
    for role in DbRole::ALL {
        let database = Database::open(&login, role, PoolOptions::default()).await;
        assert!(database.is_ok(), "{role}: {database:?}");
    }

    let (client, connection) = tokio_postgres::connect(&login, NoTls).await.unwrap();
    tokio::spawn(connection);
    for forbidden in [
        "SET ROLE datacovey_owner",
        "SET ROLE datacovey_admin",
        "CREATE TABLE t ()",
        "SELECT FROM tenant",
    ] {
        let refused = client.batch_execute(forbidden).await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{forbidden}");
    }
}

#[tokio::test]
async fn one_process_at_a_time_uses_a_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let _cleanup = Cleanup(folder.path());
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    let second = LocalServer::start(options(folder.path())).await;
    assert!(
        matches!(second, Err(LocalServerError::InUse { .. })),
        "{second:?}"
    );
    drop(server);
    // What another test starts has the lock, too, until it becomes a program of its own.
    while let Err(error) = LocalServer::start(options(folder.path())).await {
        assert!(matches!(error, LocalServerError::InUse { .. }), "{error:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_of_another_data_directory_is_left_alone() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_cleanup, _other_cleanup) = (Cleanup(folder.path()), Cleanup(other.path()));
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    let setting = "SELECT current_setting('data_directory')";
    let data = run(&server.url("postgres"), setting).await.unwrap();
    server.stop().await;

    // The number of the server that was here has come to be that of another's.
    let other = LocalServer::start(options(other.path())).await.unwrap();
    let pid = other.pid().unwrap();
    let told = format!("{pid}\n{data}\n1\n1\n\n127.0.0.1\n\n");
    std::fs::write(Path::new(&data).join("postmaster.pid"), told).unwrap();
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    assert!(is_running(pid));
    run(&other.url("postgres"), setting).await.unwrap();
    run(&server.url("postgres"), setting).await.unwrap();
}

#[tokio::test]
async fn a_killed_server_comes_back_with_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let _cleanup = Cleanup(folder.path());
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    let url = server.url("postgres");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("CREATE TABLE t AS SELECT 'there'::text AS word")
        .await
        .unwrap();
    // The server of a test does without what makes each commit survive.
    client.batch_execute("CHECKPOINT").await.unwrap();
    let pid = server.pid().unwrap();
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    gone(pid).await;
    let since = Instant::now();
    let word = loop {
        match run(&url, "SELECT word FROM t").await {
            Ok(word) => break word,
            Err(error) => assert!(since.elapsed() < Duration::from_secs(60), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(word, "there");
    let pid = server.pid().unwrap();
    drop(server);
    assert!(!is_running(pid));
}

#[tokio::test]
async fn a_temporary_server_leaves_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let _cleanup = Cleanup(folder.path());
    let server = LocalServer::start(LocalServerOptions {
        temporary: true,
        ..options(folder.path())
    })
    .await
    .unwrap();
    let data = run(
        &server.url("postgres"),
        "SELECT current_setting('data_directory')",
    )
    .await
    .unwrap();
    assert!(Path::new(&data).exists());
    let pid = server.pid().unwrap();
    drop(server);
    assert!(!Path::new(&data).exists(), "{data}");
    assert!(!is_running(pid));
}

#[tokio::test]
async fn a_data_directory_closed_to_others_will_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let _cleanup = Cleanup(folder.path());
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    let who = run(
        &server.url("postgres"),
        "SELECT current_setting('data_directory')",
    )
    .await
    .unwrap();
    // As root, the server is another user, who cannot come in; where its files are is written down.
    let inside = who.starts_with(&*folder.path().to_string_lossy());
    let recorded = std::fs::read_to_string(folder.path().join("postgres.location"));
    assert_eq!(inside, recorded.is_err(), "{who} {recorded:?}");
    server.stop().await;
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    let again = run(
        &server.url("postgres"),
        "SELECT current_setting('data_directory')",
    )
    .await
    .unwrap();
    assert_eq!(again, who);
}

/// Runs in a process of its own, which the test below kills.
#[tokio::test]
#[ignore = "started by the test of a killed process"]
async fn hold_a_server() {
    let Some(folder) = std::env::var_os("DATACOVEY_TEST_HOLD") else {
        return;
    };
    let folder = Path::new(&folder);
    let server = LocalServer::start(options(folder)).await.unwrap();
    std::fs::write(folder.join("pid"), server.pid().unwrap().to_string()).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_server_of_a_killed_process_stops_and_its_data_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let _cleanup = Cleanup(folder.path());
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "local_server::hold_a_server"])
        .env("DATACOVEY_TEST_HOLD", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    let pid = loop {
        if let Ok(pid) = std::fs::read_to_string(folder.path().join("pid"))
            && let Ok(pid) = pid.parse::<u32>()
        {
            break pid;
        }
        assert!(
            since.elapsed() < Duration::from_secs(120),
            "the other process has no server"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(is_running(pid));
    holder.kill().unwrap();
    holder.wait().unwrap();
    // At once: whatever is left of the old server is waited for.
    let server = LocalServer::start(options(folder.path())).await.unwrap();
    assert!(!is_running(pid));
    assert_eq!(
        run(&server.url("postgres"), "SELECT 'x'::text").await.unwrap(),
        "x"
    );
}
