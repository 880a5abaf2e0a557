//! Two organizations in a project, their files, and the service between them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Float64Array, RecordBatch, StringArray};
use datacovey_auth::{InternalSigner, SigningKey, TrustedService};
use datacovey_persistence::PoolOptions;
use datacovey_proto::catalog::v1 as policy_pb;
use datacovey_proto::internal::transfer::v1::TableFile;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_proto::query::v1::budget_service_client::BudgetServiceClient;
use datacovey_proto::query::v1::query_job_service_client::QueryJobServiceClient;
use datacovey_proto::query::v1::query_service_client::QueryServiceClient;
use datacovey_query::{Config, EngineConfig, RunLimits, SERVICE, open};
use datacovey_server::{
    CallersConfig, Limits, Listeners, LogFormat, Peer, ServerConfig, TelemetryConfig, serve,
};
use datacovey_storage::{ObjectPath, Store};
use datacovey_testing::{Sql, Tenant, TestDatabase};
use datacovey_types::Ctx;
use parquet::arrow::ArrowWriter;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clients::Caller;
use crate::peers::{self, Table, World};

/// Units that the alliance's policy asks for.
pub(crate) const MIN_UNITS: i64 = 5;
/// Planes of the registry; the first 60 of them fly for the alliance.
pub(crate) const PLANES: usize = 20_000;

pub(crate) struct Bench {
    pub registry: Tenant,
    pub alliance: Tenant,
    pub stranger: Tenant,
    pub world: World,
    pub sql: Sql,
    gateway: Peer,
    stop: CancellationToken,
    served: Option<JoinHandle<()>>,
    // Dropped after the service.
    folder: tempfile::TempDir,
    _database: TestDatabase,
}

impl Bench {
    /// The alliance owns `alliance.flights`, under a policy; the registry asks, and owns
    /// `registry.planes`, unique by tail number.
    pub(crate) async fn new() -> Self {
        Self::with_open_jobs(100).await
    }

