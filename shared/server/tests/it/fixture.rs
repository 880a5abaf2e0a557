use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use datacovey_auth::{
    DevelopmentClaims, DevelopmentIssuer, ExternalCaller, InternalSigner, InternalVerifier, Issuer,
    OidcVerifier, SigningKey, TrustedService,
};
use datacovey_error::Error;
use datacovey_proto::internal::rows::v1::row_service_server::{RowService, RowServiceServer};
use datacovey_proto::internal::rows::v1::select_response::Part;
use datacovey_proto::internal::rows::v1::{
    DeleteRequest, DeleteResponse, InsertRequest, InsertResponse, RowBatch, SelectRequest, SelectResponse,
    UpdateRequest, UpdateResponse,
};
use datacovey_proto::query::v1::audit_service_server::{AuditService, AuditServiceServer};
use datacovey_proto::query::v1::{ListReleasesRequest, ListReleasesResponse};
use datacovey_server::{
    App, Authentication, HealthCheck, Limits, Listeners, PrincipalResolver, ServeError, ServerTls, Service,
    call_context, ctx, internal_caller, reply_stream, serve,
};
use datacovey_types::{Principal, Role, Scopes};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioExecutor;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) const TENANT: Uuid = Uuid::from_u128(7);
/// Of users whose name begins with "other".
pub(crate) const OTHER_TENANT: Uuid = Uuid::from_u128(9);
pub(crate) const USER: Uuid = Uuid::from_u128(8);

pub(crate) const SERVICE: Service = Service {
    name: "query",
    port: 0,
    admin_port: 0,
    peers: &[],
};

/// Does what the request's `filter` says.
#[derive(Default)]
pub(crate) struct Audit {
    hanging: Hanging,
}

/// How many calls hang in their handler.
#[derive(Clone)]
pub(crate) struct Hanging(watch::Sender<usize>);

impl Default for Hanging {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Hanging {
    pub(crate) async fn until(&self, count: usize) {
        self.0.subscribe().wait_for(|it| *it == count).await.unwrap();
    }

    async fn hang(&self) -> ! {
        self.0.send_modify(|it| *it += 1);
        let _gone = Gone(self.clone());
        std::future::pending::<()>().await;
        unreachable!("it is pending for ever")
    }
}

struct Gone(Hanging);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.0.send_modify(|it| *it -= 1);
    }
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn list_releases(
        &self,
        request: Request<ListReleasesRequest>,
    ) -> Result<Response<ListReleasesResponse>, Status> {
        let ctx = ctx(&request)?;
        let traceparent = request
            .metadata()
            .get("traceparent")
            .map(|it| it.to_str().unwrap().to_owned());
        match request.into_inner().filter.as_str() {
            "panic" => panic!("the secret of the handler"),
            "hang" => self.hanging.hang().await,
            "fault" => Err(Error::internal("the secret of the database").into()),
            "bare" => Err(Status::unknown("the secret of a library")),
            _ => {
                let left = ctx
                    .deadline
                    .map(|it| it.saturating_duration_since(std::time::Instant::now()));
                let seen = format!(
                    "{} {} {} {} {}s {}",
                    ctx.principal.user_id,
                    ctx.principal.role,
                    String::from(ctx.principal.scopes),
                    ctx.request_id,
                    left.map_or(0, |it| it.as_secs()),
                    traceparent.unwrap_or_default(),
                );
                Ok(Response::new(ListReleasesResponse {
                    releases: Vec::new(),
                    next_page_token: seen,
                }))
            }
        }
    }
}

/// Streams what the request's `relation` says.
#[derive(Default)]
pub(crate) struct Rows {
    /// Cancelled when a stream without end is given up.
    given_up: CancellationToken,
}

type Selected = Pin<Box<dyn Stream<Item = Result<SelectResponse, Status>> + Send>>;

#[tonic::async_trait]
impl RowService for Rows {
    type SelectStream = Selected;

