//! Certificates: who is let in, who is believed, and files that change while all goes on.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use datacovey_error::Violations;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_server::{ClientTls, ServerArgs, ServerConfig, ServerTls};
use hyper_util::rt::TokioIo;
use metrics_exporter_prometheus::PrometheusBuilder;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::fixture::{Running, SERVICE, call, get, limits, soon, start_over};

/// Who makes certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What a secret of cert-manager holds: a certificate for a name, its key and the authority. The folder's
    /// files are links to those of a version, all of which are exchanged at once.
    fn issue(&self, folder: &Path, name: &str) -> Files {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        publish(
            folder,
            &[
                ("tls.crt", &certificate.pem()),
                ("tls.key", &key.serialize_pem()),
                ("ca.crt", &self.0.pem()),
            ],
        )
    }
}

fn publish(folder: &Path, files: &[(&str, &str)]) -> Files {
    let version = tempfile::tempdir_in(folder).unwrap().keep();
    for (name, content) in files {
        std::fs::write(version.join(name), content).unwrap();
        let link = folder.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    let next = folder.join("..next");
    symlink(&version, &next).unwrap();
    std::fs::rename(next, folder.join("..data")).unwrap();
    Files(folder.to_owned())
}

/// A folder as a secret is mounted.
struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> Option<String> {
        Some(self.0.join(name).display().to_string())
    }
}

fn configured(args: ServerArgs) -> ServerConfig {
    let args = ServerArgs {
        trusted_services: Some(format!(
            r#"[{{"name": "gateway", "public_key": "{}"}}]"#,
            datacovey_auth::SigningKey::generate().unwrap().public_key()
        )),
        ..args
    };
    let mut violations = Violations::new();
    let config = args.validate(SERVICE, &mut violations);
    config.unwrap_or_else(|| panic!("{violations:?}"))
}

/// `ca` has to be the authority of those who connect.
fn server_tls(own: &Files, ca: Option<&Files>) -> ServerTls {
    let config = configured(ServerArgs {
        tls_cert_file: own.path("tls.crt"),
        tls_key_file: own.path("tls.key"),
        tls_client_ca_file: ca.and_then(|it| it.path("ca.crt")),
        ..ServerArgs::default()
    });
    config.tls.unwrap()
}

fn client_tls(ca: &Files, own: Option<&Files>) -> ClientTls {
    let config = configured(ServerArgs {
        peer_ca_file: ca.path("ca.crt"),
        peer_cert_file: own.and_then(|it| it.path("tls.crt")),
        peer_key_file: own.and_then(|it| it.path("tls.key")),
        ..ServerArgs::default()
    });
    config.peer_tls.unwrap()
}

async fn start(tls: ServerTls) -> Running {
    start_over(Some(tls), limits(), None, |app| app).await
}

async fn connect(
    running: &Running,
    tls: &ClientTls,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(running.address).await?;
    let name = ServerName::try_from(name).unwrap();
    tls.connector().connect(name, stream).await
}

/// A connection for each channel, made by the newest files.
fn channel(running: &Running, tls: &ClientTls) -> Channel {
    let (address, tls) = (running.address, tls.clone());
    let connector = tower::service_fn(move |_| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let stream = tls.connector().connect(name, stream).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector)
}

async fn answers(running: &Running, channel: &Channel) -> bool {
    let request = call("", &running.token("a"));
    let mut client = AuditServiceClient::new(channel.clone());
    client.list_releases(request).await.is_ok()
}

#[tokio::test]
async fn calls_come_over_tls_and_no_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().issue(folder.path(), "localhost");
    let running = start(server_tls(&files, None)).await;
    let tls = client_tls(&files, None);
    assert!(answers(&running, &channel(&running, &tls)).await);
    assert!(!answers(&running, &running.channel()).await);

    // HTTP/1.1, which the gateway answers, too.
    let mut stream = {
        let mut roots = rustls::RootCertStore::empty();
        let ca = std::fs::read(files.0.join("ca.crt")).unwrap();
        use rustls::pki_types::pem::PemObject as _;
        roots
            .add(rustls::pki_types::CertificateDer::from_pem_slice(&ca).unwrap())
            .unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let stream = TcpStream::connect(running.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        connector.connect(name, stream).await.unwrap()
    };
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 "), "{reply}");

    // Probes do not speak it.
    assert!(get(running.admin, "/livez").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn whoever_connects_shows_a_certificate_of_the_right_authority() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [own, good, stranger] = folders.each_ref().map(|it| it.path());
    let authority = Authority::new();
    let own = authority.issue(own, "localhost");
    let good = authority.issue(good, "gateway");
    let stranger = Authority::new().issue(stranger, "gateway");
    let running = start(server_tls(&own, Some(&own))).await;

    for (shown, is_let_in) in [(Some(&good), true), (None, false), (Some(&stranger), false)] {
        let channel = channel(&running, &client_tls(&own, shown));
        assert_eq!(answers(&running, &channel).await, is_let_in);
    }
    let mut nobody = connect(&running, &client_tls(&own, None), "localhost")
        .await
        .unwrap();
    let why = nobody.read(&mut [0]).await.unwrap_err().to_string();
    assert!(why.contains("CertificateRequired"), "{why}");
}

#[tokio::test]
async fn a_server_is_believed_for_its_name_and_by_its_authority_alone() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [own, stranger] = folders.each_ref().map(|it| it.path());
    let own = Authority::new().issue(own, "localhost");
    let stranger = Authority::new().issue(stranger, "localhost");
    let running = start(server_tls(&own, None)).await;

    assert!(
        connect(&running, &client_tls(&own, None), "localhost")
            .await
            .is_ok()
    );
    let why = async |tls: &ClientTls, name| connect(&running, tls, name).await.unwrap_err().to_string();
    let wrong_name = why(&client_tls(&own, None), "identity").await;
    assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
    let wrong_authority = why(&client_tls(&stranger, None), "localhost").await;
    // The two have one name, so it is the signature that is wrong.
    assert!(wrong_authority.contains("BadSignature"), "{wrong_authority}");
}

