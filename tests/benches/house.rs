//! The suite under measurement: a process of its own, with a tenant and many tables.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use datacovey::client::Client;
use datacovey::data_dir::DataDir;
use datacovey::suite::{Settings, Suite};
use datacovey::token::{TokenRequest, issue};
use datacovey_proto::identity::v1::WhoAmIRequest;
use datacovey_types::{Role, Scopes};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::place::{Place, project};

/// The argument that makes this program the suite.
pub(crate) const SERVE: &str = "serve";

/// The folder of what is imported and exported by URI, beside the suite's own.
const FILES: &str = "files";

/// Tables of the one dataset.
pub(crate) const TABLES: usize = 100_000;

pub(crate) struct House {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) gateway: String,
    /// Where the catalog service listens.
    pub(crate) catalog: String,
    /// As the superuser of the private server.
    pub(crate) database: String,
    /// As the services log in.
    services: String,
    pub(crate) token: String,
    pub(crate) tenant_id: String,
    pub(crate) user_id: String,
    pub(crate) dataset_id: String,
    /// Some of the tables' ids.
    pub(crate) tables: Vec<String>,
}

/// Runs the suite in `folder` until its standard input ends.
pub(crate) async fn serve(folder: &str) {
    let data = DataDir::open(Path::new(folder)).unwrap();
    let files = Path::new(folder).with_file_name(FILES);
    std::fs::create_dir_all(&files).unwrap();
    let settings = Settings {
        allowed_prefixes: Some(format!(r#"{{"*": ["file://{}"]}}"#, files.display())),
        ..Settings::for_a_while()
    };
    let suite = Suite::start(&data, settings, None).await.unwrap();
    let catalog = suite.addresses()["catalog"];
    println!(
        "{} http://{catalog} {}",
        suite.gateway_url(),
        suite.database_url()
    );
    let mut end = String::new();
    BufReader::new(tokio::io::stdin())
        .read_line(&mut end)
        .await
        .unwrap();
    suite.stop().await;
}

impl House {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::Builder::new()
            // The account of a private server has to pass through, where we are root.
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
            .tempdir()
            .unwrap();
        let place = folder.path().join("data");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(SERVE)
            .arg(&place)
            .env_remove("DATACOVEY_DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next_line().await.unwrap().expect("the suite starts");
        let [gateway, catalog, services] = ready.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{ready}")
        };
        let database = superuser(&place);
        let token = token_of("Bench", &place, services).await;
        let client = Client::connect(gateway, &token).await.unwrap();
        let me = client
            .users()
            .who_am_i(WhoAmIRequest {})
            .await
            .unwrap()
            .into_inner();
        let (tenant_id, user_id) = (me.tenant.unwrap().id, me.user.unwrap().id);
        let project_id = project(&client, "Bench").await;
        let dataset_id = Place::within(client, project_id, "bench").await.dataset_id;
        let tables = make_tables(&database, &tenant_id, &dataset_id).await;
        Self {
            child,
            folder,
            gateway: gateway.to_owned(),
            catalog: catalog.to_owned(),
            database,
            services: services.to_owned(),
            token,
            tenant_id,
            user_id,
            dataset_id,
            tables,
        }
    }

    /// A folder for what a benchmark writes.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// What may be imported from and exported to by URI.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join(FILES)
    }

    /// One of [`Self::files`], as jobs name it.
    pub(crate) fn file_uri(&self, file: &str) -> String {
        format!("file://{}", self.files().join(file).display())
    }

    /// A token of an admin of this tenant, which is made if there is none.
    pub(crate) async fn token_of(&self, tenant: &str) -> String {
        token_of(tenant, &self.folder.path().join("data"), &self.services).await
    }

    /// Memory of the suite's process that is resident, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that was resident since [`Self::forget_peak`], in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        // What Linux takes it by (proc_pid_clear_refs(5)).
        std::fs::write(self.proc("clear_refs"), "5").unwrap();
    }

    fn memory(&self, which: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find(|it| it.starts_with(which)).unwrap();
        let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes * 1024
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id().unwrap())
    }

    pub(crate) async fn close(mut self) {
        let mut stdin = self.child.stdin.take().unwrap();
        stdin.write_all(b"\n").await.unwrap();
        drop(stdin);
        self.child.wait().await.unwrap();
    }
}

async fn token_of(tenant: &str, place: &Path, services: &str) -> String {
    let request = TokenRequest {
        tenant: tenant.to_owned(),
        role: Role::OrgAdmin,
        email: None,
        scopes: Scopes::NONE,
        lifetime: Duration::from_secs(24 * 3600),
    };
    issue(&DataDir::open(place).unwrap(), services, request)
        .await
        .unwrap()
}

/// The data directory tells it first to whoever owns the directory.
fn superuser(place: &Path) -> String {
    let urls = std::fs::read_to_string(place.join("database-url")).unwrap();
    urls.lines().next().unwrap().to_owned()
}

/// Too many for the API in a benchmark's time: written as they would stand there.
async fn make_tables(database: &str, tenant_id: &str, dataset_id: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let schema =
        r#"{"type": "object", "properties": {"id": {"type": "string"}, "value": {"type": "number"}}}"#;
    let insert = format!(
        "SET session_replication_role = replica;
         INSERT INTO \"table\" (id, tenant_id, dataset_id, name, schema)
         SELECT md5(n::text)::uuid, '{tenant_id}', '{dataset_id}', 'table_' || n, '{schema}'
         FROM generate_series(1, {TABLES}) AS n;
         SET session_replication_role = origin;
         VACUUM ANALYZE \"table\""
    );
    for statement in insert.split(';') {
        client.batch_execute(statement).await.unwrap();
    }
    let some = "SELECT id::text FROM \"table\" ORDER BY id LIMIT 1000";
    let ids = client.query(some, &[]).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    ids.into_iter().map(|row| row.get(0)).collect()
}