    pub(crate) async fn with_open_jobs(open_per_tenant: u32) -> Self {
        let database = TestDatabase::new().await;
        let sql = database.sql().await;
        let registry = sql.tenant("Registry").await;
        let alliance = sql.tenant("Alliance").await;
        let stranger = sql.tenant("Stranger").await;
        let project_id = sql.project(registry.id, "Fleet").await;
        sql.participant(project_id, alliance.id).await;

        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("store");
        let store = Store::open(location.to_str().unwrap()).unwrap();
        let tables = vec![
            flights(&sql, &store, alliance, registry, project_id).await,
            planes(&sql, &store, registry, project_id).await,
        ];
        let world = World {
            project_id,
            participants: vec![registry.id, alliance.id],
            tables: Arc::new(std::sync::Mutex::new(tables)),
        };

        let key = SigningKey::generate().unwrap();
        let trusted = TrustedService::new("query", &key.public_key(), None).unwrap();
        let (catalog, transfer) = peers::serve(&world, &trusted).await;
        let gateway_key = SigningKey::generate().unwrap();
        let config = Config {
            server: ServerConfig {
                service: SERVICE,
                listen: ([127, 0, 0, 1], 0).into(),
                admin_listen: ([127, 0, 0, 1], 0).into(),
                limits: Limits {
                    drain_delay: Duration::ZERO,
                    drain_grace: Duration::from_secs(1),
                    ..Limits::default()
                },
                callers: CallersConfig {
                    issuers: Vec::new(),
                    trusted_services: vec![
                        TrustedService::new("gateway", &gateway_key.public_key(), None).unwrap(),
                    ],
                    key: Some(key),
                },
                telemetry: TelemetryConfig {
                    log_format: LogFormat::Text,
                    log: "warn".to_owned(),
                    otlp_endpoint: None,
                },
                peers: [
                    ("catalog", format!("http://{catalog}").parse().unwrap()),
                    ("transfer", format!("http://{transfer}").parse().unwrap()),
                    // Nobody signs in here, and jobs know their creator.
                    ("identity", "http://127.0.0.1:9".parse().unwrap()),
                ]
                .into(),
                tls: None,
                peer_tls: None,
            },
            database_url: database.url().to_owned(),
            pool: PoolOptions::default(),
            store: location.to_str().unwrap().to_owned(),
            engine: EngineConfig {
                concurrency: NonZeroUsize::new(2).unwrap(),
                threads: NonZeroUsize::new(2).unwrap(),
                memory_bytes: 512 << 20,
                spill_bytes: 1 << 30,
                spill_folder: folder.path().join("spill"),
            },
            runs: RunLimits {
                time: Duration::from_secs(300),
                result_bytes: 256 << 20,
                result_lifetime: Duration::from_secs(3600),
                running_per_tenant: 2,
                open_per_tenant,
            },
        };
        let app = open(&config).await.unwrap();
        let listener = TcpListener::bind(config.server.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (limits, token) = (config.server.limits, stop.clone());
        let served = tokio::spawn(async move {
            let listeners = Listeners {
                grpc: listener,
                admin: None,
                tls: None,
            };
            serve(SERVICE, app, limits, listeners, None, token).await.unwrap();
        });
        let signer = InternalSigner::new("gateway", gateway_key);
        let gateway = Peer::new("query", format!("http://{address}").parse().unwrap(), signer);
        Self {
            registry,
            alliance,
            stranger,
            world,
            sql,
            gateway,
            stop,
            served: Some(served),
            folder,
            _database: database,
        }
    }

    pub(crate) fn client(&self, ctx: &Ctx) -> Caller {
        Caller {
            queries: QueryServiceClient::new(self.gateway.on_behalf_of(ctx)),
            jobs: QueryJobServiceClient::new(self.gateway.on_behalf_of(ctx)),
            budgets: BudgetServiceClient::new(self.gateway.on_behalf_of(ctx)),
            audit: AuditServiceClient::new(self.gateway.on_behalf_of(ctx)),
            project_id: self.world.project_id,
        }
    }

    /// The analyst.
    pub(crate) fn as_registry(&self) -> Caller {
        self.client(&self.registry.ctx())
    }

    /// The owner of the flights.
    pub(crate) fn as_alliance(&self) -> Caller {
        self.client(&self.alliance.ctx())
    }

    /// A tenant outside of the project.
    pub(crate) fn as_stranger(&self) -> Caller {
        self.client(&self.stranger.ctx())
    }

    /// Adds to the policy of the flights, as it is stored and as the catalog sends it: a new version.
    pub(crate) async fn add_to_policy(
        &self,
        part: &str,
        stored: serde_json::Value,
        sent: impl FnOnce(&mut policy_pb::Policy),
    ) {
        let flights = self.flights();
        let newest = format!(
            "SELECT policy FROM table_policy WHERE table_id = '{}' ORDER BY version DESC LIMIT 1",
            flights.id
        );
        let mut policy: serde_json::Value =
            serde_json::from_str(&self.sql.value(&newest).await.unwrap()).unwrap();
        policy[part] = stored;
        let version = self.sql.table_policy(self.alliance, flights.id, &policy).await;
        let mut tables = self.world.tables.lock().unwrap();
        sent(tables[0].policy.as_mut().unwrap());
        tables[0].policy_version = version.try_into().unwrap();
    }

    /// The alliance gives each tenant so many uses of its flights in a window.
    pub(crate) async fn allow_uses(&self, uses: i64, window: policy_pb::BudgetWindow) {
        let name = window
            .as_str_name()
            .trim_start_matches("BUDGET_WINDOW_")
            .to_lowercase();
        let stored = json!({ "uses": uses, "window": name });
        self.add_to_policy("access_budget", stored, |policy| {
            policy.access_budget = Some(policy_pb::AccessBudget {
                uses,
                window: window.into(),
            });
        })
        .await;
    }

    /// The alliance counts the uses of its flights under a scope.
    pub(crate) async fn scope_uses(&self, scope: &str) {
        self.add_to_policy("budget_scope", json!(scope), |policy| {
            policy.budget_scope = Some(scope.to_owned());
        })
        .await;
    }

    /// The alliance wants to approve each query over its flights.
    pub(crate) async fn ask_for_approvals(&self) {
        self.add_to_policy("approval", json!("approved"), |policy| {
            policy.approval = Some(policy_pb::Approval::Approved.into());
        })
        .await;
    }

    /// The table of the alliance, as the peers know it.
    pub(crate) fn flights(&self) -> Table {
        self.world.tables.lock().unwrap()[0].clone()
    }

    /// New rows of the flights, as far as anybody is told.
    pub(crate) fn renew_flights(&self) {
        self.world.tables.lock().unwrap()[0].content_version += 1;
    }

    /// A connection that carries no token.
    pub(crate) fn anonymous(&self) -> datacovey_server::Balanced {
        self.gateway.channel()
    }

    /// Stops the service and waits until it has left.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        self.served.take().unwrap().await.unwrap();
    }
}