    async fn select(&self, request: Request<SelectRequest>) -> Result<Response<Selected>, Status> {
        assert!(!call_context(&request).request_id.is_empty());
        internal_caller(&request)?;
        // Pending for once, so that the first message is on its way before the rest is looked at.
        let pause = stream::once(tokio::task::yield_now()).filter_map(|()| std::future::ready(None));
        let first = stream::iter([Ok(SelectResponse::default())]).chain(pause);
        let rest: BoxStream = match request.into_inner().relation.as_str() {
            "panic" => stream::poll_fn(|_| panic!("the secret of the stream")).boxed(),
            "endless" => stream::pending().boxed(),
            "flood" => {
                let guard = self.given_up.clone().drop_guard();
                let piece = SelectResponse {
                    part: Some(Part::Batch(RowBatch {
                        rows: vec![vec![7; 64 * 1024].into()],
                    })),
                };
                stream::repeat_with(move || {
                    let _held = &guard;
                    Ok(piece.clone())
                })
                .boxed()
            }
            "fault" => stream::iter([Err(Error::internal("the secret of the database"))]).boxed(),
            _ => stream::iter([Ok(SelectResponse::default())]).boxed(),
        };
        Ok(Response::new(reply_stream(first.chain(rest))))
    }

    async fn insert(&self, _: Request<InsertRequest>) -> Result<Response<InsertResponse>, Status> {
        Err(Error::not_implemented("Insert").into())
    }

    async fn update(&self, _: Request<UpdateRequest>) -> Result<Response<UpdateResponse>, Status> {
        Err(Error::not_implemented("Update").into())
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Err(Error::not_implemented("Delete").into())
    }
}

type BoxStream = stream::BoxStream<'static, Result<SelectResponse, Error>>;

/// Knows everybody but those whose name says otherwise.
pub(crate) struct Users;

impl PrincipalResolver for Users {
    fn resolve<'a>(
        &'a self,
        caller: &'a ExternalCaller,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Principal, Error>> {
        Box::pin(async {
            match caller.subject.as_str() {
                "hang" => std::future::pending().await,
                "panic" => panic!("the secret of the resolver"),
                "unknown" => Err(Error::credentials_invalid("nobody is known by that name")),
                name => Ok(Principal {
                    tenant_id: if name.starts_with("other") {
                        OTHER_TENANT
                    } else {
                        TENANT
                    },
                    user_id: USER,
                    role: Role::DatasetEditor,
                    // Not the resolver's to give.
                    scopes: Scopes {
                        platform: true,
                        backfill: true,
                    },
                }),
            }
        })
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) issuer: DevelopmentIssuer,
    pub(crate) gateway: InternalSigner,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<Result<(), ServeError>>,
    /// Cancelled when a flood of rows is given up.
    pub(crate) given_up: CancellationToken,
    pub(crate) hanging: Hanging,
}

/// Limits that no test runs into unless it means to.
pub(crate) fn limits() -> Limits {
    Limits {
        drain_delay: Duration::ZERO,
        drain_grace: Duration::from_secs(60),
        ..Limits::default()
    }
}

pub(crate) async fn start() -> Running {
    start_with(limits(), None).await
}

pub(crate) async fn start_with(limits: Limits, check: Option<HealthCheck>) -> Running {
    start_app(limits, None, |app| match check {
        Some(check) => app.depends_on("the database", check),
        None => app,
    })
    .await
}

/// A server of the app as `change` leaves it.
pub(crate) async fn start_app(
    limits: Limits,
    metrics: Option<PrometheusHandle>,
    change: impl FnOnce(App) -> App,
) -> Running {
    start_over(None, limits, metrics, change).await
}

pub(crate) async fn start_over(
    tls: Option<ServerTls>,
    limits: Limits,
    metrics: Option<PrometheusHandle>,
    change: impl FnOnce(App) -> App,
) -> Running {
    let gateway = InternalSigner::new("gateway", SigningKey::generate().unwrap());
    start_for(gateway, tls, limits, metrics, change).await
}

/// One of several that the same gateway calls.
pub(crate) async fn start_for(
    gateway: InternalSigner,
    tls: Option<ServerTls>,
    limits: Limits,
    metrics: Option<PrometheusHandle>,
    change: impl FnOnce(App) -> App,
) -> Running {
    let issuer = DevelopmentIssuer::with_key(SigningKey::generate().unwrap());
    let issuers = vec![issuer.issuer()];
    start_as((gateway, issuer, issuers), tls, limits, metrics, change).await
}

