//! One suite for all tests, with everything on: gateway, services, PostgreSQL, object store.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use datacovey::client::Client;
use datacovey::data_dir::DataDir;
use datacovey::suite::{Settings, Suite};
use datacovey::token::{TokenRequest, issue};
use datacovey_types::{Role, Scopes};
use tonic::Status;
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub(crate) struct Shared {
    pub(crate) gateway: String,
    database: String,
    data: DataDir,
}

/// The suite. It runs on threads of its own, since every test has a runtime that ends with it; its
/// database ends with the process.
pub(crate) fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (told, started) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suite");
                let _ = std::fs::remove_dir_all(&folder);
                let data = DataDir::open(&folder).unwrap();
                let mut suite = Suite::start(&data, Settings::for_a_while(), None).await.unwrap();
                let shared = Shared {
                    gateway: suite.gateway_url(),
                    database: suite.database_url().to_owned(),
                    data,
                };
                told.send(shared).unwrap();
                panic!("{:?}", suite.failed().await);
            });
        });
        started
            .recv_timeout(Duration::from_secs(120))
            .expect("the suite starts")
    })
}

/// A new tenant's admin; tests do not see each other's tenants.
pub(crate) async fn someone(name: &str) -> Client {
    user(
        &format!("{name} {}", Uuid::now_v7()),
        Role::OrgAdmin,
        Scopes::NONE,
    )
    .await
}

pub(crate) async fn user(tenant: &str, role: Role, scopes: Scopes) -> Client {
    Client::connect(&shared().gateway, &token(tenant, role, scopes).await)
        .await
        .unwrap()
}

pub(crate) async fn token(tenant: &str, role: Role, scopes: Scopes) -> String {
    let suite = shared();
    let lifetime = Duration::from_secs(3600);
    let request = TokenRequest {
        tenant: tenant.to_owned(),
        role,
        email: None,
        scopes,
        lifetime,
    };
    issue(&suite.data, &suite.database, request).await.unwrap()
}

/// The reason of an error, as programs read it.
pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map_or_else(|| format!("no reason: {status:?}"), |it| it.reason.clone())
}

/// The fields that an error names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|it| it.field_violations.clone())
        .unwrap_or_default();
    violations.into_iter().map(|it| it.field).collect()
}
