use std::sync::Arc;

use datacovey_error::{Error, Result};
use datacovey_jobs::{Worker, WorkerOptions};
use datacovey_persistence::{Database, DbRole, Listener};
use datacovey_proto::query::v1::audit_service_server::AuditServiceServer;
use datacovey_proto::query::v1::budget_service_server::BudgetServiceServer;
use datacovey_proto::query::v1::query_job_service_server::QueryJobServiceServer;
use datacovey_proto::query::v1::query_service_server::QueryServiceServer;
use datacovey_rest::Service;
use datacovey_rows::row_service;
use datacovey_server::{App, Authentication, Peer, RemotePrincipals};
use datacovey_storage::Store;

use crate::engine::{DataFusionEngine, Engine};
use crate::flow::download_results::Measures;
use crate::flow::plan_query::Planner;
use crate::flow::rows::Rules;
use crate::flow::run_query::QueryWork;
use crate::flow::sweep::sweep_for_ever;
use crate::observed;
use crate::peers::Peers;
use crate::rpc::{Audit, Budgets, Queries, QueryJobs};
use crate::{Config, RunLimits};

/// What the handlers work with.
#[derive(Clone, Debug)]
pub(crate) struct Handles {
    /// As the clients' role.
    pub(crate) database: Database,
    pub(crate) listener: Arc<Listener>,
    pub(crate) store: Store,
    pub(crate) planner: Planner,
    pub(crate) runs: RunLimits,
    pub(crate) measures: Measures,
}

/// Opens what the service works with, and makes it, its workers included.
///
/// # Errors
/// The database is away or has another schema than this program knows; the object store or the
/// folder to spill to cannot be opened.
pub async fn open(config: &Config) -> Result<App> {
    let open = async |role| {
        Database::open(&config.database_url, role, config.pool)
            .await
            .map_err(Error::internal)
    };
    let database = open(DbRole::Query).await?;
    let of_worker = open(DbRole::QueryWorker).await?;
    let listener = Arc::new(Listener::start(&config.database_url).map_err(Error::internal)?);
    let store = Store::open(&config.store).map_err(Error::internal)?;
    let engine = DataFusionEngine::start(config.engine.clone(), store.objects()).map_err(Error::internal)?;
    let planner = Planner::new(Peers {
        catalog: peer(config, "catalog")?,
        transfer: peer(config, "transfer")?,
    });

    let oidc = config
        .server
        .oidc_verifier()
        .map_err(|violation| Error::invalid(vec![violation]))?;
    let principals = Arc::new(RemotePrincipals::new(peer(config, "identity")?));
    let authentication = Authentication::new(config.server.internal_verifier(), oidc, principals);

    let handles = Handles {
        database: database.clone(),
        listener: Arc::clone(&listener),
        store: store.clone(),
        planner: planner.clone(),
        runs: config.runs,
        measures: Measures::new(),
    };
    observed::describe();
    let concurrency = config.engine.concurrency.get();
    let work = QueryWork {
        database: of_worker.clone(),
        planner,
        engine: Arc::new(engine) as Arc<dyn Engine>,
        store: store.clone(),
        runs: config.runs,
        memory_bytes: (config.engine.memory_bytes / concurrency) as u64,
    };
    let options = WorkerOptions {
        concurrency,
        max_running_per_tenant: config.runs.running_per_tenant,
        // What does not end within it is handed back before the drain is over.
        grace: config.server.limits.drain_grace / 2,
        ..WorkerOptions::default()
    };
    let worker = Worker::new(of_worker.clone(), work, options);
    let limit = config.server.limits.max_message_bytes;
    Ok(App::new(authentication)
        .service(QueryServiceServer::new(Queries(handles.clone())).max_decoding_message_size(limit))
        .service(QueryJobServiceServer::new(QueryJobs(handles.clone())).max_decoding_message_size(limit))
        .service(BudgetServiceServer::new(Budgets(handles.clone())).max_decoding_message_size(limit))
        .service(AuditServiceServer::new(Audit(handles.clone())).max_decoding_message_size(limit))
        .service(row_service(database.clone(), Service::Query, Rules(handles)))
        .depends_on(
            "database",
            Arc::new(move || {
                let database = database.clone();
                Box::pin(async move { database.ping().await.map_err(|error| error.to_string()) })
            }),
        )
        .worker("query jobs", move |stop| async move {
            worker.run(Some(&listener), stop).await
        })
        .worker("query sweep", move |stop| sweep_for_ever(of_worker, store, stop)))
}

fn peer(config: &Config, name: &'static str) -> Result<Peer> {
    config
        .server
        .peer(name)
        .ok_or_else(|| Error::internal(format!("{name} is not configured")))
}
