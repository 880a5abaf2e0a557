//! Which sets of columns are known to be unique in a plan's rows.
//!
//! From import for the pinned files of a table as a whole, or by a grouping; lost by a join whose other side may
//! repeat a row, by unions and by whatever is not listed. Needs no row: the answer, and so a refusal, tells nothing.

use std::collections::BTreeSet;

use datafusion::common::NullEquality;
use datafusion::logical_expr::{Distinct, Expr, Join, JoinType, LogicalPlan};

use crate::catalog::Catalog;
use crate::plan::{ScanKey, ScanSource};

/// Positions of columns in a plan's schema that no two rows have alike, NULLs aside.
type Key = BTreeSet<usize>;

/// Whether no two rows of the plan agree in all of these columns.
pub(super) fn is_unique(plan: &LogicalPlan, columns: &BTreeSet<usize>, catalog: &Catalog) -> bool {
    keys(plan, catalog).iter().any(|key| key.is_subset(columns))
}

fn keys(plan: &LogicalPlan, catalog: &Catalog) -> Vec<Key> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Some(ScanKey::Table(id)) = scan.source.downcast_ref::<ScanSource>().map(|s| s.key) else {
                return Vec::new();
            };
            let unique = catalog
                .by_id(id)
                .map(|table| table.unique.as_slice())
                .unwrap_or_default();
            let position = |name: &String| {
                scan.projected_schema
                    .fields()
                    .iter()
                    .position(|f| f.name() == name)
            };
            unique
                .iter()
                .filter(|set| !set.is_empty())
                .filter_map(|set| set.iter().map(position).collect())
                .collect()
        }
        LogicalPlan::SubqueryAlias(alias) => keys(&alias.input, catalog),
        LogicalPlan::Filter(filter) => keys(&filter.input, catalog),
        LogicalPlan::Sort(sort) => keys(&sort.input, catalog),
        LogicalPlan::Limit(limit) => keys(&limit.input, catalog),
        LogicalPlan::Projection(projection) => {
            let input = projection.input.schema();
            let from: Vec<Option<usize>> = projection.expr.iter().map(|e| position(e, input)).collect();
            let moved = |old: &usize| from.iter().position(|f| *f == Some(*old));
            let all = keys(&projection.input, catalog);
            // One column may stand in several places, and be the key in each.
            let single = all.iter().filter(|key| key.len() == 1).flatten();
            let single = single.flat_map(|old| (0..from.len()).filter(|i| from[*i] == Some(*old)));
            let several = all.iter().filter(|key| key.len() > 1);
            let several = several.filter_map(|key| key.iter().map(moved).collect());
            single.map(|index| Key::from([index])).chain(several).collect()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = aggregate.input.schema();
            let groups: Vec<Option<usize>> =
                aggregate.group_expr.iter().map(|e| position(e, input)).collect();
            let moved = |old: &usize| groups.iter().position(|g| *g == Some(*old));
            let kept = keys(&aggregate.input, catalog);
            let kept = kept.iter().filter_map(|key| key.iter().map(moved).collect());
            kept.chain([(0..aggregate.group_expr.len()).collect()]).collect()
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let mut all = keys(input, catalog);
            all.push((0..input.schema().fields().len()).collect());
            all
        }
        LogicalPlan::Join(join) => join_keys(join, catalog),
        _ => Vec::new(),
    }
}

/// A side keeps its keys if each of its rows meets at most one of the other. What is unique NULLs aside repeats where
/// NULL meets NULL.
fn join_keys(join: &Join, catalog: &Catalog) -> Vec<Key> {
    let left_on: Key = join
        .on
        .iter()
        .filter_map(|(l, _)| position(l, join.left.schema()))
        .collect();
    let right_on: Key = join
        .on
        .iter()
        .filter_map(|(_, r)| position(r, join.right.schema()))
        .collect();
    // Each side is asked once: asking again on the way up would take exponential time in a chain of joins.
    let (left, right) = (keys(&join.left, catalog), keys(&join.right, catalog));
    let once = |keys: &[Key], on: &Key| {
        join.null_equality == NullEquality::NullEqualsNothing
            && !on.is_empty()
            && keys.iter().any(|key| key.is_subset(on))
    };
    let (left_once, right_once) = (once(&right, &right_on), once(&left, &left_on));
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        JoinType::Left if left_once => left,
        JoinType::Inner => {
            let offset = join.left.schema().fields().len();
            let shifted = right
                .into_iter()
                .map(|key| key.into_iter().map(|i| i + offset).collect());
            let left = left.into_iter().filter(|_| left_once);
            left.chain(shifted.filter(|_| right_once)).collect()
        }
        _ => Vec::new(),
    }
}

/// Where a bare column stands in its input. A cast is not bare: it may make two values one.
pub(super) fn position(expr: &Expr, schema: &datafusion::common::DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        Expr::Alias(alias) => position(&alias.expr, schema),
        _ => None,
    }
}
