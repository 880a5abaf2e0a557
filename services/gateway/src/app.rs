use std::sync::{Arc, LazyLock};

use axum::middleware::{from_fn, from_fn_with_state};
use datacovey_auth::{InternalSigner, InternalVerifier};
use datacovey_error::{Error, Result};
use datacovey_proto::PUBLIC_DESCRIPTORS;
use datacovey_server::{App, Authentication, Balanced, Peer, RemotePrincipals, ServerConfig};

use crate::config::{Config, SERVICE};
use crate::flight::Flight;
use crate::proxy::Proxy;
use crate::rest::Rest;
use crate::routes::{BadDescriptors, RouteTable, UPSTREAMS};
use crate::services::Services;
use crate::{content, cors, health, rest, web};

static ROUTES: LazyLock<Result<RouteTable, BadDescriptors>> =
    LazyLock::new(|| RouteTable::from_descriptors(PUBLIC_DESCRIPTORS));

/// The gateway as it is configured: a proxy for all public services, of gRPC and gRPC-Web, the REST API, and
/// what translates between them and HTTP or Arrow Flight.
///
/// Fails if the configuration lacks a key or an address that [`SERVICE`] says are needed.
pub fn app(config: &Config) -> Result<App> {
    let cors = config.cors_origins.clone().layer();
    let edge = rest::Edge::new(config.cors_origins.clone().into());
    let public_url = config.public_url.clone();
    let config = &config.server;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let routes = ROUTES
        .as_ref()
        .map_err(|error| Error::internal(error.to_string()))?;
    let key = config
        .callers
        .key
        .clone()
        .ok_or_else(|| Error::internal("the gateway has no key"))?;
    let signer = InternalSigner::new(SERVICE.name, key);
    let upstreams = upstreams(config)?;

    let identity = upstreams
        .iter()
        .find(|upstream| upstream.peer() == "identity")
        .ok_or_else(|| Error::internal("identity is no upstream"))?;
    let principals = RemotePrincipals::new(Peer::over(identity.clone(), signer.clone()));
    let authentication = authentication(config, principals)?;
    let services = Services::new(&upstreams, &signer)?;
    let flight = Flight::new(services.clone(), config.limits.max_message_bytes);
    let proxy = Proxy::new(routes, &upstreams, signer);
    let rest = Rest::new(services.clone(), public_url.clone(), scheme);
    let names: Vec<_> = routes.services().map(|(name, _)| name).collect();
    let app = App::new(authentication)
        .service(flight)
        .routes(content::routes(services))
        .proxy(rest::Before::new(rest, proxy), &names, PUBLIC_DESCRIPTORS)
        .outside(move |routes| {
            let routes = routes.layer(from_fn(web::layer));
            let routes = routes.layer(from_fn_with_state(cors, cors::layer));
            let routes = routes.layer(from_fn_with_state(edge, rest::layer));
            rest::with_docs(routes, public_url)
        });
    Ok(upstreams.into_iter().fold(app, |app, upstream| {
        let name = upstream.peer();
        let behind: Vec<_> = routes
            .services()
            .filter(|(_, of)| *of == name)
            .map(|(name, _)| name)
            .chain((name == "transfer").then_some(Flight::NAME))
            .collect();
        app.names_depend_on(&behind, name, health::check(upstream))
    }))
}

fn upstreams(config: &ServerConfig) -> Result<Vec<Balanced>> {
    let upstream = |name| {
        let upstream = config.balanced(name);
        upstream.ok_or_else(|| Error::internal(format!("no address of {name}")))
    };
    UPSTREAMS.into_iter().map(upstream).collect()
}

/// People and machines from outside only: no service of the suite has business here, so an
/// internal token that turns up here is a stolen one.
fn authentication(config: &ServerConfig, principals: RemotePrincipals) -> Result<Authentication> {
    let nobody = InternalVerifier::new(SERVICE.name, Vec::new());
    let oidc = config
        .oidc_verifier()
        .map_err(|violation| Error::invalid(vec![violation]))?;
    Ok(Authentication::new(nobody, oidc, Arc::new(principals)))
}
