//! All services in one process, each on a port of its own: the same code as five deployments.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use datacovey_auth::TrustedService;
use datacovey_error::Error;
use datacovey_gateway::Origins;
use datacovey_persistence::PoolOptions;
use datacovey_server::{
    App, CallersConfig, Limits, Listeners, LogFormat, PeerUrls, ServerConfig, Service, Telemetry,
    TelemetryConfig, serve,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::client::Client;
use crate::data_dir::{DataDir, Lock};
use crate::database::Database;

/// Connections of each service; five services share one server's hundred.
const CONNECTIONS: usize = 8;
/// How long a suite may take to answer before it is given up.
const START: Duration = Duration::from_secs(60);

/// What may differ between two suites on one machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// Where metrics and probes answer, if anywhere.
    pub admin_listen: Option<SocketAddr>,
    /// How long running calls and jobs may go on after a stop.
    pub grace: Duration,
    /// A server to use instead of a private one.
    pub database_url: Option<String>,
    /// Whether the private server's data go when it stops.
    pub temporary: bool,
    /// Whose pages may call from a browser.
    pub cors_origins: Origins,
    /// What may be imported from and exported to by URI: JSON, or @ and the file that holds it.
    pub allowed_prefixes: Option<String>,
}

impl Settings {
    /// For who brings a client along and leaves nothing behind: any port, no probes.
    #[must_use]
    pub fn for_a_while() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            admin_listen: None,
            grace: Duration::from_secs(5),
            database_url: std::env::var("DATACOVEY_DATABASE_URL").ok(),
            temporary: true,
            cors_origins: Origins::default(),
            allowed_prefixes: None,
        }
    }
}

/// A running suite.
#[derive(Debug)]
pub struct Suite {
    gateway: SocketAddr,
    addresses: BTreeMap<&'static str, SocketAddr>,
    outside: Running,
    inside: Running,
    database: Database,
    _lock: Lock,
}

/// Services that stop together.
#[derive(Debug, Default)]
struct Running {
    stop: CancellationToken,
    services: JoinSet<(&'static str, Result<(), datacovey_server::ServeError>)>,
}

impl Suite {
    /// Starts the database and every service; returns when all of them answer that they serve.
    pub async fn start(
        data: &DataDir,
        settings: Settings,
        telemetry: Option<&Telemetry>,
    ) -> anyhow::Result<Self> {
        // The configurations of all services are held on the way.
        Box::pin(Self::start_all(data, settings, telemetry)).await
    }

    async fn start_all(
        data: &DataDir,
        settings: Settings,
        telemetry: Option<&Telemetry>,
    ) -> anyhow::Result<Self> {
        let lock = data.lock()?;
        let mut database =
            Database::start(data, settings.database_url.as_deref(), settings.temporary).await?;
        database.migrate().await?;

        let mut wiring = Wiring::bind(data, &settings).await?;
        let mut inside = Running::default();
        let metrics = || telemetry.map(Telemetry::metrics);
        let url = database.url();

        let identity = wiring.server(datacovey_identity::SERVICE)?;
        let config = datacovey_identity::Config {
            server: identity.clone(),
            database_url: url.to_owned(),
            pool: pool(),
        };
        inside.serve(
            identity,
            datacovey_identity::open(&config).await?,
            wiring.take("identity", None)?,
            metrics(),
        );

        let catalog = wiring.server(datacovey_catalog::SERVICE)?;
        let config = datacovey_catalog::Config {
            server: catalog.clone(),
            database_url: url.to_owned(),
            pool: pool(),
        };
        inside.serve(
            catalog,
            datacovey_catalog::open(&config).await?,
            wiring.take("catalog", None)?,
            metrics(),
        );

        let objects = data.objects().to_string_lossy().into_owned();
        let transfer = wiring.server(datacovey_transfer::SERVICE)?;
        let arguments = datacovey_transfer::Args {
            database_url: Some(url.to_owned()),
            database_connections: Some(CONNECTIONS.to_string()),
            store_url: Some(objects.clone()),
            secret_key_file: Some(data.secret_key_file()?),
            spill_folder: Some(data.sorting()),
            allowed_prefixes: settings.allowed_prefixes,
            ..Default::default()
        };
        let config = arguments.with_server(transfer.clone()).map_err(Error::invalid)?;
        inside.serve(
            transfer,
            datacovey_transfer::open(&config).await?,
            wiring.take("transfer", None)?,
            metrics(),
        );

        let query = wiring.server(datacovey_query::SERVICE)?;
        let arguments = datacovey_query::Args {
            database_url: Some(url.to_owned()),
            database_connections: Some(CONNECTIONS.to_string()),
            store: Some(objects),
            spill_folder: Some(data.scratch()),
            ..Default::default()
        };
        let config = arguments.with_server(query.clone()).map_err(Error::invalid)?;
        inside.serve(
            query,
            datacovey_query::open(&config).await?,
            wiring.take("query", None)?,
            metrics(),
        );

        let mut outside = Running::default();
        let gateway = wiring.server(datacovey_gateway::SERVICE)?;
        let admin = match settings.admin_listen {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .with_context(|| format!("cannot listen on {address}"))?,
            ),
            None => None,
        };
        let config = datacovey_gateway::Config {
            server: gateway.clone(),
            cors_origins: settings.cors_origins,
            public_url: None,
        };
        let app = datacovey_gateway::app(&config)?;
        outside.serve(gateway, app, wiring.take("gateway", admin)?, metrics());

