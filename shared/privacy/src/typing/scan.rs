//! Scans: whose rows they are, and what of them is there.

use arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::expr_fn::when;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan, lit};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Typer;
use super::types::{ColumnType, Lineage, Restricted, Source, SourceState, Typed, unit_name};
use crate::catalog::{Access, CatalogTable};
use crate::plan::{ScanKey, ScanSource, table_fields, visible_columns};
use crate::policy::{Policy, PrivacyUnit};
use crate::violation::{Violation, ViolationCode};

impl<'a> Typer<'a> {
    /// A scan is what its provider says, whatever the statement calls it: a WITH query may bear a table's name.
    pub(super) fn scan(&mut self, scan: &TableScan) -> Option<Typed> {
        let key = scan.source.downcast_ref::<ScanSource>().map(|source| source.key);
        let table = match key {
            Some(ScanKey::Table(id)) => self.catalog.by_id(id),
            _ => None,
        };
        let plain = scan.filters.is_empty() && scan.fetch.is_none() && scan.projection.is_none();
        let Some(table) = table.filter(|_| plain) else {
            self.violations.push(super::not_understood());
            return None;
        };
        match table.access(self.catalog.analyst) {
            Access::Open => Some(Typed::Open(LogicalPlan::TableScan(scan.clone()))),
            Access::Restricted(policy) => self.restricted_scan(&scan.table_name, table, policy),
            Access::None => {
                self.violations
                    .push(crate::gate::unknown_table(&table.full_name()));
                None
            }
        }
    }

    fn restricted_scan(
        &mut self,
        name: &TableReference,
        table: &'a CatalogTable,
        policy: &'a Policy,
    ) -> Option<Typed> {
        let unit = self.unit_column(table, policy)?;
        let source = self.sources.len();
        self.sources.push(Source { table, policy });

        let stored = ScanSource {
            key: ScanKey::Table(table.id),
            schema: table_fields(table),
        };
        let scan = LogicalPlanBuilder::scan(name.clone(), Arc::new(stored), None);
        let unit_expr = Expr::Column(Column::new(Some(name.clone()), unit));
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for column in visible_columns(table, policy) {
            let part = &policy.columns[&column.name];
            let value = Expr::Column(Column::new(Some(name.clone()), &column.name));
            fields.push(match finite(value.clone(), &column.data_type) {
                Some(finite) => self
                    .built(finite)?
                    .alias_qualified(Some(name.clone()), &column.name),
                None => value,
            });
            columns.push(ColumnType::stored(
                source,
                &column.name,
                part,
                column.name == unit,
            ));
        }
        fields.push(unit_expr.clone().alias(unit_name(source)));
        // Rows without a unit belong to nobody whom a threshold could count (H12).
        let plan = scan.and_then(|b| b.filter(unit_expr.is_not_null())?.project(fields)?.build());
        let plan = self.built(plan)?;
        let state = SourceState {
            class: source,
            ..SourceState::default()
        };
        let sources = BTreeMap::from([(source, state)]);
        Some(Typed::Restricted(Box::new(Restricted {
            plan,
            columns,
            sources,
            control: Lineage::new(),
        })))
    }

    /// The unit's column; or why the table cannot be queried by others, although its policy names the caller.
    /// Approvals and access budgets are kept by who runs what compiles here: they need no plan.
    fn unit_column(&mut self, table: &'a CatalogTable, policy: &'a Policy) -> Option<&'a str> {
        let name = table.full_name();
        let mut missing = |what: &str| {
            let message = format!("The policy of {name} asks for {what}, which is not available yet.");
            self.violations
                .push(Violation::new(ViolationCode::MechanismNotAvailable, "scan", message).table(&name));
        };
        let mut available = true;
        if policy.differential_privacy.is_some() {
            missing("noise");
            available = false;
        }
        match &policy.privacy_unit {
            Some(PrivacyUnit::Column(column)) if available && table.column(column).is_some() => Some(column),
            Some(PrivacyUnit::Column(_)) if !available => None,
            Some(PrivacyUnit::Column(_)) | None => {
                // The schema has changed under the policy: without a unit nothing can be counted.
                let message = format!("The policy of {name} names no column that holds its privacy unit.");
                self.violations
                    .push(Violation::new(ViolationCode::MechanismNotAvailable, "scan", message).table(&name));
                None
            }
            Some(PrivacyUnit::Via(_)) => {
                let message = format!(
                    "The policy of {name} takes its unit from another table, which is not available yet."
                );
                self.violations
                    .push(Violation::new(ViolationCode::MechanismNotAvailable, "scan", message).table(&name));
                None
            }
        }
    }
}

/// NaN and the infinities as NULL: they would carry one row's mark through any sum. `x - x` is 0 for nothing else.
fn finite(value: Expr, data_type: &DataType) -> Option<datafusion::error::Result<Expr>> {
    let zero = match data_type {
        DataType::Float32 => lit(0.0_f32),
        DataType::Float64 => lit(0.0_f64),
        _ => return None,
    };
    Some(when((value.clone() - value.clone()).eq(zero), value).end())
}
