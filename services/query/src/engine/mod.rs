//! Runs relational plans over pinned files.
//!
//! An engine sees plain relational algebra and the relations of one job, and decides nothing about
//! privacy. Its one rule: after the first read, whatever goes wrong is the same failure, because
//! what went wrong may depend on rows.

mod datafusion;
mod described;
mod failure;
mod memory;
mod output;
mod pinned;
mod stoppable;
mod yielding;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ::datafusion::logical_expr::LogicalPlan;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datacovey_privacy::ScanKey;
use tokio_util::sync::CancellationToken;

pub(crate) use self::datafusion::DataFusionEngine;

/// Runs plans; DataFusion in process is the first.
#[async_trait]
pub(crate) trait Engine: Send + Sync + fmt::Debug {
    /// Runs a plan to its end.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] within a second of `cancel`; [`EngineError::Failed`] for
    /// everything else, the limits of the job included.
    async fn run(&self, job: EngineJob, cancel: &CancellationToken) -> Result<EngineOutput, EngineError>;
}

/// One plan and all that it may read.
#[derive(Debug)]
pub(crate) struct EngineJob {
    /// The engine's name for the job, as the operator finds it in log and metrics.
    pub id: String,
    pub plan: LogicalPlan,
    /// What the plan's scans read. A scan of anything else fails the job.
    pub relations: HashMap<ScanKey, Relation>,
    pub limits: EngineLimits,
}

/// What a scan of a plan reads.
#[derive(Clone, Debug)]
pub(crate) enum Relation {
    /// Parquet objects of the suite's store. A column that a file lacks is NULL.
    Files {
        schema: SchemaRef,
        files: Vec<PinnedFile>,
    },
    /// Rows at hand: a released relation.
    Rows {
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    },
}

/// An object of a pinned table version; it never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinnedFile {
    /// Path below the store's root.
    pub path: String,
    pub size_bytes: u64,
    pub rows: u64,
}

/// What one job may take. Chosen from the statement and public sizes, before anything is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EngineLimits {
    pub time: Duration,
    pub output_rows: u64,
    pub output_bytes: u64,
    /// Hash joins hold one side in memory; without them joins sort, and spill.
    pub hash_joins: bool,
}

/// What an engine as a whole may take.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Jobs that run at once; each has an equal share of memory and spill, so that none fails
    /// because of what another does.
    pub concurrency: NonZeroUsize,
    /// Threads of one job, and the parallelism of its plans.
    pub threads: NonZeroUsize,
    /// Of all jobs together, for sorts, groups and joins.
    pub memory_bytes: usize,
    /// Of all jobs together, on disk.
    pub spill_bytes: u64,
    /// Where jobs spill. The engine's own: what it finds there at its start is deleted.
    pub spill_folder: PathBuf,
}

/// All rows of a plan, and the exact figures, which are for operator and owner alone.
#[derive(Debug)]
pub(crate) struct EngineOutput {
    pub batches: Vec<RecordBatch>,
    pub statistics: EngineStatistics,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EngineStatistics {
    pub rows: u64,
    pub bytes: u64,
    /// Computing time over all threads.
    pub slot_time: Duration,
    pub spilled_bytes: u64,
}

/// How a run ends without a result. It says no more on purpose: see the module's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("the run was cancelled")]
    Cancelled,
    #[error("the run failed")]
    Failed,
}
