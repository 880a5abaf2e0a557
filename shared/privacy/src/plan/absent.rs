//! `LEFT JOIN … WHERE right.key IS NULL` is an anti join, and is planned as one.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, ExprSchema, JoinType, NullEquality, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule. An equated key is NULL exactly where its side is absent, because NULL equals nothing.
#[derive(Debug)]
pub(super) struct AbsentKeyToAntiJoin;

impl OptimizerRule for AbsentKeyToAntiJoin {
    fn name(&self) -> &str {
        "absent_key_to_anti_join"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let LogicalPlan::Join(join) = filter.input.as_ref() else {
            return Ok(Transformed::no(plan));
        };
        let anti = match join.join_type {
            JoinType::Left => JoinType::LeftAnti,
            JoinType::Right => JoinType::RightAnti,
            _ => return Ok(Transformed::no(plan)),
        };
        let conditions = split_conjunction(&filter.predicate);
        let (absent, rest): (Vec<&Expr>, Vec<&Expr>) =
            conditions.into_iter().partition(|c| is_absent_key(c, join));
        if absent.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let kept = anti_join(join, anti)?;
        Ok(Transformed::yes(match conjunction(rest.into_iter().cloned()) {
            None => kept,
            Some(rest) => LogicalPlan::Filter(Filter::try_new(rest, Arc::new(kept))?),
        }))
    }
}

fn is_absent_key(condition: &Expr, join: &Join) -> bool {
    let Expr::IsNull(inner) = condition else {
        return false;
    };
    if join.null_equality == NullEquality::NullEqualsNull {
        return false;
    }
    join.on.iter().any(|(l, r)| {
        let key = if join.join_type == JoinType::Left { r } else { l };
        matches!(key, Expr::Column(_)) && key == inner.as_ref()
    })
}

/// The rows without a match; NULL for every column of the other side.
fn anti_join(join: &Join, join_type: JoinType) -> Result<LogicalPlan> {
    let anti = Join::try_new(
        Arc::clone(&join.left),
        Arc::clone(&join.right),
        join.on.clone(),
        join.filter.clone(),
        join_type,
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    let kept = Arc::clone(&anti.schema);
    let column = |column: Column, schema: &DFSchema| -> Result<Expr> {
        if kept.has_column(&column) {
            return Ok(Expr::Column(column));
        }
        let null = ScalarValue::try_from(schema.field_from_column(&column)?.data_type())?;
        Ok(Expr::Literal(null, None).alias_qualified(column.relation, column.name))
    };
    let columns = join.schema.columns().into_iter().map(|c| column(c, &join.schema));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(LogicalPlan::Join(anti))
        .project(columns)?
        .build()
}
