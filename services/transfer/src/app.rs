use std::sync::Arc;

use datacovey_error::{Error, Result};
use datacovey_jobs::Worker;
use datacovey_persistence::{Database, DbRole, Listener};
use datacovey_proto::internal::transfer::v1::version_resolver_service_server::VersionResolverServiceServer;
use datacovey_proto::transfer::v1::export_service_server::ExportServiceServer;
use datacovey_proto::transfer::v1::import_service_server::ImportServiceServer;
use datacovey_proto::transfer::v1::version_service_server::VersionServiceServer;
use datacovey_rest::Service;
use datacovey_rows::row_service;
use datacovey_server::{App, Authentication, HealthCheck, RemotePrincipals};
use datacovey_storage::Store;
use datacovey_storage::external::Allowed;

use crate::flow::{Compactor, ExportWork, ImportWork, Rules, Sweeper};
use crate::rpc::{Exports, Imports, VersionResolver, Versions};
use crate::{Config, Limits, SecretKey, observed};

/// What the service works with; clones share it.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Acts as [`DbRole::Transfer`]: for calls.
    pub database: Database,
    /// Acts as [`DbRole::TransferWorker`]: for jobs.
    pub worker_database: Database,
    pub listener: Arc<Listener>,
    pub store: Store,
    /// What imports and exports may reach by URI.
    pub allowed: Arc<Allowed>,
    /// Seals the secrets of projects.
    pub secret_key: SecretKey,
    pub limits: Arc<Limits>,
}

/// Opens what the service works with, and makes it.
///
/// Fails where the database is away or has another schema than this program knows, and where the
/// object store cannot be used.
pub async fn open(config: &Config) -> Result<App> {
    let open = async |role| {
        Database::open(&config.database_url, role, config.pool)
            .await
            .map_err(Error::internal)
    };
    let transfer = Transfer {
        database: open(DbRole::Transfer).await?,
        worker_database: open(DbRole::TransferWorker).await?,
        listener: Arc::new(Listener::start(&config.database_url).map_err(Error::internal)?),
        store: Store::open(&config.store_url)?,
        allowed: Arc::clone(&config.allowed),
        secret_key: config.secret_key.clone(),
        limits: Arc::new(config.limits.clone()),
    };
    let identity = config
        .server
        .peer("identity")
        .ok_or_else(|| Error::internal("identity is not configured"))?;
    let oidc = config
        .server
        .oidc_verifier()
        .map_err(|violation| Error::invalid(vec![violation]))?;
    let principals = Arc::new(RemotePrincipals::new(identity));
    Ok(app(
        transfer,
        Authentication::new(config.server.internal_verifier(), oidc, principals),
    ))
}

/// The service: its calls, its workers, its sweeper and its compactor.
#[must_use]
pub fn app(transfer: Transfer, authentication: Authentication) -> App {
    let limit = transfer.limits.max_message_bytes;
    observed::describe();
    let [imports, exports, sweeps, compactions] = [(); 4].map(|()| transfer.clone());
    App::new(authentication)
        .service(ImportServiceServer::new(Imports::new(transfer.clone())).max_decoding_message_size(limit))
        .service(ExportServiceServer::new(Exports::new(transfer.clone())).max_decoding_message_size(limit))
        .service(VersionServiceServer::new(Versions::new(transfer.clone())).max_decoding_message_size(limit))
        .service(
            VersionResolverServiceServer::new(VersionResolver::new(transfer.database.clone()))
                .max_decoding_message_size(limit),
        )
        .service(row_service(
            transfer.database.clone(),
            Service::Transfer,
            Rules(transfer.clone()),
        ))
        .worker("import", |stop| async move {
            let worker = Worker::new(
                imports.worker_database.clone(),
                ImportWork::new(&imports),
                imports.limits.worker.clone(),
            );
            worker.run(Some(&imports.listener), stop).await;
        })
        .worker("export", |stop| async move {
            let worker = Worker::new(
                exports.worker_database.clone(),
                ExportWork::new(&exports),
                exports.limits.worker.clone(),
            );
            worker.run(Some(&exports.listener), stop).await;
        })
        .worker(
            "sweep",
            |stop| async move { Sweeper::new(&sweeps).run(stop).await },
        )
        .worker("compact", |stop| async move {
            Compactor::new(&compactions).run(stop).await;
        })
        .depends_on("database", answers(transfer.database))
}

fn answers(database: Database) -> HealthCheck {
    Arc::new(move || {
        let database = database.clone();
        Box::pin(async move { database.ping().await.map_err(|error| error.to_string()) })
    })
}
