//! A PostgreSQL server of our own, for one machine and for tests.
//!
//! It keeps its files in a data directory and lives as long as the value that started it: dropped,
//! or with its program killed, it shuts down. A data directory left by a killed run is taken up
//! again, its server stopped first if it still runs. A server that dies is started again.

mod account;
mod binaries;
mod cluster;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::DbRole;
use cluster::Cluster;

/// Where this is set, that server is used and none is started.
pub const DATABASE_URL_VARIABLE: &str = "DATACOVEY_DATABASE_URL";

/// Makes databases and migrates them.
const SUPERUSER: &str = "datacovey_admin";

/// What services log in as. It may be each of their roles and owns nothing.
const SERVICES: &str = "datacovey_services";

/// Recovery after a crash replays what the last checkpoint has not written.
const START_TIMEOUT: Duration = Duration::from_secs(300);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// What a shell runs beside the server, so that it ends with us.
const SUPERVISE: &str = include_str!("supervise.sh");

/// How to start a [`LocalServer`].
#[derive(Clone, Debug)]
pub struct LocalServerOptions {
    /// Holds the cluster, or the record of where it is, its password and its log.
    pub data_dir: PathBuf,
    /// Whether a commit survives a crash of the machine. Only tests do without.
    pub durable: bool,
    /// Whether the cluster is removed when the server has stopped.
    pub temporary: bool,
    pub max_connections: u32,
}

impl LocalServerOptions {
    /// A server whose data stays.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            durable: true,
            temporary: false,
            max_connections: 200,
        }
    }
}

/// Why there is no server, in one line.
#[derive(Debug, thiserror::Error)]
pub enum LocalServerError {
    #[error(
        "no PostgreSQL server is installed here; install it ({hint}) or set DATACOVEY_DATABASE_URL to one that runs"
    )]
    NotInstalled { hint: &'static str },
    #[error("PostgreSQL {found} is too old; version {oldest} or newer is needed")]
    TooOld { found: u32, oldest: u32 },
    #[error(
        "the data directory was made by PostgreSQL {cluster}, which is not installed here{}",
        .found.map(|it| format!(" (version {it} is)")).unwrap_or_default()
    )]
    OtherVersion { cluster: u32, found: Option<u32> },
    #[error("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")]
    NoAccount,
    #[error("another process uses the data directory {}", .data_dir.display())]
    InUse { data_dir: PathBuf },
    #[error("initdb failed: {said}")]
    Initdb { said: String },
    #[error("PostgreSQL did not start: {said}")]
    NotStarted { said: String },
    #[error("{}: {cause}", .path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error("the server refused: {0}")]
    Refused(#[from] tokio_postgres::Error),
}

impl LocalServerError {
    /// Whether processes of a server that was killed are still at their end: theirs is the memory that a
    /// new one would share, and they leave by themselves.
    fn is_about_the_dying(&self) -> bool {
        matches!(self, Self::NotStarted { said } if said.contains("pre-existing shared memory block"))
    }

    fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            cause,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct LocalServer {
    cluster: Cluster,
    port: u16,
    supervisor: Child,
}

/// What services of one machine log in with.
pub struct ServiceLogin {
    password: String,
    port: u16,
}

impl ServiceLogin {
    /// The URL of a database of the server, for services.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(SERVICES, &self.password, self.port, database)
    }
}

impl fmt::Debug for ServiceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceLogin")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

fn url(login: &str, password: &str, port: u16, database: &str) -> String {
    format!("postgres://{login}:{password}@127.0.0.1:{port}/{database}")
}

impl LocalServer {
    /// Starts the server of a data directory, making what is missing, and waits until it answers.
    pub async fn start(options: LocalServerOptions) -> Result<Self, LocalServerError> {
        let started = Instant::now();
        let prepare = move || {
            let cluster = Cluster::prepare(&options)?;
            stop_orphan(&cluster)?;
            Ok::<_, LocalServerError>((cluster, options))
        };
        let (cluster, options) = match tokio::task::spawn_blocking(prepare).await {
            Ok(prepared) => prepared?,
            Err(cause) => {
                return Err(LocalServerError::NotStarted {
                    said: cause.to_string(),
                });
            }
        };
        let port = free_port()?;
        let supervisor = supervise(&cluster, &options, port)?;
        let mut server = Self {
            cluster,
            port,
            supervisor,
        };
        while let Err(error) = server.answers(started).await {
            if !error.is_about_the_dying() || started.elapsed() > START_TIMEOUT {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            server.supervisor = supervise(&server.cluster, &options, server.port)?;
        }
        Ok(server)
    }

    /// The URL of a database of this server, as its superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(SUPERUSER, &self.cluster.password, self.port, database)
    }