/// Server and client move to another authority without a restart; who is connected stays so.
#[tokio::test]
async fn new_files_are_for_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().issue(folder.path(), "localhost");
    let running = start(server_tls(&files, Some(&files))).await;
    let tls = client_tls(&files, Some(&files));
    let _watching = Watching::of(tls.clone());
    let old = channel(&running, &tls);
    assert!(answers(&running, &old).await);
    let shown = async || {
        let stream = connect(&running, &tls, "localhost").await.ok()?;
        Some(stream.get_ref().1.peer_certificates()?[0].to_vec())
    };
    let before = shown().await.unwrap();

    Authority::new().issue(folder.path(), "localhost");
    soon(async {
        while shown().await.is_none_or(|it| it == before) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(answers(&running, &channel(&running, &tls)).await);
    assert!(answers(&running, &old).await, "over the connection it has");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_not() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let failures = |count| {
        let line =
            format!("datacovey_tls_reload_failures_total{{service=\"query\",side=\"server\"}} {count}\n");
        metrics.render().contains(&line)
    };
    let until = async |count| {
        soon(async {
            while !failures(count) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.issue(folder.path(), "localhost");
    let running = start(server_tls(&files, None)).await;
    let tls = client_tls(&files, None);
    until(0).await;
    let expires = "datacovey_tls_certificate_expires_seconds{service=\"query\",side=\"server\"} ";
    let rendered = metrics.render();
    let expires = rendered.split_once(expires).unwrap().1.lines().next().unwrap();
    // What rcgen says if it is not told: 4096-01-01.
    assert_eq!(expires.parse::<f64>().unwrap(), 67_090_118_400.0);

    let key = KeyPair::generate().unwrap().serialize_pem();
    publish(folder.path(), &[("tls.key", &key), ("tls.crt", "no certificate")]);
    until(1).await;
    assert!(answers(&running, &channel(&running, &tls)).await);
    // Each is a certificate and a key, but not of each other.
    let certificate = authority.0.pem();
    publish(folder.path(), &[("tls.key", &key), ("tls.crt", &certificate)]);
    until(2).await;
    assert!(answers(&running, &channel(&running, &tls)).await);

    let others = tempfile::tempdir().unwrap();
    let newer = Authority::new();
    let trusting = client_tls(&newer.issue(others.path(), "localhost"), None);
    newer.issue(folder.path(), "localhost");
    soon(async {
        while connect(&running, &trusting, "localhost").await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(failures(2), "these were good");
}

#[tokio::test]
async fn whoever_says_nothing_is_hung_up_on_and_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().issue(folder.path(), "localhost");
    let running = start(server_tls(&files, None)).await;
    let tls = client_tls(&files, None);
    let silent = TcpStream::connect(running.address).await.unwrap();
    let mut begun = TcpStream::connect(running.address).await.unwrap();
    // A record of a handshake of 512 bytes, and nothing of it.
    begun.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    let agreed = connect(&running, &tls, "localhost").await.unwrap();
    assert!(answers(&running, &channel(&running, &tls)).await);
    soon(ended(silent)).await;
    soon(ended(begun)).await;
    soon(ended(agreed)).await;
}

#[tokio::test]
async fn handshakes_do_not_keep_a_server_from_leaving() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().issue(folder.path(), "localhost");
    let mut running = start(server_tls(&files, None)).await;
    let tls = client_tls(&files, None);
    let silent = TcpStream::connect(running.address).await.unwrap();
    let open = channel(&running, &tls);
    assert!(answers(&running, &open).await);
    running.shutdown.cancel();
    soon(&mut running.served).await.unwrap().unwrap();
    soon(ended(silent)).await;
    assert!(!answers(&running, &open).await);
}

/// Reads until there is no more: a reset and an end are both one.
async fn ended(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut some = [0; 1024];
    while !matches!(stream.read(&mut some).await, Ok(0) | Err(_)) {}
}

/// Follows a client's files as a service does.
struct Watching(CancellationToken);

impl Watching {
    fn of(tls: ClientTls) -> Self {
        let stop = CancellationToken::new();
        let told = stop.clone();
        tokio::spawn(async move { told.run_until_cancelled(tls.watch("query")).await });
        Self(stop)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