/// One for callers of these issuers; the first mints the tokens.
pub(crate) async fn start_behind(issuer: DevelopmentIssuer, issuers: Vec<Issuer>) -> Running {
    let gateway = InternalSigner::new("gateway", SigningKey::generate().unwrap());
    start_as((gateway, issuer, issuers), None, limits(), None, |app| app).await
}

async fn start_as(
    (gateway, issuer, issuers): (InternalSigner, DevelopmentIssuer, Vec<Issuer>),
    tls: Option<ServerTls>,
    limits: Limits,
    metrics: Option<PrometheusHandle>,
    change: impl FnOnce(App) -> App,
) -> Running {
    let audit = Audit::default();
    let hanging = audit.hanging.clone();
    let trusted = TrustedService::new("gateway", &gateway.public_key(), None).unwrap();
    let authentication = Authentication::new(
        InternalVerifier::new(SERVICE.name, vec![trusted]),
        OidcVerifier::new(issuers).unwrap(),
        Arc::new(Users),
    );
    let rows = Rows::default();
    let given_up = rows.given_up.clone();
    let app = App::new(authentication)
        .service(AuditServiceServer::new(audit).max_decoding_message_size(limits.max_message_bytes))
        .service(RowServiceServer::new(rows));
    let app = change(app);
    let free = "127.0.0.1:0".parse().unwrap();
    let mut listeners = Listeners::bind(free, free).await.unwrap();
    listeners.tls = tls;
    let address = listeners.grpc.local_addr().unwrap();
    let admin = listeners.admin.as_ref().unwrap().local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(SERVICE, app, limits, listeners, metrics, shutdown.clone()));
    Running {
        address,
        admin,
        issuer,
        gateway,
        shutdown,
        served,
        given_up,
        hanging,
    }
}

impl Running {
    pub(crate) fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect_lazy()
    }

    /// A bearer token of a user of that name.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.issuer.mint(DevelopmentClaims {
            organization: "org_1",
            subject,
            scopes: Scopes::from("backfill"),
            lifetime: Duration::from_secs(600),
        })
    }
}

/// Makes `subscriber` that of this thread, on which a test's server runs, too.
///
/// A second one that listens to nothing goes with it: of a subscriber that is the only one, tracing takes
/// it that every thread has it, and events that another test meets first would be off in this one.
pub(crate) fn subscribe(
    subscriber: impl tracing::Subscriber + Send + Sync + 'static,
) -> (tracing::Dispatch, tracing::subscriber::DefaultGuard) {
    let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    (second, tracing::subscriber::set_default(subscriber))
}

/// What happens within half a minute, or never.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .expect("it happens soon")
}

/// A plain request to a port that is no gRPC, and the reply as it comes.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    http1(address, request.as_bytes()).await
}

pub(crate) async fn http1(address: SocketAddr, request: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

/// A call of the audit service that does what `filter` says, with a token.
pub(crate) fn call(filter: &str, token: &str) -> Request<ListReleasesRequest> {
    let message = ListReleasesRequest {
        filter: filter.to_owned(),
        ..ListReleasesRequest::default()
    };
    with_token(message, token)
}

pub(crate) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub(crate) fn reason(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    status
        .get_details_error_info()
        .map(|it| it.reason)
        .unwrap_or_default()
}

/// Sends bytes as the body of a call, with a token of a user of that name unless the headers hold
/// another, and gives the status that comes back. The client of tonic would put things in order.
pub(crate) async fn send(running: &Running, path: &str, headers: &[(&str, &str)], body: Bytes) -> Status {
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let mut request = http::Request::post(format!("http://{}{path}", running.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", format!("Bearer {}", running.token("a")));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    if let Some(status) = Status::from_header_map(&parts.headers) {
        return status;
    }
    let body = body.collect().await.unwrap();
    Status::from_header_map(body.trailers().unwrap()).unwrap()
}

/// A message as gRPC frames it, or what only looks like one.
pub(crate) fn frame(flag: u8, length: u32, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(length);
    frame.put_slice(message);
    frame.freeze()
}

pub(crate) fn framed(message: &impl prost::Message) -> Bytes {
    let message = message.encode_to_vec();
    frame(0, u32::try_from(message.len()).unwrap(), &message)
}
