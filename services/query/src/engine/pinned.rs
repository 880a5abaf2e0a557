//! A table of exactly the objects a version pins: no listing, no discovery, no inference.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::PinnedFile;

#[derive(Debug)]
pub(super) struct PinnedTable {
    store: ObjectStoreUrl,
    schema: SchemaRef,
    files: Vec<PinnedFile>,
}

impl PinnedTable {
    pub(super) fn new(store: ObjectStoreUrl, schema: SchemaRef, files: Vec<PinnedFile>) -> Self {
        Self { store, schema, files }
    }

    /// Estimates only: they order joins and answer nothing.
    fn statistics(&self) -> Statistics {
        let sum = |figure: fn(&PinnedFile) -> u64| self.files.iter().map(figure).fold(0, u64::saturating_add);
        let estimate = |figure| Precision::Inexact(usize::try_from(sum(figure)).unwrap_or(usize::MAX));
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = estimate(|file| file.rows);
        statistics.total_byte_size = estimate(|file| file.size_bytes);
        statistics
    }
}

#[async_trait]
impl TableProvider for PinnedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let files = self
            .files
            .iter()
            .map(|file| PartitionedFile::new(&file.path, file.size_bytes));
        let groups = FileGroup::new(files.collect()).split_files(state.config().target_partitions());
        let mut source = ParquetSource::new(self.schema())
            .with_table_parquet_options(state.table_options().parquet.clone());
        // They skip row groups and pages; those that cannot be told before reading skip none.
        let schema = DFSchema::try_from(self.schema())?;
        let predicate = conjunction(filters.iter().cloned());
        if let Some(Ok(predicate)) = predicate.map(|it| state.create_physical_expr(it, &schema)) {
            source = source.with_predicate(predicate);
        }
        let scan = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.statistics())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// Filters skip row groups and pages; the plan above still applies them.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
