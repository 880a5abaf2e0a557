//! Conditions of joins that end a run from within.
//!
//! A nested loop join tries a batch of one side against every row of the other, and comes back only with
//! rows that match: where none do, no stream between its batches is ever asked. Its condition is, for each.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use tokio_util::sync::CancellationToken;

/// The same operator; if it is a nested loop join, its condition fails once `stop` is cancelled.
pub(super) fn stoppable(
    node: Arc<dyn ExecutionPlan>,
    stop: &CancellationToken,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else {
        return Ok(node);
    };
    let filter = join.filter().map(|filter| {
        let expression = Stoppable {
            inner: Arc::clone(filter.expression()),
            stop: stop.clone(),
        };
        JoinFilter::new(
            Arc::new(expression),
            filter.column_indices().to_vec(),
            Arc::clone(filter.schema()),
        )
    });
    Ok(Arc::new(
        NestedLoopJoinExecBuilder::from(join)
            .with_filter(filter)
            .build()?,
    ))
}

/// A condition that fails once its run has been stopped.
#[derive(Debug)]
struct Stoppable {
    inner: Arc<dyn PhysicalExpr>,
    stop: CancellationToken,
}

impl PartialEq for Stoppable {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Stoppable {}

impl Hash for Stoppable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Stoppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for Stoppable {
    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.is_cancelled() {
            // Nobody waits for the answer any more.
            return Err(DataFusionError::Execution("the run was stopped".to_owned()));
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match <[_; 1]>::try_from(children) {
            Ok([inner]) => Ok(Arc::new(Self {
                inner,
                stop: self.stop.clone(),
            })),
            Err(_) => Err(DataFusionError::Internal("a condition of one part".to_owned())),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
