//! The gateway with all its layers before four fake services, and a client that decides every byte.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use datacovey_auth::{
    DevelopmentClaims, DevelopmentIssuer, InternalCaller, InternalVerifier, SigningKey, TrustedService,
};
use datacovey_error::Error;
use datacovey_gateway::{Config, Origins, SERVICE};
use datacovey_proto::identity::v1::UserRole;
use datacovey_proto::internal::identity::v1::{ResolvePrincipalRequest, ResolvePrincipalResponse};
use datacovey_server::{CallersConfig, Limits, Listeners, LogFormat, ServerConfig, TelemetryConfig, serve};
use datacovey_types::Scopes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::fake::{self, Fake};

pub(crate) const RESOLVE: &str = "/datacovey.internal.identity.v1.PrincipalService/ResolvePrincipal";
/// A method of one request and one answer.
pub(crate) const UNARY: &str = "/datacovey.query.v1.QueryJobService/WaitQueryJob";
/// A method that answers in a stream.
pub(crate) const ANSWERS: &str = "/datacovey.query.v1.QueryJobService/ReadResults";
/// A method that takes a stream.
pub(crate) const UPLOAD: &str = "/datacovey.transfer.v1.ImportService/Upload";

pub(crate) type Body = BoxBody<Bytes, Infallible>;

pub(crate) struct Suite {
    pub(crate) gateway: SocketAddr,
    pub(crate) identity: Fake,
    pub(crate) catalog: Fake,
    pub(crate) query: Fake,
    pub(crate) transfer: Fake,
    /// How often identity was asked who somebody is.
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) tenant_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) key: SigningKey,
    issuer: DevelopmentIssuer,
    client: Client<HttpConnector, Body>,
    _stop: tokio_util::sync::DropGuard,
}

impl Suite {
    pub(crate) async fn start() -> Self {
        Self::configured(&[], |_| {}).await
    }

    /// With these as further processes of the query service.
    pub(crate) async fn start_beside(queries: &[&Fake]) -> Self {
        Self::configured(queries, |_| {}).await
    }

    /// One that is configured otherwise.
    pub(crate) async fn configured(queries: &[&Fake], otherwise: impl FnOnce(&mut Config)) -> Self {
        let (identity, catalog, query, transfer) = (
            Fake::start().await,
            Fake::start().await,
            Fake::start().await,
            Fake::start().await,
        );
        let (tenant_id, user_id) = (Uuid::now_v7(), Uuid::now_v7());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        identity.answer(RESOLVE, move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                let request: ResolvePrincipalRequest = fake::read(request.into_body()).await;
                let known = format!("{:?}", request.subject).contains("known user");
                if !known {
                    let nobody = Error::credentials_invalid("nobody is known by that name");
                    return fake::refused(nobody.with("subject", "principal"));
                }
                fake::unary(&ResolvePrincipalResponse {
                    tenant_id: tenant_id.to_string(),
                    user_id: user_id.to_string(),
                    role: UserRole::DatasetEditor.into(),
                })
            })
        });
        let issuer = DevelopmentIssuer::with_key(SigningKey::generate().unwrap());
        let key = SigningKey::generate().unwrap();
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        let server = ServerConfig {
            service: SERVICE,
            listen: gateway,
            admin_listen: gateway,
            limits: Limits {
                drain_delay: Duration::ZERO,
                drain_grace: Duration::ZERO,
                ..Limits::default()
            },
            callers: CallersConfig {
                issuers: vec![issuer.issuer()],
                trusted_services: Vec::new(),
                key: Some(key.clone()),
            },
            telemetry: TelemetryConfig {
                log_format: LogFormat::Text,
                log: "error".to_owned(),
                otlp_endpoint: None,
            },
            peers: BTreeMap::from([
                ("identity", fake::urls([&identity])),
                ("catalog", fake::urls([&catalog])),
                ("query", fake::urls(queries.iter().copied().chain([&query]))),
                ("transfer", fake::urls([&transfer])),
            ]),
            tls: None,
            peer_tls: None,
        };
        let mut config = Config {
            server,
            cors_origins: Origins::default(),
            public_url: None,
        };
        otherwise(&mut config);
        let app = datacovey_gateway::app(&config).unwrap();
        let listeners = Listeners {
            grpc: listener,
            admin: None,
            tls: None,
        };
        let limits = config.server.limits;
        tokio::spawn(serve(SERVICE, app, limits, listeners, None, stop.clone()));
        Self {
            gateway,
            identity,
            catalog,
            query,
            transfer,
            asked,
            tenant_id,
            user_id,
            key,
            issuer,
            client: client(),
            _stop: stop.drop_guard(),
        }
    }

    /// A token that the gateway accepts, of this user and with these scopes.
    pub(crate) fn token(&self, subject: &str, scopes: &str) -> String {
        let (scopes, lifetime) = (Scopes::from(scopes), Duration::from_secs(60));
        self.issuer.mint(DevelopmentClaims {
            organization: "org",
            subject,
            scopes,
            lifetime,
        })
    }

    /// A gRPC request without credentials.
    pub(crate) fn anonymous(&self, path: &str) -> http::request::Builder {
        Request::post(format!("http://{}{path}", self.gateway))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
    }

    /// A gRPC request of the known user.
    pub(crate) fn request(&self, path: &str) -> http::request::Builder {
        let token = self.token("known user", "");
        self.anonymous(path)
            .header("authorization", format!("Bearer {token}"))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Incoming> {
        self.client.request(request).await.unwrap()
    }

    pub(crate) async fn call(&self, request: http::request::Builder) -> Reply {
        let response = self.send(request.body(one_message()).unwrap()).await;
        Reply::read(response).await
    }

    /// Reads an internal token as the service `audience` does.
    pub(crate) fn verify(&self, audience: &str, headers: &HeaderMap) -> InternalCaller {
        let gateway = TrustedService::new("gateway", &self.key.public_key(), None).unwrap();
        let authorization = headers["authorization"].to_str().unwrap();
        let token = authorization.strip_prefix("Bearer ").unwrap();
        InternalVerifier::new(audience, vec![gateway])
            .verify(token)
            .unwrap()
    }
}

/// What happens within half a minute, or never.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .expect("it happens soon")
}

/// A client with a connection of its own.
pub(crate) fn client() -> Client<HttpConnector, Body> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build(connector)
}

pub(crate) fn one_message() -> Body {
    Full::new(fake::frame_bytes(b"")).boxed()
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) head: http::response::Parts,
    pub(crate) body: Bytes,
    pub(crate) status: Status,
}

impl Reply {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let status = collected.trailers().and_then(Status::from_header_map);
        let status = status.or_else(|| Status::from_header_map(&head.headers));
        let status = status.unwrap_or_else(|| panic!("no status: {head:?}"));
        Self {
            head,
            body: collected.to_bytes(),
            status,
        }
    }

    pub(crate) fn expect(&self, code: Code, reason: &str) {
        let info = self
            .status
            .get_details_error_info()
            .unwrap_or_else(|| panic!("no ErrorInfo: {self:?}"));
        assert_eq!(
            (self.status.code(), info.reason.as_str(), info.domain.as_str()),
            (code, reason, "datacovey")
        );
    }
}
