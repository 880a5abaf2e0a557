//! Where a column of an open plan comes from: the stored columns that its values are, unchanged.
//!
//! Only such a column may meet a restricted join column. A column made of literals would compare it against values
//! of the statement's own choice.

use std::collections::BTreeSet;

use datafusion::logical_expr::{Distinct, JoinType, LogicalPlan};
use uuid::Uuid;

use super::keys::position;
use crate::catalog::Catalog;
use crate::plan::{ScanKey, ScanSource};

/// A stored column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) table: Uuid,
    pub(super) column: String,
}

/// The stored columns that the column at `index` takes its values from; nothing if any of them is computed.
pub(super) fn origins(plan: &LogicalPlan, index: usize) -> Option<BTreeSet<Origin>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Some(ScanKey::Table(table)) = scan.source.downcast_ref::<ScanSource>().map(|s| s.key) else {
                return None;
            };
            let column = scan.projected_schema.fields().get(index)?.name().clone();
            Some(BTreeSet::from([Origin { table, column }]))
        }
        LogicalPlan::SubqueryAlias(alias) => origins(&alias.input, index),
        LogicalPlan::Filter(filter) => origins(&filter.input, index),
        LogicalPlan::Sort(sort) => origins(&sort.input, index),
        LogicalPlan::Limit(limit) => origins(&limit.input, index),
        LogicalPlan::Distinct(Distinct::All(input)) => origins(input, index),
        LogicalPlan::Projection(projection) => {
            let from = position(projection.expr.get(index)?, projection.input.schema())?;
            origins(&projection.input, from)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let from = position(aggregate.group_expr.get(index)?, aggregate.input.schema())?;
            origins(&aggregate.input, from)
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::LeftSemi | JoinType::LeftAnti => origins(&join.left, index),
                JoinType::RightSemi | JoinType::RightAnti => origins(&join.right, index),
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full if index < left => {
                    origins(&join.left, index)
                }
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    origins(&join.right, index - left)
                }
                _ => None,
            }
        }
        LogicalPlan::Union(union) => {
            let mut all = BTreeSet::new();
            for input in &union.inputs {
                all.extend(origins(input, index)?);
            }
            Some(all)
        }
        _ => None,
    }
}

/// The one identity that all the stored columns have.
pub(super) fn identity(origins: &BTreeSet<Origin>, catalog: &Catalog) -> Option<String> {
    let mut identities = origins
        .iter()
        .map(|o| catalog.by_id(o.table)?.identity(&o.column).map(str::to_owned));
    let first = identities.next()??;
    identities
        .all(|other| other.as_ref() == Some(&first))
        .then_some(first)
}
