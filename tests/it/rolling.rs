//! A rolling restart as a cluster does one: two processes of every service, each replaced in turn while
//! callers go on. No call is lost.
//!
//! `DATACOVEY_ROLLS=5 cargo test --workspace --test it rolling -- --nocapture` restarts everything more often.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datacovey::data_dir::DataDir;
use datacovey::token::{TokenRequest, issue};
use datacovey_auth::KeySource;
use datacovey_persistence::{LocalServer, LocalServerOptions, migrate};
use datacovey_proto::catalog::v1::project_service_client::ProjectServiceClient;
use datacovey_proto::catalog::v1::{
    CreateProjectRequest, GetProjectRequest, ListProjectsRequest, Project, UpdateProjectRequest,
};
use datacovey_proto::identity::v1::WhoAmIRequest;
use datacovey_proto::identity::v1::user_service_client::UserServiceClient;
use datacovey_proto::query::v1::CreateQueryRequest;
use datacovey_proto::query::v1::Query;
use datacovey_proto::query::v1::query_service_client::QueryServiceClient;
use datacovey_proto::transfer::v1::ListImportJobsRequest;
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_server::{Balanced, PeerUrls};
use datacovey_types::{Role, Scopes};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const SERVICES: [&str; 5] = ["identity", "catalog", "transfer", "query", "gateway"];
const PROCESSES: usize = 2;
const CALLERS: usize = 6;
/// By when a process serves, or has left, on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(120);

/// Every service as processes of its own over one database.
struct Cluster {
    data: DataDir,
    server: LocalServer,
    database: String,
    addresses: BTreeMap<&'static str, Vec<SocketAddr>>,
    processes: BTreeMap<(&'static str, usize), Child>,
    issuers: String,
    trusted: String,
}

impl Cluster {
    async fn start(folder: PathBuf) -> Self {
        let data = DataDir::open(&folder).unwrap();
        let server = LocalServer::start(LocalServerOptions {
            durable: false,
            temporary: true,
            ..LocalServerOptions::new(data.database())
        })
        .await
        .unwrap();
        migrate(&server.database("rolling").await.unwrap()).await.unwrap();
        let database = server.service_login().await.unwrap().url("rolling");
        let trusted = SERVICES.map(|name| {
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
            database,
            addresses: SERVICES.map(|name| (name, free_addresses())).into(),
            processes: BTreeMap::new(),
            issuers: issuers.to_string(),
            trusted: json!(trusted).to_string(),
        };
        for number in 0..PROCESSES {
            for name in SERVICES {
                cluster.launch(name, number).await;
            }
        }
        cluster
    }

    fn urls(&self, service: &str) -> String {
        let urls = self.addresses[service].iter().map(|it| format!("http://{it}"));
        urls.collect::<Vec<_>>().join(",")
    }

    /// Starts a process and waits until it serves.
    async fn launch(&mut self, name: &'static str, number: usize) {
        let address = self.addresses[name][number];
        let mut command = Command::new(program(name));
        command
            .env_clear()
            .env("DATACOVEY_LISTEN", address.to_string())
            .env("DATACOVEY_ADMIN_LISTEN", "127.0.0.1:0")
            .env("DATACOVEY_ISSUERS", &self.issuers)
            .env(
                "DATACOVEY_SERVICE_KEY_FILE",
                self.data.path().join(format!("keys/{name}.pem")),
            )
            .env("DATACOVEY_DRAIN_DELAY_SECONDS", "1")
            .env("DATACOVEY_LOG", "error");
        if name != "gateway" {
            command
                .env("DATACOVEY_TRUSTED_SERVICES", &self.trusted)
                .env("DATACOVEY_DATABASE_URL", &self.database);
        }
        if ["query", "transfer"].contains(&name) {
            command.env("DATACOVEY_STORE", self.data.objects());
        }
        if name == "transfer" {
            command.env("DATACOVEY_SECRET_KEY_FILE", self.data.secret_key_file().unwrap());
        }
        for peer in SERVICES {
            command.env(format!("DATACOVEY_{}_URL", peer.to_uppercase()), self.urls(peer));
        }
        let child = command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; cargo build --workspace makes it"));
        self.processes.insert((name, number), child);
        let serving = async {
            while !serves(address).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(SOON, serving)
            .await
            .unwrap_or_else(|_| panic!("{name} does not come up"));
    }

    /// As Kubernetes replaces a pod: told to leave, and followed by another.
    async fn replace(&mut self, name: &'static str, number: usize) {
        let mut child = self.processes.remove(&(name, number)).unwrap();
        let pid = child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .await
                .unwrap()
                .success()
        );
        let left = tokio::time::timeout(SOON, child.wait())
            .await
            .expect("it leaves")
            .unwrap();
        assert!(left.success(), "{name} left with {left}");
        self.launch(name, number).await;
    }

    async fn stop(mut self) {
        for child in self.processes.values_mut() {
            child.kill().await.unwrap();
        }
        self.server.stop().await;
    }
}

/// Free now, and asked for again by the process that follows another.
fn free_addresses() -> Vec<SocketAddr> {
    let held: Vec<_> = (0..PROCESSES)
        .map(|_| TcpListener::bind((own_loopback(), 0)).unwrap())
        .collect();
    held.iter().map(|it| it.local_addr().unwrap()).collect()
}

/// Beside the folder of this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|it| it.parent()).unwrap();
    folder.join(format!("datacovey-{name}"))
}

async fn serves(address: SocketAddr) -> bool {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let Ok(channel) = endpoint.connect().await else {
        return false;
    };
    let mut health = HealthClient::new(channel);
    let answer = health.check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|it| it.into_inner().status() == ServingStatus::Serving)
}

