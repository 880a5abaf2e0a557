//! A server with certificates, and URLs that say how much of them has to be right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use datacovey_persistence::{
    Database, DbRole, Listener, LocalServer, LocalServerOptions, Notice, PoolOptions, check_url, migrate,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_postgres::{Client, NoTls};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server of its own, since others' tests would see its settings.
struct Encrypting {
    server: LocalServer,
    admin: Client,
    folder: tempfile::TempDir,
}

impl Encrypting {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = LocalServerOptions {
            durable: false,
            temporary: true,
            ..LocalServerOptions::new(folder.path())
        };
        let server = LocalServer::start(options).await.unwrap();
        migrate(&server.url("postgres")).await.unwrap();
        let (admin, connection) = tokio_postgres::connect(&server.url("postgres"), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self {
            server,
            admin,
            folder,
        }
    }

    /// Writes a file into the server's folder as the server's user, whose alone a key has to be.
    async fn put(&self, name: &str, content: &str) {
        let copy = format!(
            "COPY (SELECT line FROM string_to_table('{}', E'\\n') line) TO PROGRAM 'umask 077; cat > {name}'",
            content.trim_end()
        );
        self.admin.batch_execute(&copy).await.unwrap();
    }

    /// Shows this certificate to new connections.
    async fn show(&self, (certificate, key): &(String, String)) {
        self.put("server.crt", certificate).await;
        self.put("server.key", key).await;
        self.set("ssl", "on").await;
    }

    async fn set(&self, name: &str, value: &str) {
        let set = format!("ALTER SYSTEM SET {name} = '{value}'");
        self.admin.batch_execute(&set).await.unwrap();
        self.reload().await;
    }

