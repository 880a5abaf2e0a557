//! DataFusion in the process, on threads of its own.
//!
//! Computing and RPC never share a thread: a plan that keeps every core busy does not delay a
//! health check. Each job has a session, a memory pool, a spill folder and threads of its own, so
//! that whatever one does the operating system gives the others their share.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use datacovey_privacy::bind;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry, ObjectStoreUrl};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::described::describe_metrics;
use super::failure::describe;
use super::memory::JobMemory;
use super::output::{collect, measure};
use super::pinned::PinnedTable;
use super::yielding::yielding;
use super::{Engine, EngineConfig, EngineError, EngineJob, EngineLimits, EngineOutput, Relation};

/// The only address plans can read from; nothing outside the process answers to it.
const STORE: &str = "datacovey://store";
/// DataFusion's name for the folders it makes below the spill folder.
const SPILL_PREFIX: &str = "datafusion-";
const BATCH_ROWS: usize = 8192;
/// The optimizer recurses over plans as deep as the compiler lets pass.
const STACK_BYTES: usize = 64 << 20;
/// A merge of spilled runs opens as many as memory takes, and starves the merge above it, unless bounded.
const SPILL_MERGE_FAN_IN: usize = 8;

pub(crate) struct DataFusionEngine {
    config: EngineConfig,
    store: ObjectStoreUrl,
    registry: Arc<dyn ObjectStoreRegistry>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for DataFusionEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFusionEngine")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl DataFusionEngine {
    /// Empties the spill folder.
    ///
    /// # Errors
    /// The spill folder cannot be made or read.
    pub(crate) fn start(config: EngineConfig, objects: Arc<dyn ObjectStore>) -> io::Result<Self> {
        describe_metrics();
        metrics::gauge!("datacovey_engine_memory_limit_bytes").set(config.memory_bytes as f64);
        std::fs::create_dir_all(&config.spill_folder)?;
        remove_left_over_spills(&config.spill_folder)?;
        let store = ObjectStoreUrl::parse(STORE).map_err(io::Error::other)?;
        let registry = DefaultObjectStoreRegistry::new();
        // It comes with the file system of the machine.
        registry
            .deregister_store(ObjectStoreUrl::local_filesystem().as_ref())
            .map_err(io::Error::other)?;
        registry.register_store(store.as_ref(), objects);
        let permits = Arc::new(Semaphore::new(config.concurrency.get()));
        Ok(Self {
            config,
            store,
            registry: Arc::new(registry),
            permits,
        })
    }

    /// A session that knows no catalog, no table function, no file format and no setting of the environment.
    fn session(&self, job_id: &str, limits: EngineLimits) -> EngineResult<SessionState> {
        let mut config = SessionConfig::new()
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false)
            .with_collect_statistics(false)
            .with_batch_size(BATCH_ROWS)
            .with_target_partitions(self.config.threads.get())
            // Each partition of a sort sets this aside before its first row.
            .with_sort_spill_reservation_bytes(self.job_memory_bytes() / (16 * self.config.threads.get()));
        let optimizer = &mut config.options_mut().optimizer;
        optimizer.prefer_hash_join = limits.hash_joins;
        // What is divided by its unit already is grouped by unit and dimension where it lies.
        optimizer.subset_repartition_threshold = 1;
        // Without the rules that push them (see below) these find no place.
        optimizer.enable_dynamic_filter_pushdown = false;
        Ok(SessionStateBuilder::new()
            .with_session_id(job_id.to_owned())
            .with_config(config)
            .with_physical_optimizer_rules(physical_rules())
            .with_runtime_env(Arc::new(self.runtime_env()?))
            // What now() and current_date are made constants from; without it they fail.
            .with_execution_props(ExecutionProps::new().with_query_execution_start_time(chrono::Utc::now()))
            .build())
    }

    fn runtime_env(&self) -> EngineResult<RuntimeEnv> {
        let share = self.config.concurrency.get() as u64;
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![
                self.config.spill_folder.clone(),
            ]))
            .with_max_temp_directory_size(self.config.spill_bytes / share)
            .with_max_spill_merge_fan_in(SPILL_MERGE_FAN_IN);
        RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::clone(&self.registry))
            .with_memory_pool(Arc::new(JobMemory::new(self.job_memory_bytes())))
            .with_disk_manager_builder(disk)
            .build()
    }

    fn job_memory_bytes(&self) -> usize {
        self.config.memory_bytes / self.config.concurrency.get()
    }

    fn provider(&self, relation: Relation) -> EngineResult<Arc<dyn TableProvider>> {
        Ok(match relation {
            Relation::Files { schema, files } => {
                Arc::new(PinnedTable::new(self.store.clone(), schema, files))
            }
            Relation::Rows { schema, batches } => Arc::new(MemTable::try_new(schema, vec![batches])?),
        })
    }

    fn prepare(&self, job: EngineJob) -> EngineResult<Prepared> {
        let session = self.session(&job.id, job.limits)?;
        let providers = job
            .relations
            .into_iter()
            .map(|(key, relation)| Ok((key, self.provider(relation)?)));
        let providers = providers.collect::<EngineResult<HashMap<_, _>>>()?;
        let plan = bind(job.plan, |key| providers.get(&key).map(Arc::clone));
        let plan = plan.map_err(|error| DataFusionError::Plan(error.to_string()))?;
        Ok(Prepared {
            session,
            plan,
            limits: job.limits,
        })
    }
}

