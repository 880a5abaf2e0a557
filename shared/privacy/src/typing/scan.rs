//! Scans: whose rows they are, and what of them is there.

use arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::expr_fn::when;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan, lit};
use std::collections::BTreeMap;

use super::Typer;
use super::absence::Absence;
use super::parent::WithUnit;
use super::types::{ColumnType, Lineage, Restricted, SourceState, Typed, unit_name};
use crate::catalog::{Access, CatalogTable};
use crate::plan::{ScanKey, ScanSource, visible_columns};
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
        if !self.available(table, policy) {
            return None;
        }
        let (WithUnit { plan, unit }, source) = self.with_unit(name, table, policy)?;
        let own_unit = match &policy.privacy_unit {
            Some(PrivacyUnit::Column(column)) => Some(column),
            _ => None,
        };
        self.sources.push(source);
        let source = self.sources.len() - 1;
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
            let is_unit = own_unit == Some(&column.name);
            columns.push(ColumnType::stored(source, &column.name, part, is_unit));
        }
        fields.push(unit.clone().alias(unit_name(source)));
        // Rows without a unit belong to nobody whom a threshold could count (H12).
        let plan = LogicalPlanBuilder::from(plan).filter(unit.is_not_null());
        let plan = plan.and_then(|b| b.project(fields)?.build());
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
            absence: Absence::default(),
        })))
    }

    /// Whether a table can be queried by others at all, although its policy names the caller. Approvals and access
    /// budgets are kept by who runs what compiles here: they need no plan.
    pub(super) fn available(&mut self, table: &CatalogTable, policy: &Policy) -> bool {
        let name = table.full_name();
        let before = self.violations.len();
        let mut missing = |what: &str| {
            let message = format!("The policy of {name} asks for {what}, which is not available yet.");
            self.violations
                .push(Violation::new(ViolationCode::MechanismNotAvailable, "scan", message).table(&name));
        };
        if policy.differential_privacy.is_some() {
            missing("noise");
        }
        self.violations.len() == before
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
