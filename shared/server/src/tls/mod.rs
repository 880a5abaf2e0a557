//! TLS of the connections that a server takes, and of those that it makes to its peers.
//!
//! Both are made of PEM files that may change while the process runs, as a cluster's secrets do:
//! new connections use the newest that are whole, those that are open go on as they are. The one
//! rule: files that cannot be used never replace files that could.

mod args;
mod files;
mod reload;

use std::sync::Arc;

use datacovey_error::{Violation, Violations};
use metrics::counter;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, Error, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::files::{Files, Material, Named};
use self::reload::Reloaded;

/// What gRPC speaks.
const HTTP2: &[u8] = b"h2";
/// What the gateway answers besides.
const HTTP1: &[u8] = b"http/1.1";

/// How a server speaks TLS to those who connect to it: 1.2 or later, with HTTP/2 or HTTP/1.1.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<Reloaded<ServerConfig>>);

/// How a service speaks TLS to its peers, whose addresses begin with https: 1.2 or later, with
/// HTTP/2. A peer's certificate has to be for the host of its address.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<Reloaded<ClientConfig>>);

impl ServerTls {
    fn open(files: Files, violations: &mut Violations) -> Option<Self> {
        Reloaded::open(files, server_config, violations).map(|it| Self(Arc::new(it)))
    }

    /// Takes a connection by the newest files.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        service: &'static str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.0.current());
        acceptor.accept(stream).await.inspect_err(|error| {
            counter!("datacovey_tls_handshake_failures_total", "service" => service).increment(1);
            tracing::debug!(service, %error, "a TLS handshake failed");
        })
    }

    /// Follows the files for as long as it is polled. [`crate::serve`] does this.
    pub(crate) async fn watch(self, service: &'static str) {
        self.0.watch(service, "server").await;
    }
}

impl ClientTls {
    fn open(files: Files, violations: &mut Violations) -> Option<Self> {
        Reloaded::open(files, client_config, violations).map(|it| Self(Arc::new(it)))
    }

    /// Makes one connection by the newest files; to be asked for anew for each.
    #[must_use]
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.0.current())
    }

    /// Follows the files for as long as it is polled, and tells of them in the metrics of `service`.
    /// [`crate::run`] does this.
    pub async fn watch(self, service: &'static str) {
        self.0.watch(service, "client").await;
    }
}

fn server_config(files: &Files, material: Material) -> Result<ServerConfig, Violation> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|it| files.unusable(&it))?;
    let builder = match material.roots {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|it| files.bad_ca(&it))?)
        }
        None => builder.with_no_client_auth(),
    };
    let Some((chain, key)) = material.identity else {
        return Err(files.unusable(&Error::NoCertificatesPresented));
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|it| files.unusable(&it))?;
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(config)
}

fn client_config(files: &Files, material: Material) -> Result<ClientConfig, Violation> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|it| files.unusable(&it))?
        .with_root_certificates(material.roots.unwrap_or_else(rustls::RootCertStore::empty));
    let mut config = match material.identity {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|it| files.unusable(&it))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}
