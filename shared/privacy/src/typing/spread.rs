//! Joins and conditions of a union: as the union of those of its branches.
//!
//! `(a UNION ALL b) JOIN c` has the rows of `(a JOIN c) UNION ALL (b JOIN c)`, and each join is typed by the rules of
//! joins: keys, uniqueness, and what either owner says. So it is with rows that are kept for a match: of the union as
//! of each branch. Rows that are kept *without* one, or that the union as a whole selects, are another matter.

use std::sync::Arc;

use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, LogicalPlan, Projection, SubqueryAlias, Union,
};

use super::Typer;
use super::join::Side;
use super::keys::position;
use super::types::{Restricted, Typed, named};
use crate::violation::{Violation, ViolationCode};

/// Branches that a join is repeated for.
const MOST_BRANCHES: usize = 16;

/// Whether rows are those of a union, each as often as its branches have it.
pub(super) fn is_all_rows(rows: &Restricted) -> bool {
    let branches = rows.absence.branches.as_ref();
    branches.is_some_and(|branches| !branches.distinct && !branches.of_distinct)
}

impl Typer<'_> {
    /// A condition on a union's rows is one on each branch's: there it does not select by the branch.
    pub(super) fn union_filter(&mut self, filter: &Filter, rows: Restricted) -> Option<Typed> {
        let plan = LogicalPlan::Filter(filter.clone());
        let Some(branches) = branches_of(&plan) else {
            return self.filter(filter, rows);
        };
        let inputs = self.built(branches)?.into_iter().map(Arc::new).collect();
        let schema = Arc::clone(plan.schema());
        self.node(&LogicalPlan::Union(Union { inputs, schema }))
    }

    /// A join of which one side is a union of restricted rows; the other is none.
    pub(super) fn union_join(&mut self, join: &Join, left: &Side<'_>, right: &Side<'_>) -> Option<Typed> {
        let of_left = left.absence.branches.as_ref();
        let branches = match (of_left, &right.absence.branches) {
            (Some(branches), None) | (None, Some(branches)) => branches,
            _ => return self.refuse_union_in_join(),
        };
        if branches.distinct || branches.of_distinct {
            return self.refuse_union_in_join();
        }
        let (union, other) = if of_left.is_some() {
            (&join.left, right)
        } else {
            (&join.right, left)
        };
        if join.join_type == JoinType::Inner && self.is_repeated(other) {
            return None;
        }
        let Some(branches) = branches_of(union) else {
            return self.refuse_union_in_join();
        };
        let branches = self.built(branches)?;
        if branches.len() > MOST_BRANCHES {
            return self.refuse_union_in_join();
        }
        let joins = branches.into_iter().map(|branch| {
            let sides = if of_left.is_some() {
                (Arc::new(branch), Arc::clone(&join.right))
            } else {
                (Arc::clone(&join.left), Arc::new(branch))
            };
            joined(join, sides).map(Arc::new)
        });
        let inputs = self.built(joins.collect::<Result<Vec<_>>>())?;
        let schema = Arc::clone(&join.schema);
        self.node(&LogicalPlan::Union(Union { inputs, schema }))
    }

    /// The individuals of a union that have a match: those of its rows that have one. The key that is compared is the
    /// one by which the union is distinct.
    pub(super) fn distinct_union_semi_join(&mut self, join: &Join, other: &Side<'_>) -> Option<Typed> {
        let ([(key, of_other)], None) = (join.on.as_slice(), &join.filter) else {
            return self.refuse_union_in_join();
        };
        let plan = position(key, join.left.schema()).and_then(|key| {
            below_distinct(&join.left, key, &|input, key| {
                Join::try_new(
                    Arc::clone(input),
                    Arc::clone(&join.right),
                    vec![(key.clone(), of_other.clone())],
                    None,
                    JoinType::LeftSemi,
                    join.join_constraint,
                    // An individual's key is never NULL.
                    NullEquality::NullEqualsNothing,
                    false,
                )
                .map(LogicalPlan::Join)
            })
        });
        if other.absence.branches.is_some() {
            return self.refuse_union_in_join();
        }
        let Some(plan) = plan else {
            return self.refuse_union_in_join();
        };
        let plan = self.built(plan)?;
        self.node(&plan)
    }

    /// Whether a source of the side does not accept that each branch has its rows once more.
    fn is_repeated(&mut self, side: &Side<'_>) -> bool {
        let mut sources = side.sources.keys().map(|source| self.source(*source));
        let Some(strict) = sources.find(|source| !source.policy.joins.fan_out) else {
            return false;
        };
        let table = strict.table.full_name();
        let message = format!("The policy of {table} does not allow a join that may repeat its rows.");
        let violation = Violation::new(ViolationCode::JoinNotAllowed, "join", message).table(table);
        self.violations
            .push(violation.rewrite("a query of its own for each branch of the union"));
        true
    }
}

