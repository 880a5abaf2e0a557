//! Scans: whose rows they are, and what of them is there.

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::error::Result;
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
            let taken = self.built(taken(&value, &column.data_type, part.bounds))?;
            fields.push(if taken == value {
                value
            } else {
                taken.alias_qualified(Some(name.clone()), &column.name)
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

/// A column as others read it.
fn taken(value: &Expr, data_type: &DataType, bounds: Option<[f64; 2]>) -> Result<Expr> {
    let value = match finite(value.clone(), data_type) {
        Some(finite) => finite?,
        None => value.clone(),
    };
    let (low, high) = match bounds {
        Some([low, high]) => (
            bound(low, data_type, f64::ceil),
            bound(high, data_type, f64::floor),
        ),
        None => (None, None),
    };
    let at = |bound: ScalarValue| Expr::Literal(bound, None);
    // NULL is neither below nor above, and stays what it is.
    match (low.map(at), high.map(at)) {
        (Some(low), Some(high)) => when(value.clone().lt(low.clone()), low)
            .when(value.clone().gt(high.clone()), high)
            .otherwise(value),
        (Some(low), None) => when(value.clone().lt(low.clone()), low).otherwise(value),
        (None, Some(high)) => when(value.clone().gt(high.clone()), high).otherwise(value),
        (None, None) => Ok(value),
    }
}

/// The outermost value of the type within a bound; nothing where all values of the type are.
fn bound(bound: f64, data_type: &DataType, within: fn(f64) -> f64) -> Option<ScalarValue> {
    let of = |number: f64| ScalarValue::Float64(Some(number)).cast_to(data_type).ok();
    match data_type {
        DataType::Float32 | DataType::Float64 => of(bound),
        whole if whole.is_integer() => of(within(bound)),
        DataType::Decimal128(digits, scale) => {
            let raw = within(bound * 10_f64.powi(i32::from(*scale)));
            if raw.abs() >= 10_f64.powi(i32::from(*digits)) {
                return None;
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "bounds are within 10^15, scales at most 10"
            )]
            let raw = raw as i128;
            Some(ScalarValue::Decimal128(Some(raw), *digits, *scale))
        }
        _ => None,
    }
}

/// NaN and the infinities as NULL: they would carry one row's mark through any sum. `x - x` is 0 for nothing else.
fn finite(value: Expr, data_type: &DataType) -> Option<Result<Expr>> {
    let zero = match data_type {
        DataType::Float32 => lit(0.0_f32),
        DataType::Float64 => lit(0.0_f64),
        _ => return None,
    };
    Some(when((value.clone() - value.clone()).eq(zero), value).end())
}
