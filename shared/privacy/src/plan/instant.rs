//! `now()` and its like as what they are: one instant for the whole statement, which its caller gives.
//!
//! A run has several plans, and may be tried again; evaluated by the engine, each would see another instant. As a
//! literal it is bound like the value of a parameter: part of what is asked, and of what an answer is kept under.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

const NANOS_OF_DAY: i64 = 86_400_000_000_000;

/// The plan with the instant in place of every call.
pub(super) fn bind(plan: LogicalPlan, now: i64) -> Result<LogicalPlan> {
    let bound = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let bound = expr.transform_up(|part| {
                Ok(match instant(&part, now) {
                    Some(value) => Transformed::yes(Expr::Literal(value, None)),
                    None => Transformed::no(part),
                })
            })?;
            Ok(bound.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(bound.data)
}

/// The value of a call, of the type that it has.
fn instant(expr: &Expr, now: i64) -> Option<ScalarValue> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    if !call.args.is_empty() || !["now", "current_date", "current_time"].contains(&call.func.name()) {
        return None;
    }
    let value = match expr.get_type(&DFSchema::empty()).ok()? {
        DataType::Date32 => ScalarValue::Date32(i32::try_from(now.div_euclid(NANOS_OF_DAY)).ok()),
        DataType::Time64(_) => ScalarValue::Time64Nanosecond(Some(now.rem_euclid(NANOS_OF_DAY))),
        DataType::Timestamp(_, zone) => ScalarValue::TimestampNanosecond(Some(now), zone),
        _ => return None,
    };
    Some(value)
}