        let mut suite = Self {
            gateway: wiring.addresses["gateway"],
            addresses: wiring.addresses,
            outside,
            inside,
            database,
            _lock: lock,
        };
        if let Err(error) = suite.ready().await {
            suite.stop().await;
            return Err(error);
        }
        Ok(suite)
    }

    /// Where the gateway answers, as a URL.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// Where each service listens, by name.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<&'static str, SocketAddr> {
        &self.addresses
    }

    #[must_use]
    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// A client with a connection of its own.
    pub async fn client(&self, token: &str) -> anyhow::Result<Client> {
        Client::connect(&self.gateway_url(), token).await
    }

    /// Returns when a service has ended by itself, which none does in good health.
    pub async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            error = self.outside.failed() => error,
            error = self.inside.failed() => error,
        }
    }

    /// Drains from the outside in: first nobody new comes through the gateway, then the services
    /// finish what runs, then the database stops.
    pub async fn stop(self) {
        self.outside.stop().await;
        self.inside.stop().await;
        self.database.stop().await;
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let channel = Channel::from_shared(self.gateway_url())?.connect_lazy();
        let health = async move {
            let request = HealthCheckRequest {
                service: String::new(),
            };
            let mut states = HealthClient::new(channel).watch(request).await?.into_inner();
            while let Some(HealthCheckResponse { status }) = states.message().await? {
                if status == i32::from(ServingStatus::Serving) {
                    return anyhow::Ok(());
                }
            }
            bail!("the gateway stopped telling about its health")
        };
        tokio::select! {
            healthy = tokio::time::timeout(START, health) => {
                healthy.with_context(|| format!("the suite did not come up within {} s", START.as_secs()))?
            }
            error = self.failed() => Err(error),
        }
    }
}

impl Running {
    fn serve(
        &mut self,
        config: ServerConfig,
        app: App,
        listeners: Listeners,
        metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
    ) {
        let stop = self.stop.clone();
        self.services.spawn(async move {
            let name = config.service.name;
            (
                name,
                serve(config.service, app, config.limits, listeners, metrics, stop).await,
            )
        });
    }

    async fn failed(&mut self) -> anyhow::Error {
        match self.services.join_next().await {
            Some(Ok((name, Err(error)))) => anyhow::Error::new(error).context(format!("{name} has ended")),
            Some(Ok((name, Ok(())))) => anyhow::anyhow!("{name} has ended"),
            Some(Err(error)) => anyhow::Error::new(error).context("a service has ended"),
            None => anyhow::anyhow!("no service runs"),
        }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while self.services.join_next().await.is_some() {}
    }
}

/// Who listens where, and who trusts whom.
struct Wiring {
    listeners: BTreeMap<&'static str, TcpListener>,
    addresses: BTreeMap<&'static str, SocketAddr>,
    limits: Limits,
    data: DataDir,
    trusted: Vec<TrustedService>,
}

impl Wiring {
    /// Binds every port before anything starts, so that each service can be told of the others.
    async fn bind(data: &DataDir, settings: &Settings) -> anyhow::Result<Self> {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut listeners = BTreeMap::new();
        let mut trusted = Vec::new();
        for service in services() {
            let address = if service.name == "gateway" {
                settings.listen
            } else {
                local
            };
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("{} cannot listen on {address}", service.name))?;
            listeners.insert(service.name, listener);
            let key = data.signing_key(service.name)?;
            trusted.push(TrustedService::new(service.name, &key.public_key(), None)?);
        }
        let addresses = listeners
            .iter()
            .map(|(name, it)| it.local_addr().map(|address| (*name, address)))
            .collect::<Result<_, _>>()?;
        let limits = Limits {
            drain_delay: Duration::ZERO,
            drain_grace: settings.grace,
            ..Limits::default()
        };
        Ok(Self {
            listeners,
            addresses,
            limits,
            data: data.clone(),
            trusted,
        })
    }

    fn server(&self, service: Service) -> anyhow::Result<ServerConfig> {
        let peers = service.peers.iter().map(|name| {
            let urls = PeerUrls::from_str(&format!("http://{}", self.addresses[name]))?;
            anyhow::Ok((*name, urls))
        });
        Ok(ServerConfig {
            service,
            listen: self.addresses[service.name],
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            limits: self.limits,
            callers: CallersConfig {
                issuers: vec![self.data.issuer()?.issuer()],
                trusted_services: self.trusted.clone(),
                key: Some(self.data.signing_key(service.name)?),
            },
            telemetry: TelemetryConfig {
                log_format: LogFormat::Text,
                log: "info".to_owned(),
                otlp_endpoint: None,
            },
            peers: peers.collect::<Result<_, _>>()?,
            tls: None,
            peer_tls: None,
        })
    }

    fn take(&mut self, name: &'static str, admin: Option<TcpListener>) -> anyhow::Result<Listeners> {
        let grpc = self
            .listeners
            .remove(name)
            .with_context(|| format!("{name} is wired twice"))?;
        Ok(Listeners {
            grpc,
            admin,
            tls: None,
        })
    }
}

fn services() -> [Service; 5] {
    [
        datacovey_identity::SERVICE,
        datacovey_catalog::SERVICE,
        datacovey_query::SERVICE,
        datacovey_transfer::SERVICE,
        datacovey_gateway::SERVICE,
    ]
}

fn pool() -> PoolOptions {
    PoolOptions {
        max_connections: CONNECTIONS,
        ..PoolOptions::default()
    }
}
