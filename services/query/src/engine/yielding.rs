//! Points at which a plan can be stopped.
//!
//! DataFusion's sources yield after a number of batches. A join makes any number of batches of one,
//! and a consumer that waits for its last row never comes back in between; so a cancelled plan would
//! go on computing. Here joins and sources yield by the clock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::stoppable::stoppable;

/// How long a stream may go on without letting its task be stopped.
const SLICE: Duration = Duration::from_millis(5);

/// The same plan, its joins and sources yielding, and its joins ending once `stop` is cancelled.
pub(super) fn yielding(
    plan: Arc<dyn ExecutionPlan>,
    stop: &CancellationToken,
) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if node.children().len() == 1 {
            return Ok(Transformed::no(node));
        }
        let node = stoppable(node, stop)?;
        Ok(Transformed::yes(
            Arc::new(Yielding(node)) as Arc<dyn ExecutionPlan>
        ))
    })?;
    Ok(wrapped.data)
}

/// An operator that yields between its batches.
#[derive(Debug)]
struct Yielding(Arc<dyn ExecutionPlan>);

impl DisplayAs for Yielding {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Yielding")
    }
}

impl ExecutionPlan for Yielding {
    fn name(&self) -> &str {
        "Yielding"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([child]) => Ok(Arc::new(Self(child))),
            Err(_) => Err(DataFusionError::Internal("an operator of one input".to_owned())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inner = self.0.execute(partition, context)?;
        Ok(Box::pin(YieldingStream {
            inner,
            since: Instant::now(),
        }))
    }
}

struct YieldingStream {
    inner: SendableRecordBatchStream,
    since: Instant,
}

impl Stream for YieldingStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.since.elapsed() >= SLICE {
            self.since = Instant::now();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.inner.poll_next_unpin(cx)
    }
}

impl RecordBatchStream for YieldingStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
