//! Who calls in a test: tokens of an issuer that only this test trusts, a service that serves with
//! all its layers, and channels that put a token on every call.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datacovey_auth::{
    DevelopmentClaims, DevelopmentIssuer, ExternalCaller, InternalSigner, InternalVerifier, Issuer,
    OidcVerifier, SigningKey, TrustedService,
};
use datacovey_error::Error;
use datacovey_server::{App, Authentication, Limits, Listeners, PrincipalResolver, Service, serve};
use datacovey_types::{Principal, Scopes};
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::codegen::InterceptedService;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// What a generated client is made of.
pub type CallerChannel = InterceptedService<Channel, Bearer>;

/// Puts a token on every call, or none.
#[derive(Clone, Debug)]
pub struct Bearer(Option<AsciiMetadataValue>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// The keys of a test: an issuer of bearer tokens, and a service that calls others.
#[derive(Debug)]
pub struct Callers {
    issuer: DevelopmentIssuer,
    service: InternalSigner,
}

impl Callers {
    /// Keys of nobody else's; `service` is the name of the one that calls, as `gateway`.
    #[must_use]
    pub fn new(service: &str) -> Self {
        let key = || SigningKey::generate().expect("random bytes");
        Self {
            issuer: DevelopmentIssuer::with_key(key()),
            service: InternalSigner::new(service, key()),
        }
    }

    /// What a configuration holds to trust the issuer.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.issuer.issuer()
    }

    /// A bearer token that says this for ten minutes; `scopes` as in `platform backfill`.
    #[must_use]
    pub fn token(&self, organization: &str, subject: &str, scopes: &str) -> String {
        let scopes = Scopes::from(scopes);
        self.issuer.mint(DevelopmentClaims {
            organization,
            subject,
            scopes,
            lifetime: Duration::from_secs(600),
        })
    }

    /// A token of the service for calls to `audience`, on behalf of a user or of itself.
    #[must_use]
    pub fn internal_token(&self, audience: &str, principal: Option<&Principal>) -> String {
        self.service.token(audience, principal, None).to_string()
    }

    /// Verifies both kinds of token, as the service `audience` does.
    #[must_use]
    pub fn verifiers(&self, audience: &str) -> (InternalVerifier, OidcVerifier) {
        let trusted =
            TrustedService::new(self.service.name(), &self.service.public_key(), None).expect("a key");
        let oidc = OidcVerifier::new(vec![self.issuer()]).expect("an issuer");
        (InternalVerifier::new(audience, vec![trusted]), oidc)
    }

    /// Lets in whom `users` knows, and the service.
    #[must_use]
    pub fn authentication(&self, audience: &str, users: KnownUsers) -> Authentication {
        let (internal, oidc) = self.verifiers(audience);
        Authentication::new(internal, oidc, Arc::new(users))
    }
}

/// Principals by the subject of their tokens, in place of the identity service.
#[derive(Clone, Debug, Default)]
pub struct KnownUsers(Arc<Mutex<HashMap<String, Principal>>>);

impl KnownUsers {
    pub fn insert(&self, subject: impl Into<String>, principal: Principal) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(subject.into(), principal);
    }
}

impl PrincipalResolver for KnownUsers {
    fn resolve<'a>(
        &'a self,
        caller: &'a ExternalCaller,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Principal, Error>> {
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&caller.subject)
            .cloned();
        let known = known.ok_or_else(|| Error::credentials_invalid("nobody is known by that name"));
        Box::pin(std::future::ready(known))
    }
}

/// A service that serves on a free port until it is dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    channel: Channel,
    _leave: DropGuard,
}

impl Served {
    pub async fn start(service: Service, app: App) -> Self {
        log_what_goes_wrong();
        let grpc = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = grpc.local_addr().expect("an address");
        let leave = CancellationToken::new();
        let limits = Limits {
            drain_delay: Duration::ZERO,
            drain_grace: Duration::ZERO,
            ..Limits::default()
        };
        let serving = serve(
            service,
            app,
            limits,
            Listeners {
                grpc,
                admin: None,
                tls: None,
            },
            None,
            leave.clone(),
        );
        tokio::spawn(serving);
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .expect("a URL")
            .connect_lazy();
        Self {
            address,
            channel,
            _leave: leave.drop_guard(),
        }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A channel of whoever holds the token; without one, of nobody.
    #[must_use]
    pub fn channel(&self, token: Option<&str>) -> CallerChannel {
        let token = token.map(|token| format!("Bearer {token}").parse().expect("a header"));
        InterceptedService::new(self.channel.clone(), Bearer(token))
    }
}

/// A test that fails shows the causes that its callers are not told.
fn log_what_goes_wrong() {
    let log = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::WARN);
    // Whoever came first has done the same, or has something else in mind.
    let _ = log.with_test_writer().try_init();
}
