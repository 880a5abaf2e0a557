//! The services that imports and exports need as processes of their own, over a database and a store that are
//! processes, too. Each comes back where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use datacovey::client::{Client, to_struct};
use datacovey::data_dir::DataDir;
use datacovey::token::{TokenRequest, issue};
use datacovey_auth::KeySource;
use datacovey_persistence::{LocalServer, LocalServerOptions, migrate};
use datacovey_proto::catalog::v1::{
    CreateDatasetRequest, CreateProjectRequest, CreateTableRequest, Dataset, Project, Table,
};
use datacovey_types::{Role, Scopes};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_postgres::NoTls;

use super::contents::schema;
use super::{program, store};

pub(super) const TRANSFERS: [&str; 2] = ["transfer 1", "transfer 2"];
const PROCESSES: [&str; 6] = [
    "store",
    "identity",
    "catalog",
    TRANSFERS[0],
    TRANSFERS[1],
    "gateway",
];
/// By when a process answers, on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(120);
/// The bucket of the suite's own objects, and that of its tenant.
const SUITE: &str = "suite";
const LAKE: &str = "lake";

pub(super) struct Cluster {
    data: DataDir,
    server: LocalServer,
    database_url: String,
    buckets: PathBuf,
    refusing: PathBuf,
    addresses: BTreeMap<&'static str, SocketAddr>,
    processes: BTreeMap<&'static str, Child>,
    issuers: String,
    trusted: String,
    sweeps_at_once: bool,
}

impl Cluster {
    pub(super) async fn start(folder: &Path) -> Self {
        let data = DataDir::open(&folder.join("data")).unwrap();
        let buckets = folder.join("buckets");
        for bucket in [SUITE, LAKE] {
            std::fs::create_dir_all(buckets.join(bucket)).unwrap();
        }
        // What it has said to have written outlives it.
        let options = LocalServerOptions {
            durable: true,
            temporary: true,
            ..LocalServerOptions::new(data.database())
        };
        let server = LocalServer::start(options).await.unwrap();
        migrate(&server.database("kill").await.unwrap()).await.unwrap();
        let database_url = server.service_login().await.unwrap().url("kill");
        let trusted = ["identity", "catalog", "transfer", "gateway"].map(|name| {
            let key = data.signing_key(name).unwrap().public_key();
            json!({"name": name, "public_key": key})
        });
        let issuer = data.issuer().unwrap().issuer();
        let KeySource::Inline(keys) = issuer.keys else {
            panic!("the development issuer's keys are elsewhere")
        };
        let issuers = json!([{
            "issuer": issuer.issuer, "audience": issuer.audience, "jwks": keys, "organizations": "any",
        }]);
        let mut cluster = Self {
            data,
            server,
            database_url,
            buckets,
            refusing: folder.join("refusing"),
            addresses: free_addresses(),
            processes: BTreeMap::new(),
            issuers: issuers.to_string(),
            trusted: json!(trusted).to_string(),
            sweeps_at_once: false,
        };
        for name in PROCESSES {
            cluster.launch(name).await;
        }
        cluster
    }

    /// The folder that the tenant's bucket is.
    pub(super) fn lake(&self) -> PathBuf {
        self.buckets.join(LAKE)
    }

    pub(super) async fn client(&self) -> Client {
        let request = TokenRequest {
            tenant: "Kill".to_owned(),
            role: Role::OrgAdmin,
            email: None,
            scopes: Scopes::NONE,
            lifetime: Duration::from_secs(24 * 3600),
        };
        let token = issue(&self.data, &self.database_url, request).await.unwrap();
        Client::connect(&self.url("gateway"), &token).await.unwrap()
    }

    /// A table that [`super::contents`] fit.
    pub(super) async fn table(&self, client: &Client) -> String {
        let project = Project {
            name: "Kill".to_owned(),
            ..Project::default()
        };
        let request = CreateProjectRequest {
            project: Some(project),
            ..Default::default()
        };
        let project = client.projects().create_project(request).await.unwrap();
        let dataset = Dataset {
            project_id: project.into_inner().id,
            name: "kill".to_owned(),
            ..Dataset::default()
        };
        let request = CreateDatasetRequest {
            dataset: Some(dataset),
            ..Default::default()
        };
        let dataset = client.datasets().create_dataset(request).await.unwrap();
        let table = Table {
            dataset_id: dataset.into_inner().id,
            name: "lines".to_owned(),
            schema: Some(to_struct(schema())),
            ..Table::default()
        };
        let request = CreateTableRequest {
            table: Some(table),
            ..Default::default()
        };
        let table = client.tables().create_table(request).await.unwrap();
        table.into_inner().id
    }

