use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use futures::future::BoxFuture;
use http::Request;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::server::NamedService;
use tower::{Service, ServiceExt as _};

use crate::Authentication;
use crate::health::{Dependency, HealthCheck};

type Wrap = Box<dyn FnOnce(Router) -> Router + Send>;
pub(crate) type Worker = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

/// What a service is made of: its gRPC services, who may call them, what it depends on, and what
/// it does besides answering.
pub struct App {
    pub(crate) routes: Router,
    /// What stands between the connections and the layers.
    pub(crate) outside: Option<Wrap>,
    pub(crate) names: Vec<&'static str>,
    pub(crate) descriptors: &'static [u8],
    pub(crate) authentication: Arc<Authentication>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) workers: Vec<(&'static str, Worker)>,
    /// Whether the names are all that reflection lists, or whatever the descriptors hold.
    pub(crate) lists_own_services: bool,
}

impl App {
    #[must_use]
    pub fn new(authentication: Authentication) -> Self {
        Self {
            routes: Router::new().fallback(no_such_method),
            outside: None,
            names: Vec::new(),
            descriptors: datacovey_proto::DESCRIPTORS,
            authentication: Arc::new(authentication),
            dependencies: Vec::new(),
            workers: Vec::new(),
            lists_own_services: true,
        }
    }

    /// Adds a gRPC service; health and reflection tell of it.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<tonic::body::Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        let path = format!("/{}/{{*method}}", S::NAME);
        let service = service.map_request(|request: Request<Body>| request.map(tonic::body::Body::new));
        self.routes = self.routes.route_service(&path, service);
        self.names.push(S::NAME);
        self
    }

    /// Adds HTTP routes of another kind; their handlers are within the layers, too.
    #[must_use]
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Answers everything that is nobody else's, in place of UNIMPLEMENTED: what a proxy does.
    /// `names` are the gRPC services behind it, which health and reflection tell of, and
    /// `descriptors` the encoded descriptor set that reflection answers from.
    #[must_use]
    pub fn proxy<S>(mut self, proxy: S, names: &[&'static str], descriptors: &'static [u8]) -> Self
    where
        S: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.fallback_service(proxy);
        self.names.extend(names);
        self.descriptors = descriptors;
        self.lists_own_services = false;
        self
    }

    /// Wraps everything that answers, the layers included, so that what they answer passes here,
    /// too: for translating another protocol into gRPC and back. What is answered out there is logged
    /// and counted as any call is, and neither authenticated nor limited.
    #[must_use]
    pub fn outside(mut self, wrap: impl FnOnce(Router) -> Router + Send + 'static) -> Self {
        self.outside = Some(Box::new(wrap));
        self
    }

    /// Nothing serves while this check fails.
    #[must_use]
    pub fn depends_on(mut self, what: &'static str, check: HealthCheck) -> Self {
        self.dependencies.push(Dependency {
            what,
            of: None,
            check,
        });
        self
    }

    /// These gRPC services do not serve while this check fails.
    #[must_use]
    pub fn names_depend_on(mut self, names: &[&'static str], what: &'static str, check: HealthCheck) -> Self {
        self.dependencies.push(Dependency {
            what,
            of: Some(names.to_vec()),
            check,
        });
        self
    }

    /// Work that goes on beside the calls. It ends soon after its token is cancelled, and is
    /// ended when the time that a drain may take is over. Should it end before, the service leaves.
    #[must_use]
    pub fn worker<F, W>(mut self, name: &'static str, work: W) -> Self
    where
        W: FnOnce(CancellationToken) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.workers
            .push((name, Box::new(move |token| Box::pin(work(token)))));
        self
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

async fn no_such_method() -> http::Response<Body> {
    Status::unimplemented("").into_http()
}