fn joined(join: &Join, (left, right): (Arc<LogicalPlan>, Arc<LogicalPlan>)) -> Result<LogicalPlan> {
    Join::try_new(
        left,
        right,
        join.on.clone(),
        join.filter.clone(),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )
    .map(LogicalPlan::Join)
}

/// The branches of the union that a plan is, each with what the plan does to the union; nothing if it is none.
fn branches_of(plan: &LogicalPlan) -> Option<Result<Vec<LogicalPlan>>> {
    let each = |input: &LogicalPlan, above: &dyn Fn(LogicalPlan) -> Result<LogicalPlan>| {
        let branches = branches_of(input)?;
        Some(branches.and_then(|all| all.into_iter().map(above).collect()))
    };
    match plan {
        LogicalPlan::Union(union) => {
            let branch = |input: &Arc<LogicalPlan>| {
                let columns = input.schema().columns().into_iter().map(Expr::Column).enumerate();
                let exprs = columns.map(|(index, column)| named(column, &union.schema, index));
                Projection::try_new(exprs.collect(), Arc::clone(input)).map(LogicalPlan::Projection)
            };
            Some(union.inputs.iter().map(branch).collect())
        }
        LogicalPlan::SubqueryAlias(alias) => each(&alias.input, &|branch| {
            SubqueryAlias::try_new(Arc::new(branch), alias.alias.clone()).map(LogicalPlan::SubqueryAlias)
        }),
        LogicalPlan::Projection(projection) => each(&projection.input, &|branch| {
            Projection::try_new(projection.expr.clone(), Arc::new(branch)).map(LogicalPlan::Projection)
        }),
        LogicalPlan::Filter(filter) => each(&filter.input, &|branch| {
            Filter::try_new(filter.predicate.clone(), Arc::new(branch)).map(LogicalPlan::Filter)
        }),
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::Inner | JoinType::LeftSemi) => {
            let left = each(&join.left, &|branch| {
                joined(join, (Arc::new(branch), Arc::clone(&join.right)))
            });
            left.or_else(|| {
                let inner = join.join_type == JoinType::Inner;
                inner.then(|| {
                    each(&join.right, &|branch| {
                        joined(join, (Arc::clone(&join.left), Arc::new(branch)))
                    })
                })?
            })
        }
        _ => None,
    }
}

/// The plan with something done to the rows that it makes distinct by the column at `key`.
fn below_distinct(
    plan: &LogicalPlan,
    key: usize,
    select: &dyn Fn(&Arc<LogicalPlan>, &Expr) -> Result<LogicalPlan>,
) -> Option<Result<LogicalPlan>> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let input = below_distinct(&alias.input, key, select)?;
            Some(input.and_then(|input| {
                SubqueryAlias::try_new(Arc::new(input), alias.alias.clone()).map(LogicalPlan::SubqueryAlias)
            }))
        }
        LogicalPlan::Projection(projection) => {
            let key = position(projection.expr.get(key)?, projection.input.schema())?;
            let input = below_distinct(&projection.input, key, select)?;
            Some(input.and_then(|input| {
                Projection::try_new(projection.expr.clone(), Arc::new(input)).map(LogicalPlan::Projection)
            }))
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.len() == 1 && key == 0 => {
            let kept = select(&aggregate.input, aggregate.group_expr.first()?);
            Some(kept.and_then(|kept| {
                let (group, values) = (aggregate.group_expr.clone(), aggregate.aggr_expr.clone());
                Aggregate::try_new(Arc::new(kept), group, values).map(LogicalPlan::Aggregate)
            }))
        }
        _ => None,
    }
}
