//! Calls to processes that show certificates and want to see one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacovey_auth::SigningKey;
use datacovey_error::Violations;
use datacovey_server::{Balanced, ClientTls, ServerArgs, Service};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;
use tonic::Code;

use crate::fixture::soon;
use crate::node::{Does, Names, Node, WRITE, call};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// Shows a certificate of the name, and wants to see one of the same authority.
fn acceptor(authority: &Authority, name: &str) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let (certificate, key) = issue(authority, name);
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// What a service is configured with that believes the authority and shows a certificate of it, or
/// none.
fn client_tls(authority: &Authority, folder: &Path, shows: bool) -> ClientTls {
    let file = |name: &str, content: String| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let text = |path: PathBuf| Some(path.display().to_string());
    let (certificate, key) = issue(authority, "gateway");
    let own = shows.then(|| {
        let certificate = file("tls.crt", certificate.pem());
        (certificate, file("tls.key", key.serialize_pem()))
    });
    let (certificate, key) = own.unzip();
    let trusted = SigningKey::generate().unwrap().public_key();
    let args = ServerArgs {
        trusted_services: Some(format!(r#"[{{"name": "gateway", "public_key": "{trusted}"}}]"#)),
        peer_ca_file: text(file("ca.crt", authority.pem())),
        peer_cert_file: certificate.and_then(text),
        peer_key_file: key.and_then(text),
        ..ServerArgs::default()
    };
    let service = Service {
        name: "gateway",
        port: 0,
        admin_port: 0,
        peers: &[],
    };
    let mut violations = Violations::new();
    let config = args.validate(service, &mut violations);
    config.and_then(|it| it.peer_tls).expect("the files are good")
}

#[tokio::test]
async fn a_peer_is_called_over_tls_if_each_believes_the_other() {
    let authority = authority();
    let folder = tempfile::tempdir().unwrap();
    let (own, none) = (
        client_tls(&authority, folder.path(), true),
        client_tls(&authority, folder.path(), false),
    );
    let right = Node::start_over(Does::Answer, Some(acceptor(&authority, "identity"))).await;
    let wrong = Node::start_over(Does::Answer, Some(acceptor(&authority, "catalog"))).await;
    let urls = "https://identity:50051".parse().unwrap();
    for (node, tls, reached) in [
        (&right, Some(&own), true),
        (&right, Some(&none), false),
        (&right, None, false),
        (&wrong, Some(&own), false),
    ] {
        let before = node.calls();
        let client = Balanced::with_resolver("identity", &urls, tls.cloned(), Names::of(&[node]));
        let outcome = soon(call(&client, WRITE, "call")).await;
        match outcome {
            Ok(_) => assert!(reached, "{tls:?}"),
            Err(status) => {
                assert!(!reached, "{tls:?}: {status:?}");
                assert_eq!(status.code(), Code::Unavailable);
            }
        }
        assert_eq!(node.calls() - before, usize::from(reached));
    }
}