    /// Creates a database unless it is there, and answers its URL. `name` is a plain identifier.
    pub async fn database(&self, name: &str) -> Result<String, LocalServerError> {
        self.as_superuser(async |client| {
            let there = "SELECT FROM pg_database WHERE datname = $1";
            if client.query(there, &[&name]).await?.is_empty() {
                let create = format!("CREATE DATABASE \"{name}\"");
                client.batch_execute(&create).await?;
            }
            Ok(())
        })
        .await?;
        Ok(self.url(name))
    }

    /// The login of services, who are no superusers, with a new password; the roles that it is granted
    /// are there once a database of this server has been migrated.
    pub async fn service_login(&self) -> Result<ServiceLogin, LocalServerError> {
        let password = cluster::random_password();
        let roles = DbRole::ALL.map(DbRole::as_str).join(", ");
        self.as_superuser(async |client| {
            let there = "SELECT FROM pg_roles WHERE rolname = $1";
            if client.query(there, &[&SERVICES]).await?.is_empty() {
                client.batch_execute(&format!("CREATE ROLE {SERVICES}")).await?;
            }
            let entitle = format!(
                "ALTER ROLE {SERVICES} LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
                     NOBYPASSRLS PASSWORD '{password}';
                 GRANT {roles} TO {SERVICES}"
            );
            client.batch_execute(&entitle).await
        })
        .await?;
        Ok(ServiceLogin {
            password,
            port: self.port,
        })
    }

    async fn as_superuser(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<(), tokio_postgres::Error>,
    ) -> Result<(), LocalServerError> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await?;
        tokio::select! {
            done = work(&client) => Ok(done?),
            ended = connection => Err(ended.err().map_or_else(
                || LocalServerError::NotStarted { said: "the connection was closed".to_owned() },
                LocalServerError::Refused,
            )),
        }
    }

    /// A program of the server's installation and version, as `pg_dump`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        let here = self.cluster.binaries.program(name);
        if here.is_file() {
            return here;
        }
        // A folder of links need not have a link to each.
        let real = self.cluster.binaries.program("postgres").canonicalize();
        real.map_or(here, |it| it.with_file_name(name))
    }

    /// The process id of the server itself: for tests that kill it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        postmaster_pid(&self.cluster.folder)
    }

    /// Shuts down and waits until the server is gone. Open connections are closed; what they had not
    /// committed is rolled back.
    pub async fn stop(self) {
        // Waiting blocks, and dropping waits.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    async fn answers(&mut self, started: Instant) -> Result<(), LocalServerError> {
        let url = self.url("postgres");
        loop {
            let ended = self
                .supervisor
                .try_wait()
                .map_err(|cause| LocalServerError::io(&self.cluster.log, cause))?;
            if ended.is_some() || started.elapsed() > START_TIMEOUT {
                let log = fs::read_to_string(&self.cluster.log).unwrap_or_default();
                let said = log
                    .lines()
                    .rev()
                    .take(3)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect::<Vec<_>>()
                    .join("; ");
                return Err(LocalServerError::NotStarted { said });
            }
            if tokio_postgres::connect(&url, NoTls).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let asked = Instant::now();
        while asked.elapsed() < STOP_TIMEOUT {
            if !matches!(self.supervisor.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        tracing::warn!("PostgreSQL does not stop; it is left to itself");
    }
}

/// The port is free now; in the unlikely case that another takes it first, the server says so.
fn free_port() -> Result<u16, LocalServerError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|it| it.local_addr())
        .map(|it| it.port())
        .map_err(|cause| LocalServerError::io(Path::new("127.0.0.1"), cause))
}

