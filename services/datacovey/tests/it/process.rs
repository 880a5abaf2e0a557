//! A suite in a process of its own, on free ports.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use datacovey::client::Client;
use datacovey_persistence::{LocalServer, LocalServerOptions};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a suite may take to say that it is ready, on a machine that does other things, too.
const READY: Duration = Duration::from_secs(120);

pub(crate) struct Process {
    child: Child,
    gateway: SocketAddr,
    data_dir: PathBuf,
    /// Of a server that is not the data directory's own.
    database_url: Option<String>,
}

/// A folder that the account of a private PostgreSQL server reaches, where we are root.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir()
        .unwrap()
}

/// A PostgreSQL server in that folder which is none of a suite's, and as short of life as the test.
pub(crate) async fn database_server(folder: &Path) -> LocalServer {
    let options = LocalServerOptions {
        durable: false,
        temporary: true,
        ..LocalServerOptions::new(folder.join("server"))
    };
    LocalServer::start(options).await.unwrap()
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datacovey"));
    command
        .stdin(Stdio::null())
        .env_remove("DATACOVEY_DATABASE_URL")
        .kill_on_drop(true);
    command
}

impl Process {
    pub(crate) async fn up(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut child = binary()
            .args(["up", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(data_dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(READY, lines.next_line())
            .await
            .expect("ready in time")
            .unwrap();
        let ready = ready.expect("the suite did not start");
        // "ready after 1.2 s: catalog 127.0.0.1:1, gateway 127.0.0.1:2, …"
        let gateway = ready
            .split("gateway ")
            .nth(1)
            .and_then(|it| it.split(',').next())
            .expect(&ready)
            .parse()
            .unwrap();
        Self {
            child,
            gateway,
            data_dir: data_dir.to_owned(),
            database_url: arguments
                .iter()
                .skip_while(|it| **it != "--database-url")
                .nth(1)
                .map(|it| (*it).to_owned()),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// A client of the tenant's user in that role.
    pub(crate) async fn client(&self, tenant: &str) -> Client {
        let mut command = token_command(tenant, &self.data_dir);
        if let Some(url) = &self.database_url {
            command.args(["--database-url", url]);
        }
        Client::connect(&self.endpoint(), &printed(command).await)
            .await
            .unwrap()
    }

    /// The URL of the private server's database as its superuser.
    pub(crate) fn superuser(&self) -> String {
        let urls = std::fs::read_to_string(self.data_dir.join("database-url")).unwrap();
        urls.lines().next().unwrap().to_owned()
    }

    /// As `kill -9` does; what it leaves behind is the next start's to cope with.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Kills the private PostgreSQL server, which takes its children along.
    pub(crate) async fn kill_database(&self) {
        let (client, connection) = tokio_postgres::connect(&self.superuser(), tokio_postgres::NoTls)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let row = client
            .query_one("SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)", &[])
            .await
            .unwrap();
        let killed = Command::new("kill")
            .args(["-9", row.get(0)])
            .status()
            .await
            .unwrap();
        assert!(killed.success());
        let _ = connection.await;
    }

    /// As SIGTERM does: drains, and says with its exit code whether it went well.
    pub(crate) async fn terminate(mut self) -> std::process::ExitStatus {
        let pid = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .await
                .unwrap()
                .success()
        );
        tokio::time::timeout(Duration::from_secs(60), self.child.wait())
            .await
            .expect("drained in time")
            .unwrap()
    }
}

pub(crate) async fn token(data_dir: &Path, tenant: &str) -> String {
    printed(token_command(tenant, data_dir)).await
}

fn token_command(tenant: &str, data_dir: &Path) -> Command {
    let mut command = binary();
    command
        .args(["token", "--tenant", tenant, "--data-dir"])
        .arg(data_dir);
    command
}

/// What a command prints that goes well.
async fn printed(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
