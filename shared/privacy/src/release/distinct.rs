//! COUNT(DISTINCT …) of something that is not the unit.
//!
//! A join column that identifies something else than the protected individuals: how many of them there are, no unit
//! having more than its share of the pairs. A dimension: how many values it has that enough units have; values of a
//! few would be told by the count as surely as by name (H9).

use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, max, sum};
use datafusion::logical_expr::expr_fn::col;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit};

use super::rewrite::{Builder, beside};
use super::{Argument, Check, Value};
use crate::policy::ColumnUse;
use crate::typing::{Presence, SourceId};

/// A relation of one row a group that stands beside the second level.
#[derive(Debug)]
pub(super) struct Extra {
    kind: Kind,
    unit: Expr,
    column: Expr,
    filter: Option<Expr>,
    /// Where the count stands in the engine's rows, if this relation has it.
    pub(super) count: Option<usize>,
}

#[derive(Debug)]
enum Kind {
    /// Names of the count, and of the largest and total number of pairs.
    Others {
        count: Option<String>,
        largest: String,
        total: String,
    },
    /// Name of the count, and units that a value needs.
    Dimension { count: String, min: i64 },
}

pub(super) fn beyond_units(
    builder: &mut Builder<'_, '_>,
    (class, unit, presence): (SourceId, &Expr, Presence),
    value: &Value,
    argument: &Argument,
    column: Expr,
    filter: Option<&Expr>,
) -> Extra {
    let at = |builder: &Builder<'_, '_>| builder.question.groups.len() + builder.metrics.len() - 1;
    let (unit, filter) = (unit.clone(), filter.cloned());
    if !argument.column.is(ColumnUse::Join) {
        let name = builder.new_metric();
        let kind = Kind::Dimension {
            count: name,
            min: builder.min_units(class, &value.lineage),
        };
        return Extra {
            kind,
            unit,
            column,
            filter,
            count: Some(at(builder)),
        };
    }
    // Where another class counts it as its unit, that class has the number.
    let classes = &builder.question.classes;
    let elsewhere = classes
        .keys()
        .any(|c| builder.question.rows.is_unit_of(&argument.column, *c));
    let (name, position) = if elsewhere {
        (None, None)
    } else {
        let name = builder.new_metric();
        (Some(name), Some(at(builder)))
    };
    let largest_name = builder.new_metric();
    let largest = at(builder);
    let total_name = builder.new_metric();
    let total = at(builder);
    let max = builder.max_share(class);
    if presence != Presence::Never {
        builder.checks.push(Check::Share { largest, total, max });
    }
    let kind = Kind::Others {
        count: name,
        largest: largest_name,
        total: total_name,
    };
    Extra {
        kind,
        unit,
        column,
        filter,
        count: position,
    }
}

impl Extra {
    /// The relation over the rows of the release.
    pub(super) fn plan(&self, base: &LogicalPlan, keys: &[Expr]) -> Result<LogicalPlan> {
        // A unit that is absent is none.
        let present = self.unit.clone().is_not_null();
        let there = self.column.clone().is_not_null();
        let there = self
            .filter
            .iter()
            .fold(there, |condition, filter| condition.and(filter.clone()));
        let with = |more: &[Expr]| keys.iter().chain(more).cloned().collect::<Vec<_>>();
        let none = Vec::<Expr>::new;
        let rows = LogicalPlanBuilder::from(base.clone()).filter(there)?;
        let pairs = rows
            .clone()
            .filter(present)?
            .aggregate(with(&[self.unit.clone(), self.column.clone()]), none())?;
        match &self.kind {
            Kind::Dimension { count: name, min } => {
                let values = pairs.aggregate(
                    with(std::slice::from_ref(&self.column)),
                    [count(lit(1_i64)).alias("n")],
                )?;
                let enough = values.filter(col("n").gt_eq(lit(*min)))?;
                enough
                    .aggregate(keys.to_vec(), [count(lit(1_i64)).alias(name)])?
                    .build()
            }
            Kind::Others {
                count: name,
                largest,
                total,
            } => {
                let by_unit = pairs.aggregate(
                    with(std::slice::from_ref(&self.unit)),
                    [count(lit(1_i64)).alias("n")],
                )?;
                let shares = [max(col("n")).alias(largest), sum(col("n")).alias(total)];
                let shares = by_unit.aggregate(keys.to_vec(), shares)?.build()?;
                let Some(name) = name else {
                    return Ok(shares);
                };
                let values = rows.aggregate(with(std::slice::from_ref(&self.column)), none())?;
                let number = values
                    .aggregate(keys.to_vec(), [count(lit(1_i64)).alias(name)])?
                    .build()?;
                beside(
                    number,
                    shares,
                    &(0..keys.len()).collect::<Vec<_>>(),
                    JoinType::Inner,
                )
            }
        }
    }
}
