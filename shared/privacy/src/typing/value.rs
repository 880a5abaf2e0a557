//! Aggregates as values of a release: which ones, and over what.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::AggregateFunction;

use super::Typer;
use super::argument::Taken;
use super::case::{Uncased, uncased};
use super::expression::first_position;
use super::types::{Restricted, Scope};
use crate::policy::AggregateKind;
use crate::release::{Value, ValueKind};
use crate::violation::{Position, Violation, ViolationCode};

impl Typer<'_> {
    pub(super) fn value(&mut self, expr: &Expr, scope: &Scope<'_>, rows: &Restricted) -> Option<Value> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
            self.violations.push(super::not_understood());
            return None;
        };
        let name = func.name().to_lowercase();
        let kind = match (name.as_str(), params.distinct) {
            ("count", false) => (ValueKind::Count, AggregateKind::Count),
            ("count", true) => (ValueKind::CountDistinct, AggregateKind::CountDistinct),
            ("sum", false) => (ValueKind::Sum, AggregateKind::Sum),
            ("avg" | "mean", false) => (ValueKind::Avg, AggregateKind::Avg),
            ("stddev" | "stddev_samp", false) => {
                (ValueKind::Stddev { population: false }, AggregateKind::Stddev)
            }
            ("stddev_pop", false) => (ValueKind::Stddev { population: true }, AggregateKind::Stddev),
            ("var" | "var_samp" | "var_sample", false) => {
                (ValueKind::Var { population: false }, AggregateKind::Var)
            }
            ("var_pop" | "var_population", false) => {
                (ValueKind::Var { population: true }, AggregateKind::Var)
            }
            _ => {
                return self.refuse_aggregate(
                    &name,
                    params.distinct,
                    params.args.iter().find_map(first_position),
                );
            }
        };
        let (kind, allowed) = kind;
        if !params.order_by.is_empty() || params.null_treatment.is_some() {
            self.violations.push(Violation::new(
                ViolationCode::ClauseNotSupported,
                "H15",
                "ORDER BY and IGNORE NULLS within an aggregate are not supported over other tenants' rows.",
            ));
            return None;
        }
        let Uncased {
            kind,
            args,
            condition,
            or_zero: _,
        } = uncased(kind, &params.args, scope);
        let mut listed = self.is_listed(allowed, &name, rows);
        if kind == ValueKind::Count {
            listed &= self.is_listed(AggregateKind::Count, "count", rows);
        }
        let conditions = params.filter.as_deref().cloned().into_iter().chain(condition);
        let taken = self.argument(kind, &args, scope, rows);
        let filter = match conditions.reduce(Expr::and) {
            None => Some(None),
            Some(filter) => self.conditional(&filter, scope, rows).map(Some),
        };
        let (Taken { argument, component }, filter) = (taken?, filter?);
        let mut lineage = argument
            .as_ref()
            .map(|a| a.column.lineage.clone())
            .unwrap_or_default();
        let filter = filter.map(|(expr, control)| {
            lineage.extend(control);
            expr
        });
        listed.then_some(Value {
            kind,
            argument,
            filter,
            component,
            lineage,
        })
    }

    /// Minimum, median and their like are values of single rows; so is what depends on which values are distinct.
    pub(super) fn refuse_aggregate<T>(
        &mut self,
        name: &str,
        distinct: bool,
        at: Option<Position>,
    ) -> Option<T> {
        let name = name.to_uppercase();
        let shown = if distinct {
            format!("{name}(DISTINCT …)")
        } else {
            name
        };
        let message = format!("{shown} reveals single values of other tenants' rows.");
        let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message).at(at);
        self.violations
            .push(violation.rewrite("COUNT, COUNT(DISTINCT join column), SUM, AVG, STDDEV or VAR"));
        None
    }

    /// Every table that the rows come from must list the aggregate.
    pub(super) fn is_listed(&mut self, kind: AggregateKind, name: &str, rows: &Restricted) -> bool {
        let mut listed = true;
        for source in rows.sources.keys() {
            let info = self.source(*source);
            if !info.policy.aggregates.contains(&kind) {
                let table = info.table.full_name();
                let distinct = if kind == AggregateKind::CountDistinct {
                    "(DISTINCT …)"
                } else {
                    ""
                };
                let message = format!(
                    "The policy of {table} does not list {}{distinct}.",
                    name.to_uppercase()
                );
                let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message);
                self.violations.push(violation.table(table));
                listed = false;
            }
        }
        listed
    }
}
