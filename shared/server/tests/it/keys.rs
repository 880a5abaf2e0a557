//! A service's key is replaced while it calls others: by the files, in the steps and with the restarts
//! that `k8s/README.md` says.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datacovey_auth::{InternalSigner, SigningKey};
use datacovey_error::Violations;
use datacovey_proto::query::v1::ListReleasesRequest;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_proto::query::v1::audit_service_server::AuditServiceServer;
use datacovey_server::{App, Authentication, Listeners, Peer, ServerArgs, ServerConfig, Service, serve};
use datacovey_types::{Ctx, Principal, Role, Scopes};
use serde_json::json;
use tokio::sync::RwLock;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;

use crate::fixture::{Audit, SERVICE, TENANT, USER, Users, call, limits, reason, soon};

const GATEWAY: Service = Service {
    name: "gateway",
    port: 0,
    admin_port: 0,
    peers: &["query"],
};

/// A process of the service that is called.
struct Callee {
    address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

/// A process of the service that calls: what it has read when it started.
struct Caller {
    number: u64,
    config: ServerConfig,
}

/// Two processes of each, and the folder of the operator. A process is taken out of service, by the lock
/// around it, before it leaves; `drain.rs` is about the rest.
struct Suite {
    folder: tempfile::TempDir,
    callees: [RwLock<Callee>; 2],
    callers: [RwLock<Caller>; 2],
    /// Calls that were answered, by who called whom.
    answered: [[AtomicU64; 2]; 2],
    number: AtomicU64,
}

impl Suite {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::from_file_or_new(&folder.path().join("gateway.pem")).unwrap();
        trust(&folder, &["gateway.pem"]);
        let callees = [callee(&folder).await, callee(&folder).await].map(RwLock::new);
        let callers = [0, 1].map(|number| RwLock::new(caller(&folder, number)));
        Self {
            folder,
            callees,
            callers,
            answered: Default::default(),
            number: AtomicU64::new(2),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn restart_callees(&self) {
        for slot in &self.callees {
            let next = callee(&self.folder).await;
            let left = std::mem::replace(&mut *slot.write().await, next);
            left.shutdown.cancel();
            soon(left.served).await.unwrap();
            self.calls_go_on().await;
        }
    }

    async fn restart_callers(&self) {
        for slot in &self.callers {
            let number = self.number.fetch_add(1, Ordering::SeqCst);
            *slot.write().await = caller(&self.folder, number);
            self.calls_go_on().await;
        }
    }

    /// Calls one from the other until the end of the test. No call may fail.
    async fn call_steadily(self: Arc<Self>, from: usize, to: usize) {
        let mut connected: Option<(u64, SocketAddr, Peer)> = None;
        loop {
            let (caller, callee) = (self.callers[from].read().await, self.callees[to].read().await);
            let peer = match &connected {
                Some((number, address, peer)) if (*number, *address) == (caller.number, callee.address) => {
                    peer
                }
                _ => {
                    let mut config = caller.config.clone();
                    config
                        .peers
                        .insert("query", format!("http://{}", callee.address).parse().unwrap());
                    let peer = config.peer("query").unwrap();
                    &connected.insert((caller.number, callee.address, peer)).2
                }
            };
            let mut client = AuditServiceClient::new(peer.on_behalf_of(&ctx()));
            client
                .list_releases(ListReleasesRequest::default())
                .await
                .unwrap();
            self.answered[from][to].fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Waits until each process has called each some more times.
    async fn calls_go_on(&self) {
        let counts = || self.answered.iter().flatten().map(|it| it.load(Ordering::SeqCst));
        let before: Vec<_> = counts().collect();
        soon(async {
            while !counts().zip(&before).all(|(now, before)| now >= before + 10) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn args(folder: &tempfile::TempDir) -> ServerArgs {
    let file = |name: &str| folder.path().join(name).display().to_string();
    ServerArgs {
        trusted_services: Some(format!("@{}", file("trusted-services.json"))),
        service_key_file: Some(file("gateway.pem")),
        query_url: Some("http://127.0.0.1:1".to_owned()),
        ..ServerArgs::default()
    }
}

fn config(folder: &tempfile::TempDir, service: Service) -> ServerConfig {
    let mut violations = Violations::new();
    let config = args(folder).validate(service, &mut violations);
    violations.check().unwrap();
    config.unwrap()
}

fn caller(folder: &tempfile::TempDir, number: u64) -> Caller {
    Caller {
        number,
        config: config(folder, GATEWAY),
    }
}

async fn callee(folder: &tempfile::TempDir) -> Callee {
    let config = config(folder, SERVICE);
    let oidc = config.oidc_verifier().unwrap();
    let authentication = Authentication::new(config.internal_verifier(), oidc, Arc::new(Users));
    let app = App::new(authentication).service(AuditServiceServer::new(Audit::default()));
    let free = "127.0.0.1:0".parse().unwrap();
    let listeners = Listeners::bind(free, free).await.unwrap();
    let address = listeners.grpc.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = serve(SERVICE, app, limits(), listeners, None, shutdown.clone());
    let served = tokio::spawn(async { serving.await.unwrap() });
    Callee {
        address,
        shutdown,
        served,
    }
}

/// Writes `trusted-services.json` as `k8s/secrets.sh` does: the public half of each key that there is.
fn trust(folder: &tempfile::TempDir, keys: &[&str]) {
    let public = |name: &&str| {
        let key = SigningKey::from_file(&folder.path().join(name)).unwrap();
        json!({"name": "gateway", "public_key": key.public_key()})
    };
    let trusted: Vec<_> = keys.iter().map(public).collect();
    fs::write(
        folder.path().join("trusted-services.json"),
        json!(trusted).to_string(),
    )
    .unwrap();
}

fn ctx() -> Ctx {
    Ctx::from_request(principal(), "request-1", None)
}

fn principal() -> Principal {
    Principal {
        tenant_id: TENANT,
        user_id: USER,
        role: Role::DatasetUser,
        scopes: Scopes::NONE,
    }
}

#[tokio::test]
async fn a_key_is_replaced_and_no_call_fails() {
    let suite = Arc::new(Suite::start().await);
    let mut calls = JoinSet::new();
    for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        calls.spawn(Arc::clone(&suite).call_steadily(from, to));
    }
    let old = SigningKey::from_file(&suite.file("gateway.pem")).unwrap();
    let replacing = async {
        suite.calls_go_on().await;
        // All learn the new key.
        let (key, next) = (suite.file("gateway.pem"), suite.file("gateway.next.pem"));
        SigningKey::from_file_or_new(&next).unwrap();
        trust(&suite.folder, &["gateway.pem", "gateway.next.pem"]);
        suite.restart_callees().await;
        // The service signs with it; processes with the old one and with the new one call at once.
        fs::rename(&key, suite.file("old.pem")).unwrap();
        fs::rename(&next, &key).unwrap();
        fs::rename(suite.file("old.pem"), &next).unwrap();
        trust(&suite.folder, &["gateway.pem", "gateway.next.pem"]);
        suite.restart_callers().await;
        // The old one is forgotten.
        fs::remove_file(&next).unwrap();
        trust(&suite.folder, &["gateway.pem"]);
        suite.restart_callees().await;
    };
    tokio::select! {
        () = replacing => {}
        Some(failed) = calls.join_next() => panic!("a call failed: {failed:?}"),
    }

    let token = InternalSigner::new("gateway", old).token("query", Some(&principal()), None);
    for callee in &suite.callees {
        let address = format!("http://{}", callee.read().await.address);
        let channel = Channel::from_shared(address).unwrap().connect_lazy();
        let status = AuditServiceClient::new(channel)
            .list_releases(call("", &token))
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "CREDENTIALS_INVALID")
        );
    }
}
