use std::sync::Arc;

use datacovey_auth::{InternalVerifier, OidcVerifier};
use datacovey_error::{Error, Result};
use datacovey_persistence::{Database, DbRole};
use datacovey_proto::identity::v1::tenant_service_server::TenantServiceServer;
use datacovey_proto::identity::v1::user_service_server::UserServiceServer;
use datacovey_proto::internal::identity::v1::principal_service_server::PrincipalServiceServer;
use datacovey_rest::Service;
use datacovey_rows::row_service;
use datacovey_server::{App, Authentication, HealthCheck};

use crate::domain::Rules;
use crate::rpc::{PrincipalRpc, Tenants, Users};
use crate::{Config, Principals};

/// Opens what the service works with, and makes it.
///
/// Fails where the database is away or has another schema than this program knows.
pub async fn open(config: &Config) -> Result<App> {
    let database = Database::open(&config.database_url, DbRole::Identity, config.pool).await;
    let database = database.map_err(Error::internal)?;
    let principals = Principals::new(database.clone(), config.server.callers.issuers.clone());
    let oidc = config
        .server
        .oidc_verifier()
        .map_err(|violation| Error::invalid(vec![violation]))?;
    let limits = config.server.limits;
    Ok(app(
        database,
        principals,
        config.server.internal_verifier(),
        oidc,
        limits.max_message_bytes,
    ))
}

/// The service over a database that acts as [`DbRole::Identity`].
#[must_use]
pub fn app(
    database: Database,
    principals: Principals,
    internal: InternalVerifier,
    oidc: OidcVerifier,
    max_message_bytes: usize,
) -> App {
    let authentication = Authentication::new(internal, oidc, Arc::new(principals.clone()));
    let tenants = TenantServiceServer::new(Tenants {
        database: database.clone(),
    });
    let users = UserServiceServer::new(Users {
        database: database.clone(),
    });
    let principals = PrincipalServiceServer::new(PrincipalRpc { principals });
    let rows = row_service(database.clone(), Service::Identity, Rules);
    App::new(authentication)
        .service(tenants.max_decoding_message_size(max_message_bytes))
        .service(users.max_decoding_message_size(max_message_bytes))
        .service(principals.max_decoding_message_size(max_message_bytes))
        .service(rows)
        .depends_on("the database", answers(database))
}

fn answers(database: Database) -> HealthCheck {
    Arc::new(move || {
        let database = database.clone();
        Box::pin(async move { database.ping().await.map_err(|error| error.to_string()) })
    })
}
