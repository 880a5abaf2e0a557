//! The catalog as the planner sees it.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{TableReference, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};

use super::failure::UnknownTable;
use super::functions::{Functions, functions};
use super::source::{RESERVED, ScanKey, ScanSource, table_fields};
use crate::catalog::{Access, Catalog, CatalogColumn, CatalogTable};
use crate::policy::{ColumnUse, Policy, is_dimension_type, is_key_type, is_measure_type};

pub(super) struct Provider<'a> {
    catalog: &'a Catalog,
    functions: &'static Functions,
    options: &'static ConfigOptions,
}

static OPTIONS: LazyLock<ConfigOptions> = LazyLock::new(|| {
    let mut options = ConfigOptions::default();
    options.execution.enable_recursive_ctes = false;
    options
});

impl<'a> Provider<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            functions: functions(),
            options: &OPTIONS,
        }
    }
}

/// The columns of a restricted table that are not hidden: named by its policy, and of a type that the use can have.
pub(crate) fn visible_columns<'t>(
    table: &'t CatalogTable,
    policy: &'t Policy,
) -> impl Iterator<Item = &'t CatalogColumn> {
    table.columns.iter().filter(|column| {
        let Some(part) = policy.columns.get(&column.name) else {
            return false;
        };
        let fits = part.uses.iter().all(|u| match u {
            ColumnUse::Join => is_key_type(&column.data_type),
            ColumnUse::Dimension => is_dimension_type(&column.data_type),
            ColumnUse::Measure => is_measure_type(&column.data_type),
        });
        !part.uses.is_empty() && fits && !column.name.starts_with(RESERVED)
    })
}

impl ContextProvider for Provider<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = match &name {
            // `dataset.table` within one pair of backticks is one name.
            TableReference::Bare { table } => {
                table.split_once('.').and_then(|(d, t)| self.catalog.find(d, t))
            }
            TableReference::Partial { schema, table } => self.catalog.find(schema, table),
            TableReference::Full { .. } => None,
        };
        let unknown = || DataFusionError::External(Box::new(UnknownTable(name.to_string())));
        let table = found.ok_or_else(unknown)?;
        let schema = match table.access(self.catalog.analyst) {
            Access::Open => table_fields(table),
            Access::Restricted(policy) => {
                let visible = visible_columns(table, policy);
                let fields: Vec<Field> = visible
                    .map(|c| Field::new(&c.name, c.data_type.clone(), true))
                    .collect();
                Arc::new(Schema::new(fields))
            }
            Access::None => return Err(unknown()),
        };
        Ok(Arc::new(ScanSource {
            key: ScanKey::Table(table.id),
            schema,
        }))
    }

    fn get_table_function_source(
        &self,
        _: &str,
        _: Vec<datafusion::logical_expr::Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        plan_err!("no table functions")
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.functions.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar.get(name).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.functions.window.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.options
    }

    // Names are listed for suggestions in messages only, and the planner's messages are not passed on.
    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