fn supervise(cluster: &Cluster, options: &LocalServerOptions, port: u16) -> Result<Child, LocalServerError> {
    let log = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&cluster.log);
    let log = log.map_err(|cause| LocalServerError::io(&cluster.log, cause))?;
    let remove = if options.temporary {
        cluster.folder.as_os_str()
    } else {
        "".as_ref()
    };
    let mut command = cluster.command(Path::new("/bin/sh"));
    command
        .arg("-c")
        .arg(SUPERVISE)
        .arg("datacovey-postgres")
        .arg(remove);
    command
        .arg(cluster.binaries.program("postgres"))
        .arg("-D")
        .arg(&cluster.folder);
    let mut set = |name: &str, value: &str| {
        command.arg("-c").arg(format!("{name}={value}"));
    };
    set("port", &port.to_string());
    set("listen_addresses", "127.0.0.1");
    set("unix_socket_directories", "");
    set("max_connections", &options.max_connections.to_string());
    set("timezone", "UTC");
    set("log_timezone", "UTC");
    set("lc_messages", "C");
    // Compiling a plan costs more than our statements do.
    set("jit", "off");
    if !options.durable {
        for name in ["fsync", "synchronous_commit", "full_page_writes", "autovacuum"] {
            set(name, "off");
        }
        set("wal_level", "minimal");
        set("max_wal_senders", "0");
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        // A ctrl-c at the terminal is ours to answer: the server is needed until we have drained.
        .process_group(0)
        .spawn()
        .map_err(|cause| LocalServerError::io(Path::new("/bin/sh"), cause))
}

/// Stops a server that an earlier run left running. We hold the lock of the data directory, so
/// nobody uses it.
fn stop_orphan(cluster: &Cluster) -> Result<(), LocalServerError> {
    let Some(pid) = postmaster_pid(&cluster.folder) else {
        return Ok(());
    };
    match holder(&cluster.folder, pid) {
        Holder::Ours => {}
        // What a server that was killed leaves is for the next one to look at.
        Holder::Gone => return Ok(()),
        Holder::Other => {
            // The number is another process's by now, which the new server would take for the old one.
            let file = cluster.folder.join("postmaster.pid");
            return fs::remove_file(&file).map_err(|cause| LocalServerError::io(&file, cause));
        }
    }
    tracing::info!(pid, "stopping the PostgreSQL server that an earlier run left");
    let mut stop = cluster.command(&cluster.binaries.program("pg_ctl"));
    stop.arg("stop")
        .arg("-D")
        .arg(&cluster.folder)
        .args(["-m", "fast", "-w", "-t", "60"]);
    // It may end by itself meanwhile. If it does not end at all, the new server will say so.
    stop.output()
        .map_err(|cause| LocalServerError::io(&cluster.binaries.folder, cause))?;
    Ok(())
}

fn postmaster_pid(folder: &Path) -> Option<u32> {
    postmaster_line(folder, 0)?.parse().ok()
}

/// A line of `postmaster.pid`: the server's process, its data directory, its start, its port …
fn postmaster_line(folder: &Path, line: usize) -> Option<String> {
    let text = fs::read_to_string(folder.join("postmaster.pid")).ok()?;
    Some(text.lines().nth(line)?.trim().to_owned())
}

/// Whose a process is that may be the server of a cluster.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Ours,
    Other,
    Gone,
}

/// A server works in its data directory. Where processes cannot be asked for that, one that is called
/// as it should be and answers at the port that it wrote down is taken for it.
fn holder(folder: &Path, pid: u32) -> Holder {
    if Path::new("/proc/self").exists() {
        let process = PathBuf::from(format!("/proc/{pid}"));
        return match (fs::read_link(process.join("cwd")), folder.canonicalize()) {
            (Ok(cwd), Ok(folder)) if cwd == folder => Holder::Ours,
            // So are those that were killed and that nobody has asked about yet.
            (Err(cause), _) if cause.kind() == io::ErrorKind::NotFound => Holder::Gone,
            _ => Holder::Other,
        };
    }
    let answers = || {
        let port = postmaster_line(folder, 3)?.parse().ok()?;
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    };
    match process_name(pid) {
        Some(name) if name.is_empty() => Holder::Gone,
        Some(name) if name.contains("postgres") && answers().is_some() => Holder::Ours,
        _ => Holder::Other,
    }
}

/// The name of a running process; empty where there is none.
fn process_name(pid: u32) -> Option<String> {
    let output = Command::new("ps")
        .args(["-o", "comm=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
