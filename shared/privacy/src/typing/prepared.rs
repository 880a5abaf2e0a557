//! Open rows that will meet restricted ones: how the caller may prepare its list.
//!
//! An engine evaluates what it likes when it likes: after a join, or only for rows that a join lets through. An
//! expression that fails on one row of the caller's list would then tell, by failing, whether that row matched. So
//! the list is prepared by total expressions, as restricted rows are. And it is the same list whenever it is read,
//! because a release may read it several times: no LIMIT, no window, no aggregate that depends on order.

use arrow::datatypes::DataType;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan};

use super::Typer;
use super::expression::Place;
use super::types::{ColumnType, Lineage, Scope};
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// The plan of an open side with total expressions; nothing if one of them was refused.
    pub(super) fn prepared(&mut self, plan: &LogicalPlan) -> Option<LogicalPlan> {
        let inputs: Vec<Option<LogicalPlan>> = plan
            .inputs()
            .into_iter()
            .map(|input| self.prepared(input))
            .collect();
        let place = match plan {
            LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_) => return Some(plan.clone()),
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Projection(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Distinct(Distinct::All(_)) => Place::Select,
            LogicalPlan::Filter(_) => Place::Where,
            LogicalPlan::Join(_) => Place::On,
            LogicalPlan::Aggregate(_) => Place::GroupBy,
            LogicalPlan::Limit(_) => return self.refuse_preparation("LIMIT"),
            LogicalPlan::Window(_) => return self.refuse_preparation("A window function"),
            _ => return self.refuse_preparation("This step"),
        };
        let mut exprs = Vec::new();
        for expr in plan.expressions() {
            exprs.push(self.prepared_expression(&expr, plan, place));
        }
        let (inputs, exprs) = (
            inputs.into_iter().collect::<Option<_>>()?,
            exprs.into_iter().collect::<Option<_>>()?,
        );
        let rebuilt = plan.with_new_exprs(exprs, inputs);
        self.built(rebuilt)
    }

    fn prepared_expression(&mut self, expr: &Expr, plan: &LogicalPlan, place: Place) -> Option<Expr> {
        if matches!(expr, Expr::Column(_)) {
            return Some(expr.clone());
        }
        let mut schema = datafusion::common::DFSchema::empty();
        for input in plan.inputs() {
            schema = self.built(schema.join(input.schema()))?;
        }
        let columns = vec![ColumnType::open(Lineage::new(), None); schema.fields().len()];
        let scope = Scope {
            schema: &schema,
            columns: &columns,
        };
        let name = match expr {
            Expr::Alias(alias) => (alias.relation.clone(), alias.name.clone()),
            _ => expr.qualified_name(),
        };
        let total = match expr.clone().unalias() {
            Expr::AggregateFunction(aggregate) => self.prepared_aggregate(&aggregate, &scope)?,
            other => self.total(&other, &scope, place)?.expr,
        };
        // A rewritten expression would have another name, which the nodes above do not know.
        Some(match plan {
            LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => total.alias_qualified(name.0, name.1),
            _ => total,
        })
    }

    fn prepared_aggregate(&mut self, aggregate: &AggregateFunction, scope: &Scope<'_>) -> Option<Expr> {
        let AggregateFunction { func, params } = aggregate;
        let whole = |arg: &Expr| {
            arg.get_type(scope.schema)
                .is_ok_and(|t| matches!(t, DataType::Int64 | DataType::UInt64))
        };
        let good = match func.name() {
            "count" | "min" | "max" | "bool_and" | "bool_or" => true,
            "sum" => params.args.iter().all(whole),
            _ => false,
        };
        if !good || !params.order_by.is_empty() || params.null_treatment.is_some() {
            return self.refuse_preparation(&format!("The aggregate {}", func.name().to_uppercase()));
        }
        let mut rewritten = aggregate.clone();
        rewritten.params.args.clear();
        for arg in &params.args {
            rewritten
                .params
                .args
                .push(self.total(arg, scope, Place::Select)?.expr);
        }
        if let Some(filter) = &params.filter {
            rewritten.params.filter = Some(Box::new(self.total(filter, scope, Place::Filter)?.expr));
        }
        Some(Expr::AggregateFunction(rewritten))
    }

    fn refuse_preparation<T>(&mut self, what: &str) -> Option<T> {
        let message = format!(
            "{what} cannot prepare a list that is joined with rows of another tenant's table: the list must be the same \
             whenever it is read, and must not fail on a row."
        );
        let violation = Violation::new(ViolationCode::BelowRelease, "total", message);
        self.violations
            .push(violation.rewrite("a table of your own that holds the prepared list"));
        None
    }
}