#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// What was sent, and what of it failed and how.
#[derive(Default)]
struct Told {
    sent: u64,
    failed: Vec<String>,
}

/// Reads and writes of every service, one after the other, until it is told to stop.
async fn call(channel: InterceptedService<Balanced, Bearer>, project: String, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let mut users = UserServiceClient::new(channel.clone());
    let mut projects = ProjectServiceClient::new(channel.clone());
    let mut queries = QueryServiceClient::new(channel.clone());
    let mut imports = ImportServiceClient::new(channel);
    while !stop.load(Ordering::SeqCst) {
        let mut note = |what: &str, failed: Option<Status>| {
            told.sent += 1;
            told.failed.extend(failed.map(|it| format!("{what}: {it:?}")));
        };
        note("WhoAmI", users.who_am_i(WhoAmIRequest {}).await.err());
        let get = GetProjectRequest { id: project.clone() };
        note("GetProject", projects.get_project(get).await.err());
        note(
            "ListProjects",
            projects.list_projects(ListProjectsRequest::default()).await.err(),
        );
        let update = UpdateProjectRequest {
            project: Some(Project {
                id: project.clone(),
                description: Some("again".to_owned()),
                ..Project::default()
            }),
            ..UpdateProjectRequest::default()
        };
        note("UpdateProject", projects.update_project(update).await.err());
        let create = CreateQueryRequest {
            query: Some(Query {
                project_id: project.clone(),
                query_text: "SELECT 1".to_owned(),
                ..Query::default()
            }),
            ..CreateQueryRequest::default()
        };
        note("CreateQuery", queries.create_query(create).await.err());
        let list = ListImportJobsRequest::default();
        note("ListImportJobs", imports.list_import_jobs(list).await.err());
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_no_call() {
    let rolls = std::env::var("DATACOVEY_ROLLS")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(1);
    let folder = tempfile::Builder::new()
        // The account of a private server has to pass through, where we are root.
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .tempdir()
        .unwrap();
    let mut cluster = Cluster::start(folder.path().join("data")).await;
    let request = TokenRequest {
        tenant: "Rolling".to_owned(),
        role: Role::OrgAdmin,
        email: None,
        scopes: Scopes::NONE,
        lifetime: Duration::from_secs(3600),
    };
    let token = issue(&cluster.data, &cluster.database, request).await.unwrap();
    let bearer = Bearer(format!("Bearer {token}").parse().unwrap());
    let urls: PeerUrls = cluster.urls("gateway").parse().unwrap();
    let channel = InterceptedService::new(Balanced::new("gateway", &urls, None), bearer);
    let create = CreateProjectRequest {
        project: Some(Project {
            name: "Rolling".to_owned(),
            ..Project::default()
        }),
        ..CreateProjectRequest::default()
    };
    let created = ProjectServiceClient::new(channel.clone())
        .create_project(create)
        .await;
    let project = created.unwrap().into_inner().id;

    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(call(channel.clone(), project.clone(), Arc::clone(&stop)));
    }
    for _ in 0..rolls {
        for name in SERVICES {
            for number in 0..PROCESSES {
                cluster.replace(name, number).await;
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    let (mut sent, mut failed) = (0, Vec::new());
    while let Some(told) = callers.join_next().await {
        let told = told.unwrap();
        sent += told.sent;
        failed.extend(told.failed);
    }
    let restarts = rolls * SERVICES.len() * PROCESSES;
    println!("{restarts} restarts: {sent} calls sent, {} failed", failed.len());
    assert!(
        failed.is_empty(),
        "{} of {sent}: {:#?}",
        failed.len(),
        &failed[..failed.len().min(5)]
    );
    assert!(sent > 0);
    cluster.stop().await;
}

/// Where no other test listens: a port stays free while nobody has it between two processes.
fn own_loopback() -> Ipv4Addr {
    // Elsewhere than on Linux only the first address is there.
    if cfg!(target_os = "linux") {
        Ipv4Addr::new(127, 77, 0, 1)
    } else {
        Ipv4Addr::LOCALHOST
    }
}
