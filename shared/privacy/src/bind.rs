//! Binding a compiled plan's scans to providers that can be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{LogicalPlan, TableScan};

use crate::plan::{ScanKey, ScanSource};
use crate::stack::deep;

/// A scan that could not be bound. Names no data.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// There is no provider for it.
    #[error("nothing is bound to {0:?}")]
    Missing(ScanKey),
    /// The provider's columns are not those that the plan was made for.
    #[error("the columns bound to {0:?} are not those of its table: {1}")]
    Columns(ScanKey, String),
    /// The plan was not made by this compiler.
    #[error("the plan reads something unknown")]
    Unknown,
}

/// What the plan's scans read.
pub fn scans(plan: &LogicalPlan) -> BTreeSet<ScanKey> {
    // Without the scans nothing is bound.
    deep(|| scans_here(plan)).unwrap_or_default()
}

fn scans_here(plan: &LogicalPlan) -> BTreeSet<ScanKey> {
    let mut keys = BTreeSet::new();
    // The closure never returns an error.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<ScanSource>()
        {
            keys.insert(source.key);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    keys
}

/// Replaces each scan by one of the provider that `provider` gives for it.
///
/// A provider has the columns of the catalog's table by name and type; their order, and further columns, do not matter.
///
/// # Errors
/// When a provider is missing or has other columns.
pub fn bind(
    plan: LogicalPlan,
    provider: impl FnMut(ScanKey) -> Option<Arc<dyn TableProvider>> + Send,
) -> Result<LogicalPlan, BindError> {
    deep(|| bind_here(plan, provider)).unwrap_or(Err(BindError::Unknown))
}

fn bind_here(
    plan: LogicalPlan,
    mut provider: impl FnMut(ScanKey) -> Option<Arc<dyn TableProvider>>,
) -> Result<LogicalPlan, BindError> {
    let mut failure = None;
    let bound = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else {
            return Ok(Transformed::no(node));
        };
        match bind_scan(scan, &mut provider) {
            Ok(scan) => Ok(Transformed::yes(LogicalPlan::TableScan(scan))),
            Err(error) => {
                failure = Some(error);
                Err(DataFusionError::Plan(String::new()))
            }
        }
    });
    match (bound, failure) {
        (Ok(bound), None) => Ok(bound.data),
        (_, Some(error)) => Err(error),
        (Err(_), None) => Err(BindError::Unknown),
    }
}

fn bind_scan(
    scan: TableScan,
    provider: &mut impl FnMut(ScanKey) -> Option<Arc<dyn TableProvider>>,
) -> Result<TableScan, BindError> {
    let Some(source) = scan.source.downcast_ref::<ScanSource>() else {
        return Err(BindError::Unknown);
    };
    let key = source.key;
    let bound = provider(key).ok_or(BindError::Missing(key))?;
    let schema = bound.schema();
    let mut projection = Vec::with_capacity(source.schema.fields().len());
    for field in source.schema.fields() {
        let wrong = |what: &str| BindError::Columns(key, format!("{} {what}", field.name()));
        let index = schema.index_of(field.name()).map_err(|_| wrong("is missing"))?;
        if schema.field(index).data_type() != field.data_type() {
            return Err(wrong("is of another type"));
        }
        projection.push(index);
    }
    let TableScan { table_name, .. } = scan;
    TableScanBuilder::new(table_name, provider_as_source(bound))
        .with_projection(Some(projection))
        .build()
        .map_err(|_| BindError::Unknown)
}
