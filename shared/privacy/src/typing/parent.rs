//! Units through a parent: rows that belong to whomever the row belongs that they point to, as items to an order's
//! customer.
//!
//! A key that the parent has more than once, for several individuals, is nobody's: like rows without a unit, such
//! rows are not there. So nothing has to be known of the parent's rows, and no refusal tells anything of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::{Column, NullEquality, TableReference};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::expr_fn::col;
use datafusion::logical_expr::{Expr, Join, JoinConstraint, JoinType, LogicalPlan, LogicalPlanBuilder};

use super::Typer;
use super::types::{ColumnType, Kind, Source, SourceId};
use crate::catalog::{Access, CatalogColumn, CatalogTable};
use crate::plan::{RESERVED, ScanKey, ScanSource, table_fields};
use crate::policy::{Policy, PrivacyUnit, Via};
use crate::total;
use crate::violation::{Violation, ViolationCode};

/// Rows of a table beside the unit of each.
pub(super) struct WithUnit {
    pub(super) plan: LogicalPlan,
    pub(super) unit: Expr,
}

/// Tables, each the parent of the one before it.
type Parents<'a> = Vec<(&'a CatalogTable, &'a Policy)>;

impl<'a> Typer<'a> {
    /// A restricted table under a name, with its unit; and the parents that it is found through.
    pub(super) fn with_unit(
        &mut self,
        name: &TableReference,
        table: &'a CatalogTable,
        policy: &'a Policy,
    ) -> Option<(WithUnit, Source<'a>)> {
        let mut parents = Vec::new();
        let found = self.unit_of(name, table, policy, &mut parents)?;
        let source = Source {
            table,
            policy,
            parents,
        };
        Some((found, source))
    }

    fn unit_of(
        &mut self,
        name: &TableReference,
        table: &'a CatalogTable,
        policy: &'a Policy,
        parents: &mut Parents<'a>,
    ) -> Option<WithUnit> {
        let stored = ScanSource {
            key: ScanKey::Table(table.id),
            schema: table_fields(table),
        };
        let scan = LogicalPlanBuilder::scan(name.clone(), Arc::new(stored), None);
        let scan = scan.and_then(LogicalPlanBuilder::build);
        let scan = self.built(scan)?;
        let of_table = |column: &str| Expr::Column(Column::new(Some(name.clone()), column));
        match &policy.privacy_unit {
            Some(PrivacyUnit::Column(column)) if table.column(column).is_some() => Some(WithUnit {
                plan: scan,
                unit: of_table(column),
            }),
            Some(PrivacyUnit::Via(via)) => {
                let (parent, parent_policy, key) = self.parent(table, via, parents)?;
                parents.push((parent, parent_policy));
                let alias = format!("{RESERVED}parent_{}_{}", self.sources.len(), parents.len());
                let alias = TableReference::bare(alias);
                let above = self.unit_of(&alias, parent, parent_policy, parents)?;
                let unique = parent.unique.iter().any(|set| *set == [key.name.clone()]);
                let keyed = by_key(&alias, &key.name, above, unique);
                let keyed = self.built(keyed)?;
                let key = (
                    of_table(&key.name),
                    Expr::Column(Column::new(Some(alias.clone()), KEY)),
                );
                let joined = Join::try_new(
                    Arc::new(scan),
                    Arc::new(keyed),
                    vec![key],
                    None,
                    JoinType::Inner,
                    JoinConstraint::On,
                    NullEquality::NullEqualsNothing,
                    false,
                );
                Some(WithUnit {
                    plan: LogicalPlan::Join(self.built(joined)?),
                    unit: Expr::Column(Column::new(Some(alias), UNIT)),
                })
            }
            Some(PrivacyUnit::Column(_)) | None => {
                // The schema has changed under the policy: without a unit nothing can be counted.
                let table = table.full_name();
                let message = format!("The policy of {table} names no column that holds its privacy unit.");
                self.violations
                    .push(Violation::new(ViolationCode::MechanismNotAvailable, "scan", message).table(table));
                None
            }
        }
    }

    /// The parent that a policy names, and its key. Whatever stands against it, the answer is the same: it tells of
    /// the parent no more than the policy does.
    fn parent(
        &mut self,
        child: &'a CatalogTable,
        via: &Via,
        before: &Parents<'a>,
    ) -> Option<(&'a CatalogTable, &'a Policy, &'a CatalogColumn)> {
        let found = via.split().and_then(|(name, key)| {
            let own = child.column(key)?;
            let parent = self
                .catalog
                .tables
                .iter()
                .find(|t| t.dataset == child.dataset && t.name == name && t.owner == child.owner)?;
            let Access::Restricted(policy) = parent.access(self.catalog.analyst) else {
                return None;
            };
            let key = parent.column(key)?;
            let circular = parent.id == child.id || before.iter().any(|(table, _)| table.id == parent.id);
            let good = !circular && total::same_type(&own.data_type, &key.data_type);
            good.then_some((parent, policy, key))
        });
        let Some((parent, policy, key)) = found else {
            let (table, via) = (child.full_name(), &via.via);
            let message = format!(
                "The policy of {table} takes its unit through {via}, which is not there, has a column of another type, or \
                 does not answer you."
            );
            self.violations
                .push(Violation::new(ViolationCode::MechanismNotAvailable, "scan", message).table(table));
            return None;
        };
        self.available(parent, policy).then_some((parent, policy, key))
    }
}

impl Typer<'_> {
    /// Where a child's key meets its parent's, both rows are the same individual's: the sources of both.
    pub(super) fn same_by_key(&self, one: &ColumnType, other: &ColumnType) -> BTreeSet<SourceId> {
        let (Kind::Stored(a, key), Kind::Stored(b, other_key)) = (&one.kind, &other.kind) else {
            return BTreeSet::new();
        };
        let is_child = |child: SourceId, parent: SourceId| {
            let (child, parent) = (self.source(child), self.source(parent));
            let through = match &child.policy.privacy_unit {
                Some(PrivacyUnit::Via(via)) => via.split().is_some_and(|(_, column)| column == key),
                _ => false,
            };
            through
                && child
                    .parents
                    .first()
                    .is_some_and(|(table, _)| table.id == parent.table.id)
        };
        if key == other_key && (is_child(*a, *b) || is_child(*b, *a)) {
            BTreeSet::from([*a, *b])
        } else {
            BTreeSet::new()
        }
    }
}

const KEY: &str = "__key";
const UNIT: &str = "__unit";

/// One row for each key that belongs to one individual.
fn by_key(alias: &TableReference, key: &str, rows: WithUnit, unique: bool) -> Result<LogicalPlan> {
    let key = Expr::Column(Column::new(Some(alias.clone()), key)).alias(KEY);
    let pairs = LogicalPlanBuilder::from(rows.plan).project([key, rows.unit.alias(UNIT)])?;
    if unique {
        return pairs.alias(alias.clone())?.build();
    }
    let units = [min(col(UNIT)).alias("__first"), max(col(UNIT)).alias("__last")];
    pairs
        .aggregate([col(KEY)], units)?
        .filter(col("__first").eq(col("__last")))?
        .project([col(KEY), col("__first").alias(UNIT)])?
        .alias(alias.clone())?
        .build()
}
