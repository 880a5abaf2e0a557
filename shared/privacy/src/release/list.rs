//! The release of an overlap list: the rows as they are, if enough individuals are in them.

use datafusion::common::DFSchemaRef;
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use super::{Check, Release, Released, output};
use crate::typing::{Restricted, Typer};

/// Rows of the caller's own; nothing if it was refused.
pub(crate) fn list(
    typer: &mut Typer<'_>,
    rows: &Restricted,
    original: &DFSchemaRef,
    number: usize,
) -> Option<Released> {
    let keys = rows.columns.len();
    let mut checks = Vec::new();
    for (index, source) in rows.sources.keys().enumerate() {
        let info = typer.source(*source);
        let (policy, asked) = (info.policy, info.threshold());
        let by_column = rows.control.iter().filter(|(s, _)| s == source);
        let by_column = by_column.filter_map(|(_, name)| policy.columns.get(name)?.min_units);
        let min = by_column.chain([asked.min_units, 2]).max().unwrap_or(u64::MAX);
        let min = i64::try_from(min).unwrap_or(i64::MAX);
        checks.push(Check::AtLeast {
            column: keys + index,
            min,
        });
    }
    let plan = counted(rows, keys);
    let plan = typer.built(plan)?;
    let schema = output::schema(original);
    let placeholder = output::placeholder(original, number, &schema);
    let release = Release {
        number,
        plan,
        schema,
        keys,
        checks,
        values: Vec::new(),
        round_to: 1,
    };
    Some(Released {
        release,
        plan: typer.built(placeholder)?,
    })
}

/// The rows, each beside the number of units of every source in all of them.
fn counted(rows: &Restricted, keys: usize) -> Result<LogicalPlan> {
    let fields = rows.plan.schema().columns().into_iter().take(keys).enumerate();
    let visible = fields.map(|(i, column)| Expr::Column(column).alias(format!("g{i}")));
    let mut plan = LogicalPlanBuilder::from(rows.plan.clone()).project(visible)?;
    for (index, source) in rows.sources.keys().enumerate() {
        let Some(unit) = rows.unit(*source) else {
            return datafusion::common::plan_err!("a source has no unit");
        };
        let none = Vec::<Expr>::new;
        let units = LogicalPlanBuilder::from(rows.plan.clone())
            .aggregate([Expr::Column(unit)], none())?
            .aggregate(none(), [count(lit(1_i64)).alias(format!("m{index}"))])?
            .build()?;
        plan = plan.cross_join(units)?;
    }
    plan.build()
}
