use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use crate::admin;
use crate::app::App;
use crate::config::{Limits, Service};
use crate::health::Health;
use crate::layer::{Shared, within_layers};

/// A connection on which nothing comes back for so long after a ping is dead.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// What one call may have in flight before somebody reads it.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The largest that the protocol allows.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// Headers larger than this, a large token included, are refused.
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// Where a server listens; bound by the caller, so that it knows the ports.
#[derive(Debug)]
pub struct Listeners {
    pub grpc: TcpListener,
    pub admin: Option<TcpListener>,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl Listeners {
    /// Binds both addresses.
    pub async fn bind(listen: SocketAddr, admin: SocketAddr) -> Result<Self, ServeError> {
        let bind = async |address| {
            TcpListener::bind(address)
                .await
                .map_err(|error| ServeError::Bind(address, error))
        };
        Ok(Self {
            grpc: bind(listen).await?,
            admin: Some(bind(admin).await?),
        })
    }
}

/// Serves until `shutdown`, and then leaves in order: says that it does not serve, waits for the
/// news to spread, accepts nothing more, and gives what runs a bounded time to end.
///
/// Nothing of it is global: any number of servers run in one process.
pub async fn serve(
    service: Service,
    app: App,
    limits: Limits,
    listeners: Listeners,
    metrics: Option<PrometheusHandle>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let health = Health::new(&app.names).await;
    let routes = with_health_and_reflection(&app, &health)?;
    let shared = Shared {
        service: service.name,
        authentication: Arc::clone(&app.authentication),
        calls: Arc::new(Semaphore::new(limits.max_concurrent_calls)),
        max_call: limits.max_call,
    };
    let routes = within_layers(routes, &shared);

    let authentication = Arc::clone(&app.authentication);
    let mut beside = JoinSet::new();
    beside.spawn(async move { authentication.oidc().load_keys().await });
    if let Some(admin) = listeners.admin {
        let routes = admin::routes(health.clone(), metrics);
        // Answers until the very end: probes look while the server leaves.
        beside.spawn(async move {
            if let Err(error) = axum::serve(admin, routes).await {
                tracing::error!(%error, "the admin port is lost");
            }
        });
    }
    let watching = tokio::spawn(health.watch(app.dependencies, shutdown.clone()));
    let stop_working = CancellationToken::new();
    let mut workers = JoinSet::new();
    for (_, work) in app.workers {
        workers.spawn(work(stop_working.child_token()));
    }

    let connections = accept(listeners.grpc, routes, &shutdown, limits, service.name).await;
    // The watcher has said that nothing serves before it ended.
    let _ = watching.await;
    stop_working.cancel();
    let ended = tokio::time::timeout(limits.drain_grace, async {
        connections.drain().await;
        while workers.join_next().await.is_some() {}
    });
    if ended.await.is_err() {
        tracing::warn!(
            service = service.name,
            "calls were still running at the end of the drain"
        );
    }
    Ok(())
}

fn with_health_and_reflection(app: &App, health: &Health) -> Result<Router, tonic_reflection::server::Error> {
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(app.descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        if !app.lists_own_services {
            return builder;
        }
        let builder = app
            .names
            .iter()
            .fold(builder, |builder, name| builder.with_service_name(*name));
        builder.with_service_name("grpc.health.v1.Health")
    };
    let health = HealthServer::new(HealthService::from_health_reporter(health.reporter()));
    let library = tonic::service::Routes::new(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .into_axum_router()
        .reset_fallback();
    Ok(app.routes.clone().merge(library))
}

/// The connections that are left when a server accepts no more.
struct Connections {
    tasks: JoinSet<()>,
    leave: CancellationToken,
}

impl Connections {
    /// Asks every connection to take no more calls, and waits for those that run.
    async fn drain(mut self) {
        self.leave.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Accepts until the drain delay after `shutdown`: whoever has not heard yet that we leave is still served.
async fn accept(
    listener: TcpListener,
    routes: Router,
    shutdown: &CancellationToken,
    limits: Limits,
    service: &'static str,
) -> Connections {
    let mut connections = Connections {
        tasks: JoinSet::new(),
        leave: CancellationToken::new(),
    };
    let stop = async {
        shutdown.cancelled().await;
        tracing::info!(service, "leaving");
        tokio::time::sleep(limits.drain_delay).await;
    };
    let mut stop = std::pin::pin!(stop);
    let max_streams = u32::try_from(limits.max_concurrent_calls).unwrap_or(u32::MAX);
    loop {
        tokio::select! {
            () = &mut stop => return connections,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let leave = connections.leave.clone();
                    connections.tasks.spawn(connection(stream, routes.clone(), max_streams, leave));
                }
                Err(error) => {
                    tracing::warn!(service, %error, "a connection could not be accepted");
                    // Out of file descriptors, most likely: trying at once would only spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.tasks.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, routes: Router, max_streams: u32, leave: CancellationToken) {
    // Without it small replies wait for the other side's acknowledgement.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        // Calls of all callers come over the same few connections of the gateway. What one call
        // does not read must not count against the others, so only its own window is small.
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(max_streams)
        .max_header_list_size(MAX_HEADER_BYTES);
    builder.http1().timer(TokioTimer::new());
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = leave.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(cause = crate::reply::causes(error.as_ref()), "a connection ended");
    }
}
