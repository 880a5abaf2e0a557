//! Collects what a plan gives, within the limits, and reads its figures.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt as _;

use super::{EngineLimits, EngineStatistics};

pub(super) async fn collect(
    mut stream: SendableRecordBatchStream,
    limits: EngineLimits,
) -> Result<(Vec<RecordBatch>, EngineStatistics)> {
    let mut statistics = EngineStatistics::default();
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        statistics.rows = statistics.rows.saturating_add(batch.num_rows() as u64);
        statistics.bytes = statistics
            .bytes
            .saturating_add(batch.get_array_memory_size() as u64);
        if statistics.rows > limits.output_rows || statistics.bytes > limits.output_bytes {
            let text = format!(
                "output of more than {} rows or {} bytes",
                limits.output_rows, limits.output_bytes
            );
            return Err(DataFusionError::ResourcesExhausted(text));
        }
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
    }
    Ok((batches, statistics))
}

/// Adds what the operators of a plan that has run measured.
pub(super) fn measure(plan: &Arc<dyn ExecutionPlan>, statistics: &mut EngineStatistics) {
    if let Some(metrics) = plan.metrics() {
        let nanos = metrics.elapsed_compute().unwrap_or_default() as u64;
        statistics.slot_time = statistics.slot_time.saturating_add(Duration::from_nanos(nanos));
        let spilled = metrics.spilled_bytes().unwrap_or_default() as u64;
        statistics.spilled_bytes = statistics.spilled_bytes.saturating_add(spilled);
    }
    for child in plan.children() {
        measure(child, statistics);
    }
}
