use std::io::{Cursor, Error};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;
use tower::ServiceExt as _;

use crate::admin;
use crate::app::{App, Worker};
use crate::config::Service;
use crate::health::Health;
use crate::layer::{
    Connection, FORGET_EVERY, MAX_PUBLIC_CALLS, Places, Shared, Tenants, within_layers, within_outside,
};
use crate::limits::Limits;
use crate::tls::ServerTls;

/// A connection on which nothing comes back for so long after a ping is dead.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// What one call may have in flight before somebody reads it.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The largest that the protocol allows.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// Headers larger than this, a large token included, are refused.
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// By when a connection must have said which protocol it speaks, and agreed on its encryption.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(10);
/// How every HTTP/2 connection begins (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Where a server listens; bound by the caller, so that it knows the ports.
#[derive(Debug)]
pub struct Listeners {
    pub grpc: TcpListener,
    /// Never speaks TLS: it is for probes and metrics, within the cluster.
    pub admin: Option<TcpListener>,
    /// Where there is one, `grpc` speaks nothing else.
    pub tls: Option<ServerTls>,
}

/// Why a server could not start, or ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the worker \"{0}\" has ended")]
    Worker(&'static str),
}

impl Listeners {
    /// Binds both addresses; without TLS.
    pub async fn bind(listen: SocketAddr, admin: SocketAddr) -> Result<Self, ServeError> {
        let bind = async |address| {
            TcpListener::bind(address)
                .await
                .map_err(|error| ServeError::Bind(address, error))
        };
        Ok(Self {
            grpc: bind(listen).await?,
            admin: Some(bind(admin).await?),
            tls: None,
        })
    }

    /// The ports that it came to be, for the log.
    pub(crate) fn addresses(&self) -> (Option<String>, Option<String>) {
        let address = |it: &TcpListener| it.local_addr().ok().map(|it| it.to_string());
        (address(&self.grpc), self.admin.as_ref().and_then(address))
    }
}

/// Serves until `shutdown`, and then leaves in order: says that it does not serve, waits for the
/// news to spread, accepts nothing more, and gives what runs a bounded time to end.
///
/// A worker that ends before it is told to is a fault: the server leaves as if it were told to, and
/// the error says why, so that whoever runs the process starts a new one.
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
    crate::metrics::describe();
    let whats = app.dependencies.iter().map(|it| it.what);
    let health = Health::new(service.name, &app.names, whats).await;
    let routes = with_health_and_reflection(&app, &health)?;
    let draining = CancellationToken::new();
    let shared = Arc::new(Shared {
        service: service.name,
        authentication: Arc::clone(&app.authentication),
        places: Arc::new(Places::new(service.name, &limits)),
        tenants: limits
            .tenant
            .limits_any()
            .then(|| Arc::new(Tenants::new(limits.tenant))),
        max_call: limits.max_call,
        leaving: draining.clone(),
    });
    let routes = within_layers(routes, &shared);
    let routes = match app.outside {
        Some(wrap) => within_outside(wrap(routes), &shared),
        None => routes,
    };

    let authentication = Arc::clone(&app.authentication);
    let mut beside = JoinSet::new();
    beside.spawn(async move { authentication.oidc().load_keys().await });
    if let Some(tenants) = shared.tenants.clone() {
        beside.spawn(async move {
            loop {
                tokio::time::sleep(FORGET_EVERY).await;
                tenants.forget();
            }
        });
    }
    if let Some(admin) = listeners.admin {
        let routes = admin::routes(health.clone(), metrics);
        // Answers until the very end: probes look while the server leaves.
        beside.spawn(async move {
            if let Err(error) = axum::serve(admin, routes).await {
                tracing::error!(%error, "the admin port is lost");
            }
        });
    }
    if let Some(tls) = listeners.tls.clone() {
        beside.spawn(tls.watch(service.name));
    }
    // Its own, so that leaving for a lost worker takes nobody else along.
    let leaving = shutdown.child_token();
    let watching = tokio::spawn(health.watch(app.dependencies, leaving.clone()));
    let stop_working = CancellationToken::new();
    let mut workers = start(app.workers, &stop_working);

    // As many as there are places, and more: one call too many is to be told so, and not to wait.
    let max_streams = 2 * (limits.max_concurrent_calls + limits.max_streams + MAX_PUBLIC_CALLS);
    let front = Front {
        service: service.name,
        routes,
        tls: listeners.tls,
        max_streams: u32::try_from(max_streams).unwrap_or(u32::MAX),
        draining,
    };
    let accepting = accept(listeners.grpc, front, &leaving, limits);
    let mut accepting = Box::pin(accepting);
    let mut lost = None;
    let connections = loop {
        tokio::select! {
            connections = &mut accepting => break connections,
            Some(Ok(worker)) = workers.join_next(), if !leaving.is_cancelled() => {
                tracing::error!(service = service.name, worker, "a worker has ended, so the service leaves");
                lost = Some(worker);
                leaving.cancel();
            }
        }
    };
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
    lost.map_or(Ok(()), |worker| Err(ServeError::Worker(worker)))
}