    async fn reload(&self) {
        let since = "SELECT pg_conf_load_time()::text";
        let before: String = self.admin.query_one(since, &[]).await.unwrap().get(0);
        self.admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let reloaded = async {
            loop {
                let now: String = self.admin.query_one(since, &[]).await.unwrap().get(0);
                if now != before {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reloaded)
            .await
            .unwrap();
    }

    /// A file of ours.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn url(&self, host: &str, query: &str) -> String {
        let url = self.server.url("postgres").replace("127.0.0.1", host);
        assert!(url.contains(host) && !url.contains('?'), "{url}");
        format!("{url}?{query}")
    }

    /// Whether the connection of a pool is encrypted, or why there is none.
    async fn encrypts(&self, host: &str, query: &str) -> Result<bool, String> {
        let options = PoolOptions {
            max_connections: 1,
            ..PoolOptions::default()
        };
        let url = self.url(host, query);
        let opened = Database::open(&url, DbRole::Catalog, options).await;
        let database = opened.map_err(|it| it.to_string())?;
        database.ping().await.unwrap();
        let sessions = "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
                        WHERE a.application_name = 'datacovey_catalog' ORDER BY a.backend_start DESC LIMIT 1";
        Ok(self.admin.query_one(sessions, &[]).await.unwrap().get(0))
    }
}

fn verify_full(root: &Path) -> String {
    format!("sslmode=verify-full&sslrootcert={}", root.display())
}

fn has(refused: Result<bool, String>, says: &str) {
    let refused = refused.unwrap_err();
    assert!(refused.contains(says), "{refused}");
}

#[tokio::test]
async fn a_server_is_as_good_as_the_url_wants_it() {
    let it = Encrypting::start().await;
    assert_eq!(it.encrypts("localhost", "").await, Ok(false));
    assert_eq!(it.encrypts("localhost", "sslmode=prefer").await, Ok(false));
    has(
        it.encrypts("localhost", "sslmode=require").await,
        "does not offer TLS; turn it on there (ssl = on), or allow sslmode=prefer",
    );

    let authority = Authority::new();
    it.show(&authority.issue("localhost")).await;
    let right = it.file("right.crt", &authority.0.pem());
    let wrong = it.file("wrong.crt", &Authority::new().0.pem());
    for (query, encrypted) in [
        ("", true),
        ("sslmode=disable", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        (&verify_full(&right), true),
    ] {
        assert_eq!(it.encrypts("localhost", query).await, Ok(encrypted), "{query}");
    }
    let says = format!("is of no authority in sslrootcert={}", wrong.display());
    has(it.encrypts("localhost", &verify_full(&wrong)).await, &says);
    // As in libpq: whoever names an authority wants to know.
    let require = format!("sslmode=require&sslrootcert={}", wrong.display());
    has(it.encrypts("localhost", &require).await, &says);
    has(
        it.encrypts("localhost", "sslmode=verify-full&sslrootcert=system")
            .await,
        "is of no authority in sslrootcert=system",
    );

    has(
        it.encrypts("127.0.0.1", &verify_full(&right)).await,
        "is not for the host of the URL",
    );
    let verify_ca = format!("sslmode=verify-ca&sslrootcert={}", right.display());
    assert_eq!(it.encrypts("127.0.0.1", &verify_ca).await, Ok(true));
}

#[tokio::test]
async fn migrations_and_the_listener_encrypt_too() {
    let it = Encrypting::start().await;
    let authority = Authority::new();
    it.show(&authority.issue("localhost")).await;
    // From now on nobody gets in otherwise.
    it.put("pg_hba.conf", "hostssl all all 127.0.0.1/32 password\n")
        .await;
    it.reload().await;
    has(it.encrypts("localhost", "sslmode=disable").await, "");
    let root = it.file("root.crt", &authority.0.pem());
    let url = it.url("localhost", &verify_full(&root));
    assert_eq!(migrate(&url).await.unwrap(), Vec::<String>::new());
    let listener = Listener::start(&url).unwrap();
    let mut notices = listener.subscribe();
    let notice = tokio::time::timeout(Duration::from_secs(30), notices.recv()).await;
    assert_eq!(
        notice.unwrap().unwrap(),
        Notice::Missed,
        "that it listens from now on"
    );
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate() {
    let it = Encrypting::start().await;
    let authority = Authority::new();
    it.show(&authority.issue("localhost")).await;
    it.put("clients.crt", &authority.0.pem()).await;
    it.set("ssl_ca_file", "clients.crt").await;
    it.put(
        "pg_hba.conf",
        "hostssl all all 127.0.0.1/32 password clientcert=verify-ca\n",
    )
    .await;
    it.reload().await;

    let (certificate, key) = authority.issue("catalog");
    let (certificate, key) = (it.file("own.crt", &certificate), it.file("own.key", &key));
    let root = verify_full(&it.file("root.crt", &authority.0.pem()));
    let own = format!(
        "{root}&sslcert={}&sslkey={}",
        certificate.display(),
        key.display()
    );
    assert_eq!(it.encrypts("localhost", &own).await, Ok(true));
    assert!(it.encrypts("localhost", &root).await.is_err());
    let (_, other) = authority.issue("catalog");
    it.file("own.key", &other);
    has(
        it.encrypts("localhost", &own).await,
        &format!("is not the key of the certificate in {}", certificate.display()),
    );
}

/// The authority is exchanged on both sides while a pool goes on.
#[tokio::test]
async fn new_files_are_for_new_connections() {
    let it = Encrypting::start().await;
    let authority = Authority::new();
    it.show(&authority.issue("localhost")).await;
    let root = it.file("root.crt", &authority.0.pem());
    let url = it.url("localhost", &verify_full(&root));
    let database = Database::open(&url, DbRole::Catalog, PoolOptions::default())
        .await
        .unwrap();
    let end_all =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datacovey_catalog'";
    let pings = async || {
        it.admin.batch_execute(end_all).await.unwrap();
        let again = async {
            // The first may be on a connection whose end has not been noticed.
            while database.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), again)
            .await
            .unwrap();
    };
    // A file that is half there keeps nobody from connecting.
    it.file("root.crt", "");
    pings().await;

    let newer = Authority::new();
    it.show(&newer.issue("localhost")).await;
    it.admin.batch_execute(end_all).await.unwrap();
    let away = async {
        while database.ping().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), away).await.unwrap();
    it.file("root.crt", &newer.0.pem());
    pings().await;
}

#[test]
fn files_of_a_url_have_to_be_there() {
    let missing = check_url("postgres://u@h/d?sslmode=verify-full&sslrootcert=/does/not/exist.crt");
    assert_eq!(
        missing.unwrap_err().to_string(),
        "the database URL cannot be followed: sslrootcert=/does/not/exist.crt: No such file or directory (os \
         error 2)"
    );
    assert!(check_url("postgres://u@h/d?sslmode=require").is_ok());
    assert!(check_url("no url").is_err());
}