/// The physical optimizer without the rules that push filters: they find columns by name (apache/datafusion #25244), and
/// over a join whose sides have columns of one name they drop rows, and with them the counts that thresholds rest on.
/// Filters of the statement have reached the scans before, by the logical optimizer.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| !rule.name().starts_with("FilterPushdown"));
    rules
}

#[async_trait]
impl Engine for DataFusionEngine {
    async fn run(&self, job: EngineJob, cancel: &CancellationToken) -> Result<EngineOutput, EngineError> {
        let (job_id, limits) = (job.id.clone(), job.limits);
        let permit = tokio::select! {
            () = cancel.cancelled() => return Err(EngineError::Cancelled),
            permit = Arc::clone(&self.permits).acquire_owned() => permit.map_err(|_| EngineError::Cancelled)?,
        };
        let prepared = self
            .prepare(job)
            .map_err(|error| failed(&job_id, &describe(&error)))?;
        let started = Instant::now();
        // Dropped with this future: then the work stops at its next yield.
        let threads = Threads::start(self.config.threads.get()).map_err(|_| failed(&job_id, "no threads"))?;
        let task = threads.handle.spawn(prepared.run(permit, threads.stop.clone()));
        let outcome = tokio::select! {
            () = cancel.cancelled() => return Err(EngineError::Cancelled),
            outcome = tokio::time::timeout(limits.time, task) => outcome,
        };
        metrics::histogram!("datacovey_engine_run_seconds").record(started.elapsed().as_secs_f64());
        match outcome {
            Ok(Ok(Ok(output))) => {
                metrics::counter!("datacovey_engine_spilled_bytes_total")
                    .increment(output.statistics.spilled_bytes);
                Ok(output)
            }
            Ok(Ok(Err(error))) => Err(failed(&job_id, &describe(&error))),
            Ok(Err(join)) if join.is_cancelled() => Err(EngineError::Cancelled),
            Ok(Err(_)) => Err(failed(&job_id, "panic")),
            Err(_) => Err(failed(&job_id, "time limit")),
        }
    }
}

/// A plan over its providers, ready to leave for the engine's threads.
struct Prepared {
    session: SessionState,
    plan: LogicalPlan,
    limits: EngineLimits,
}

impl Prepared {
    /// Holds the permit until the work has really stopped, also where nobody waits for it any more.
    async fn run(self, permit: OwnedSemaphorePermit, stop: CancellationToken) -> EngineResult<EngineOutput> {
        let _running = Running::new(permit);
        let plan = yielding(self.session.create_physical_plan(&self.plan).await?, &stop)?;
        let stream = execute_stream(Arc::clone(&plan), self.session.task_ctx())?;
        let (batches, mut statistics) = collect(stream, self.limits).await?;
        measure(&plan, &mut statistics);
        Ok(EngineOutput { batches, statistics })
    }
}

struct Running(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Running {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!("datacovey_engine_jobs_running").increment(1.0);
        Self(permit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        metrics::gauge!("datacovey_engine_jobs_running").decrement(1.0);
    }
}

fn failed(job_id: &str, why: &str) -> EngineError {
    tracing::error!(engine_job_id = job_id, why, "a run of the engine failed");
    EngineError::Failed
}

fn remove_left_over_spills(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SPILL_PREFIX) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The runtime of one job; dropping it never blocks the thread that drops it.
struct Threads {
    /// Cancelled when it is dropped, for what computes without a yield.
    stop: CancellationToken,
    handle: tokio::runtime::Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Threads {
    fn start(count: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("datacovey-engine")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        Ok(Self {
            stop: CancellationToken::new(),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
#[path = "datafusion_tests.rs"]
mod tests;
