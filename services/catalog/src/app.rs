use std::sync::Arc;

use datacovey_error::{Error, Result};
use datacovey_persistence::{Database, DbRole};
use datacovey_proto::catalog::v1::dataset_service_server::DatasetServiceServer;
use datacovey_proto::catalog::v1::project_service_server::ProjectServiceServer;
use datacovey_proto::catalog::v1::table_service_server::TableServiceServer;
use datacovey_proto::internal::catalog::v1::resolver_service_server::ResolverServiceServer;
use datacovey_rest::Service;
use datacovey_rows::row_service;
use datacovey_server::{App, Authentication, RemotePrincipals};

use crate::Config;
use crate::domain::Rules;
use crate::rpc::{Datasets, Projects, Resolver, Tables};

/// Opens what the service works with, and makes it.
///
/// Fails where the database is away or has another schema than this program knows.
pub async fn open(config: &Config) -> Result<App> {
    let database = Database::open(&config.database_url, DbRole::Catalog, config.pool);
    let database = database.await.map_err(Error::internal)?;
    let identity = config
        .server
        .peer("identity")
        .ok_or_else(|| Error::internal("identity is not configured"))?;
    let oidc = config
        .server
        .oidc_verifier()
        .map_err(|violation| Error::invalid(vec![violation]))?;
    let principals = Arc::new(RemotePrincipals::new(identity));
    let authentication = Authentication::new(config.server.internal_verifier(), oidc, principals);
    Ok(app(
        database,
        authentication,
        config.server.limits.max_message_bytes,
    ))
}

/// The service over a database that acts as [`DbRole::Catalog`].
#[must_use]
pub fn app(database: Database, authentication: Authentication, max_message_bytes: usize) -> App {
    let projects = Projects {
        database: database.clone(),
    };
    let datasets = Datasets {
        database: database.clone(),
    };
    let tables = Tables {
        database: database.clone(),
    };
    let resolver = Resolver {
        database: database.clone(),
    };
    let rows = row_service(database.clone(), Service::Catalog, Rules);
    App::new(authentication)
        .service(ProjectServiceServer::new(projects).max_decoding_message_size(max_message_bytes))
        .service(DatasetServiceServer::new(datasets).max_decoding_message_size(max_message_bytes))
        .service(TableServiceServer::new(tables).max_decoding_message_size(max_message_bytes))
        .service(ResolverServiceServer::new(resolver).max_decoding_message_size(max_message_bytes))
        .service(rows)
        .depends_on(
            "database",
            Arc::new(move || {
                let database = database.clone();
                Box::pin(async move { database.ping().await.map_err(|error| error.to_string()) })
            }),
        )
}