    /// Starts a process and waits until it can be reached.
    pub(super) async fn launch(&mut self, name: &'static str) {
        let address = self.addresses[name];
        let launched = async {
            let mut child = self.command(name).spawn().unwrap();
            while TcpStream::connect(address).await.is_err() {
                // As whoever runs pods starts one again that has found no database.
                if child.try_wait().unwrap().is_some() {
                    child = self.command(name).spawn().unwrap();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            child
        };
        let child = tokio::time::timeout(SOON, launched)
            .await
            .unwrap_or_else(|_| panic!("{name} does not come up"));
        self.processes.insert(name, child);
    }

    fn command(&self, name: &'static str) -> Command {
        let role = name.split(' ').next().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", program::ENTRY, "--ignored", "--nocapture"])
            .env_clear()
            .env(program::ROLE, role)
            .env("DATACOVEY_LISTEN", self.addresses[name].to_string())
            .env("DATACOVEY_ADMIN_LISTEN", "127.0.0.1:0")
            .env("DATACOVEY_ISSUERS", &self.issuers)
            .env("DATACOVEY_LOG_FORMAT", "text")
            .env(
                "DATACOVEY_LOG",
                std::env::var("DATACOVEY_LOG").unwrap_or_else(|_| "off".to_owned()),
            )
            .env(
                "DATACOVEY_SERVICE_KEY_FILE",
                self.data.path().join(format!("keys/{role}.pem")),
            );
        match role {
            "store" => {
                command
                    .env(store::FOLDER, &self.buckets)
                    .env(store::REFUSING, &self.refusing);
            }
            "gateway" => {}
            _ => {
                command
                    .env("DATACOVEY_TRUSTED_SERVICES", &self.trusted)
                    .env("DATACOVEY_DATABASE_URL", &self.database_url);
            }
        }
        if role == "transfer" {
            let prefixes = json!({"*": [format!("s3://{LAKE}/in"), format!("s3://{LAKE}/out")]});
            command
                .env("DATACOVEY_STORE", format!("s3://{SUITE}/data"))
                .env("DATACOVEY_ALLOWED_PREFIXES", prefixes.to_string())
                .env("DATACOVEY_SECRET_KEY_FILE", self.data.secret_key_file().unwrap())
                .env("DATACOVEY_TRANSFER_SPILL_FOLDER", self.data.sorting())
                .env("DATACOVEY_COMPACT_FROM_FILES", "6")
                .env("AWS_ENDPOINT_URL", self.url("store"))
                .env("AWS_ALLOW_HTTP", "true")
                .env("AWS_ACCESS_KEY_ID", store::ID)
                .env("AWS_SECRET_ACCESS_KEY", store::SECRET)
                .env("AWS_REGION", "us-east-1");
            if self.sweeps_at_once {
                command.env(program::SWEEP, "1");
            }
        }
        for (peer, url) in [
            ("IDENTITY", self.url("identity")),
            ("CATALOG", self.url("catalog")),
            // Nobody asks for it here.
            ("QUERY", self.url("catalog")),
            ("TRANSFER", TRANSFERS.map(|transfer| self.url(transfer)).join(",")),
        ] {
            command.env(format!("DATACOVEY_{peer}_URL"), url);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}", self.addresses[name])
    }

    pub(super) async fn kill(&mut self, name: &str) {
        let mut child = self.processes.remove(name).unwrap();
        child.kill().await.unwrap();
    }

    pub(super) async fn signal(&self, name: &str, signal: &str) {
        send(signal, self.processes[name].id().unwrap()).await;
    }

    /// Whether the store answers every request with 500.
    pub(super) fn refuse(&self, refuses: bool) {
        if refuses {
            std::fs::write(&self.refusing, "").unwrap();
        } else {
            std::fs::remove_file(&self.refusing).unwrap();
        }
    }

    pub(super) fn database_pid(&self) -> u32 {
        self.server.pid().unwrap()
    }

    /// The process of one of the sessions that services have.
    pub(super) async fn backend_pid(&self, chosen: u64) -> u32 {
        let sessions = "SELECT pid::text FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY 1";
        let pids = self.column(sessions).await.unwrap();
        let at = usize::try_from(chosen % pids.len() as u64).unwrap();
        pids[at].parse().unwrap()
    }

    /// Returns when the database is there again.
    pub(super) async fn database_answers(&self) {
        let answers = async {
            while self.column("SELECT 'here'").await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, answers)
            .await
            .expect("the database comes back");
    }

    async fn column(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.server.url("kill"), NoTls).await?;
        let connection = tokio::spawn(connection);
        let rows = client.query(sql, &[]).await?;
        drop(client);
        // How it ends says nothing of the rows.
        let _ = connection.await;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Lets everything be swept that nobody needs, results of exports among it. What then is in the store
    /// and belongs to no version, or belongs to one and is not there.
    pub(super) async fn swept(&mut self) -> Vec<String> {
        self.sweeps_at_once = true;
        for name in TRANSFERS {
            self.kill(name).await;
            self.launch(name).await;
        }
        let mut difference = Vec::new();
        let swept = async {
            loop {
                let referenced = self.column("SELECT DISTINCT path FROM table_file").await.unwrap();
                let referenced: BTreeSet<_> = referenced.into_iter().collect();
                let mut there = files_below(&self.buckets.join(SUITE).join("data"));
                // Of a compaction that died it is known when its objects may go: minutes after its lease.
                let waiting = self.column("SELECT path FROM object_garbage").await.unwrap();
                there.retain(|path| !waiting.iter().any(|of| path.starts_with(of)));
                difference = referenced.symmetric_difference(&there).cloned().collect();
                if difference.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let _ = tokio::time::timeout(SOON, swept).await;
        difference
    }

    pub(super) async fn stop(mut self) {
        for child in self.processes.values_mut() {
            child.kill().await.unwrap();
        }
        self.server.stop().await;
    }
}

pub(super) async fn send(signal: &str, pid: u32) {
    let arguments = [format!("-{signal}"), pid.to_string()];
    let sent = Command::new("kill").args(arguments).status().await;
    assert!(sent.unwrap().success(), "{signal} to {pid}");
}

/// Paths of all files below a folder, from there.
pub(super) fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        // It may go while it is looked at.
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// Free now, and asked for again by the process that follows another: where no other test listens.
fn free_addresses() -> BTreeMap<&'static str, SocketAddr> {
    // Elsewhere than on Linux only the first address is there.
    let loopback = if cfg!(target_os = "linux") {
        Ipv4Addr::new(127, 78, 0, 1)
    } else {
        Ipv4Addr::LOCALHOST
    };
    let held = PROCESSES.map(|name| (name, TcpListener::bind((loopback, 0)).unwrap()));
    let addresses = held.iter().map(|(name, it)| (*name, it.local_addr().unwrap()));
    addresses.collect()
}
