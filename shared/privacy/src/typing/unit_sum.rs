//! Sums and averages of each unit's measures: measures of the unit.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_fn::{col, when};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, TryCast, lit};

use super::Typer;
use super::case::without_float;
use super::expression::{bare_column, first_position};
use super::types::{ColumnType, Kind, Scope, SourceId};
use super::unit_value::{UnitValue, rebuilt};
use super::units::aggregated;
use crate::policy::{DEFAULT_SCALE, Expressions, MAX_SCALE};
use crate::release::exact;
use crate::violation::{Violation, ViolationCode};

/// Decimals that a mean has beyond those of its numbers.
const MEAN_DECIMALS: u8 = 4;

impl Typer<'_> {
    /// Sums and averages of measures, exact whatever the order of rows. Rows for which `or_zero` does not hold are 0.
    pub(super) fn unit_sum(
        &mut self,
        function: &AggregateFunction,
        (condition, or_zero): (Option<Box<Expr>>, Option<Expr>),
        scope: &Scope<'_>,
        first: usize,
    ) -> Option<UnitValue> {
        let [arg] = function.params.args.as_slice() else {
            self.violations.push(super::not_understood());
            return None;
        };
        let (taken, data_type, mut column) = self.measured(arg, scope)?;
        let scale = column.measure.as_ref().map_or(DEFAULT_SCALE, |m| m.scale);
        let mut value = exact(&taken, &data_type, scale);
        if let Some(condition) = or_zero {
            let zero = ScalarValue::new_zero(&value.get_type(scope.schema).ok()?);
            let zero = Expr::Literal(self.built(zero)?, None);
            let or_zero = when(condition, value).otherwise(zero);
            value = self.built(or_zero)?;
            // Who adds nothing has 0 now; and is in the sum as little as with NULL (H7, H13).
            column.measure.iter_mut().for_each(|m| m.zero_is_none = true);
        }
        let original = Expr::AggregateFunction(function.clone());
        let to = original.get_type(scope.schema).ok()?;
        let with = |aggregate: Expr| match aggregate {
            Expr::AggregateFunction(f) => {
                let args = f.params.args.clone();
                rebuilt(&f, args, condition.clone(), Vec::new())
            }
            other => other,
        };
        let total = with(sum(value.clone()));
        if function.func.name() == "sum" {
            return Some(UnitValue {
                aggregates: vec![total],
                value: Some(Expr::TryCast(TryCast::new(Box::new(col(aggregated(first))), to))),
                column,
            });
        }
        let float = |e: Expr| Expr::Cast(Cast::new(Box::new(e), DataType::Float64));
        let number = float(nullif(col(aggregated(first + 1)), lit(0_i64)));
        if let Some(measure) = &mut column.measure {
            measure.scale = (measure.scale + MEAN_DECIMALS).min(MAX_SCALE);
        }
        let mean = float(col(aggregated(first))) / number;
        Some(UnitValue {
            aggregates: vec![total, with(count(value))],
            value: Some(Expr::TryCast(TryCast::new(Box::new(mean), to))),
            column,
        })
    }

    /// A measure as a sum takes it: bare, or one product.
    pub(super) fn measured(
        &mut self,
        expr: &Expr,
        scope: &Scope<'_>,
    ) -> Option<(Expr, DataType, ColumnType)> {
        if let Some(name) = bare_column(without_float(expr, scope), scope) {
            let found = scope.column(name)?;
            if found.kind == Kind::Open {
                return self.refuse_own_value(name);
            }
            if let Some(measure) = &found.measure {
                let bare = Expr::Column(name.clone());
                let data_type = bare.get_type(scope.schema).ok()?;
                let mut measure = measure.clone();
                // Bounds and bins are of one row's value.
                (measure.bounds, measure.bins) = (None, None);
                let column = ColumnType::measured(found.lineage.clone(), measure);
                return Some((bare, data_type, column));
            }
        }
        let found = self.polynomial(expr, scope)?;
        if !self.allows_arithmetic(&found.measure.sources) {
            return None;
        }
        if found.products.len() > 1 {
            let message = "Here a measure may be multiplied, not added to another: each is checked on its own where it is released.";
            let violation = Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message);
            self.violations.push(
                violation
                    .at(first_position(expr))
                    .rewrite("the columns side by side, and SUM(a + b) where they are released"),
            );
            return None;
        }
        let column = ColumnType::measured(found.lineage, found.measure);
        Some((found.expr, found.data_type, column))
    }

    /// Whether the owners of these measures let them be computed with.
    fn allows_arithmetic(&mut self, sources: &BTreeSet<SourceId>) -> bool {
        let mut allowed = true;
        for source in sources {
            let info = self.source(*source);
            if info.policy.expressions < Expressions::Arithmetic {
                let table = info.table.full_name();
                let message = format!(
                    "Computing with a measure of {table} is not among what its policy allows: aggregates take bare columns."
                );
                let violation =
                    Violation::new(ViolationCode::ExpressionNotAllowed, "H8", message).table(table);
                self.violations.push(
                    violation.rewrite("SUM or another aggregate of the bare column, computed with above it"),
                );
                allowed = false;
            }
        }
        allowed
    }
}