impl Bench {
    /// Where the files of the tables are.
    pub(crate) fn store(&self) -> Store {
        Store::open(self.folder.path().join("store").to_str().unwrap()).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Two flights of each plane from each airport: EWR has 60 planes, JFK 20, LGA 3.
async fn flights(sql: &Sql, store: &Store, owner: Tenant, analyst: Tenant, project_id: Uuid) -> Table {
    let flown = |airport: &'static str, planes: usize| {
        (0..planes * 2).map(move |at| (tail(at / 2), airport, (at % 2) as f64 * 10.0))
    };
    let rows: Vec<_> = flown("EWR", 60)
        .chain(flown("JFK", 20))
        .chain(flown("LGA", 3))
        .collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "tailnum",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|it| &it.0))) as _,
            true,
        ),
        (
            "origin",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|it| it.1))) as _,
            true,
        ),
        (
            "delay",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|it| it.2))) as _,
            true,
        ),
    ])
    .unwrap();
    let schema = json!({
        "type": "object",
        "properties": {
            "tailnum": { "type": ["string", "null"], "x-identity": "tail_number" },
            "origin": { "type": ["string", "null"] },
            "delay": { "type": ["number", "null"] },
        },
    });
    let stored_policy = json!({
        "privacy_unit": "tailnum",
        "columns": {
            "tailnum": { "use": ["join"], "identity": "tail_number" },
            "origin": { "use": ["dimension"] },
            "delay": { "use": ["measure"] },
        },
        "threshold": { "min_units": MIN_UNITS },
        "analysts": [analyst.id],
    });
    let dataset = sql.dataset(owner.id, project_id, "alliance").await;
    let id = sql.table(owner.id, dataset, "flights", &schema).await;
    let policy_version = sql.table_policy(owner, id, &stored_policy).await;
    let column = |used: policy_pb::ColumnUse, identity: Option<&str>| policy_pb::ColumnPolicy {
        uses: vec![used.into()],
        identity: identity.map(ToOwned::to_owned),
        ..policy_pb::ColumnPolicy::default()
    };
    Table {
        id,
        dataset: "alliance",
        name: "flights",
        owner: owner.id,
        schema,
        policy: Some(policy_pb::Policy {
            privacy_unit: Some(policy_pb::PrivacyUnit {
                unit: Some(policy_pb::privacy_unit::Unit::Column("tailnum".to_owned())),
            }),
            columns: [
                (
                    "tailnum".to_owned(),
                    column(policy_pb::ColumnUse::Join, Some("tail_number")),
                ),
                ("origin".to_owned(), column(policy_pb::ColumnUse::Dimension, None)),
                ("delay".to_owned(), column(policy_pb::ColumnUse::Measure, None)),
            ]
            .into(),
            threshold: Some(policy_pb::Threshold {
                min_units: Some(MIN_UNITS),
                ..policy_pb::Threshold::default()
            }),
            analysts: vec![analyst.id.to_string()],
            ..policy_pb::Policy::default()
        }),
        policy_version: policy_version.try_into().unwrap(),
        content_version: 1,
        files: vec![write(store, "flights.parquet", &batch).await],
        unique: vec![],
        identity_columns: vec![],
    }
}

/// Two of three planes are Boeings, and the plane of every 30th number is a Cessna.
async fn planes(sql: &Sql, store: &Store, owner: Tenant, project_id: Uuid) -> Table {
    let maker = |at: usize| match at {
        _ if at.is_multiple_of(30) => "Cessna",
        _ if at.is_multiple_of(3) => "Airbus",
        _ => "Boeing",
    };
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "tailnum",
            Arc::new(StringArray::from_iter_values((0..PLANES).map(tail))) as _,
            true,
        ),
        (
            "maker",
            Arc::new(StringArray::from_iter_values((0..PLANES).map(maker))) as _,
            true,
        ),
    ])
    .unwrap();
    let schema = json!({
        "type": "object",
        "properties": {
            "tailnum": { "type": ["string", "null"], "x-identity": "tail_number" },
            "maker": { "type": ["string", "null"] },
        },
    });
    let dataset = sql.dataset(owner.id, project_id, "registry").await;
    let id = sql.table(owner.id, dataset, "planes", &schema).await;
    Table {
        id,
        dataset: "registry",
        name: "planes",
        owner: owner.id,
        schema,
        policy: None,
        policy_version: 0,
        content_version: 1,
        files: vec![write(store, "planes.parquet", &batch).await],
        unique: vec!["tailnum"],
        identity_columns: vec![],
    }
}

pub(crate) fn tail(at: usize) -> String {
    format!("N{at:05}")
}

pub(crate) async fn write(store: &Store, path: &str, batch: &RecordBatch) -> TableFile {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let size_bytes = bytes.len().try_into().unwrap();
    store.put(&ObjectPath::from(path), bytes.into()).await.unwrap();
    TableFile {
        path: path.to_owned(),
        rows: batch.num_rows() as i64,
        size_bytes,
        checksum: "0".repeat(64),
    }
}