/// Starts the workers; each says its name when it ends, however it does.
fn start(workers: Vec<(&'static str, Worker)>, stop: &CancellationToken) -> JoinSet<&'static str> {
    let workers = workers.into_iter().map(|(name, work)| {
        let work = AssertUnwindSafe(work(stop.child_token())).catch_unwind();
        // What a panic said is logged where it happens.
        work.map(move |_| name)
    });
    workers.collect()
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

/// What every connection is served with.
#[derive(Clone)]
struct Front {
    service: &'static str,
    routes: Router,
    tls: Option<ServerTls>,
    max_streams: u32,
    draining: CancellationToken,
}

/// The connections that are left when a server accepts no more.
struct Connections {
    tasks: JoinSet<()>,
    draining: CancellationToken,
}

impl Connections {
    /// Asks every connection to take no more calls, and waits for those that run.
    async fn drain(mut self) {
        self.draining.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Accepts until the drain delay after `leaving`: whoever has not heard yet that we leave is still served.
async fn accept(
    listener: TcpListener,
    front: Front,
    leaving: &CancellationToken,
    limits: Limits,
) -> Connections {
    let service = front.service;
    let mut connections = Connections {
        tasks: JoinSet::new(),
        draining: front.draining.clone(),
    };
    let stop = async {
        leaving.cancelled().await;
        tracing::info!(service, "leaving");
        tokio::time::sleep(limits.drain_delay).await;
    };
    let mut stop = std::pin::pin!(stop);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    loop {
        tokio::select! {
            () = &mut stop => return connections,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        // Hung up on at once, it can try another process; in the queue it could only wait.
                        metrics::counter!("datacovey_connections_refused_total", "service" => service).increment(1);
                        tracing::debug!(service, "a connection was refused: there are too many");
                        continue;
                    };
                    connections.tasks.spawn(connection(stream, place, front.clone()));
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

async fn connection(stream: TcpStream, _place: OwnedSemaphorePermit, front: Front) {
    // Without it small replies wait for the other side's acknowledgement.
    let _ = stream.set_nodelay(true);
    let draining = front.draining;
    let begun = async {
        let Some(tls) = front.tls else {
            let (reader, writer) = stream.into_split();
            return begin(reader, writer).await.map(Either::Left);
        };
        let stream = tls.accept(stream, front.service).await?;
        let (reader, writer) = tokio::io::split(stream);
        begin(reader, writer).await.map(Either::Right)
    };
    let begun = tokio::time::timeout(FIRST_BYTES_WITHIN, begun);
    let Some(Ok(Ok(stream))) = draining.run_until_cancelled(begun).await else {
        return;
    };
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
        .max_concurrent_streams(front.max_streams)
        .max_header_list_size(MAX_HEADER_BYTES);
    builder.http1().timer(TokioTimer::new());
    let from = Connection::new();
    let routes = front.routes.map_request(move |mut request: http::Request<_>| {
        request.extensions_mut().insert(from.clone());
        request
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(cause = crate::reply::causes(error.as_ref()), "a connection ended");
    }
}

/// Reads what tells the protocols apart, and puts it back. hyper would wait for it for ever.
async fn begin<R, W>(mut reader: R, writer: W) -> Result<impl AsyncRead + AsyncWrite, Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite,
{
    let mut read = Vec::with_capacity(HTTP2_PREFACE.len());
    while read.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&read) {
        let left = HTTP2_PREFACE.len() - read.len();
        if (&mut reader).take(left as u64).read_buf(&mut read).await? == 0 {
            break;
        }
    }
    Ok(tokio::io::join(Cursor::new(read).chain(reader), writer))
}
