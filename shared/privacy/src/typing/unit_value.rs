//! What an aggregate gives for each unit: a dimension of the individual, a measure, or both.

use std::sync::Arc;

use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Sort};
use datafusion::logical_expr::{Expr, lit};

use super::Typer;
use super::case::uncased;
use super::expression::{Place, bare_column, first_position};
use super::types::{ColumnType, Component, Kind, Lineage, Measure, Restricted, Scope, SourceId};
use crate::policy::{AggregateKind, ColumnUse, Expressions};
use crate::release::ValueKind;
use crate::violation::{Violation, ViolationCode};

/// An aggregate of each unit: what the engine aggregates, and the value made of it.
pub(super) struct UnitValue {
    pub(super) aggregates: Vec<Expr>,
    /// Of columns that [`super::units::aggregated`] names; without it the aggregate itself.
    pub(super) value: Option<Expr>,
    pub(super) column: ColumnType,
}

impl Typer<'_> {
    /// `first` is the number of aggregates before it.
    pub(super) fn unit_value(
        &mut self,
        expr: &Expr,
        scope: &Scope<'_>,
        rows: &Restricted,
        first: usize,
    ) -> Option<UnitValue> {
        let Expr::AggregateFunction(function) = expr.clone().unalias() else {
            self.violations.push(super::not_understood());
            return None;
        };
        let (function, case, or_zero) = without_case(function, scope);
        let (name, params) = (function.func.name().to_lowercase(), &function.params);
        let listed = match (name.as_str(), params.distinct) {
            ("count", false) => Some(AggregateKind::Count),
            ("count", true) => Some(AggregateKind::CountDistinct),
            ("sum", false) => Some(AggregateKind::Sum),
            ("avg" | "mean", false) => Some(AggregateKind::Avg),
            ("min" | "max" | "bool_and" | "bool_or" | "first_value" | "last_value", false) => None,
            _ => {
                let at = params.args.iter().find_map(first_position);
                return self.refuse_aggregate(&name, params.distinct, at);
            }
        };
        let listed = listed.is_none_or(|kind| self.is_listed(kind, &name, rows));
        let ordered = matches!(name.as_str(), "first_value" | "last_value");
        if params.null_treatment.is_some() || ordered == params.order_by.is_empty() {
            let message = if ordered {
                "FIRST_VALUE and LAST_VALUE of each individual need ORDER BY a dimension, without IGNORE NULLS."
            } else {
                "ORDER BY and IGNORE NULLS within this aggregate are not supported over other tenants' rows."
            };
            self.violations
                .push(Violation::new(ViolationCode::ClauseNotSupported, "H15", message));
            return None;
        }
        // With ELSE 0 it is not a condition of the sum: who has no such row has 0.
        let (case, or_zero) = if or_zero { (None, case) } else { (case, None) };
        let conditions = params.filter.as_deref().cloned().into_iter().chain(case);
        let mut control = Lineage::new();
        let mut condition = |typer: &mut Self, condition: Expr| {
            let total = typer.total(&condition, scope, Place::Filter)?;
            control.extend(total.lineage);
            Some(total.expr)
        };
        let filter = match conditions.reduce(Expr::and) {
            None => None,
            Some(filter) => Some(Box::new(condition(self, filter)?)),
        };
        let or_zero = match or_zero {
            None => None,
            Some(case) => Some(condition(self, case)?),
        };
        let conditional = filter.is_some() || or_zero.is_some();
        let mut value = match name.as_str() {
            "count" => self.unit_count(&function, filter, scope, rows),
            "sum" | "avg" | "mean" => self.unit_sum(&function, (filter, or_zero), scope, first),
            _ => self.unit_choice(&function, filter, scope),
        }?;
        if conditional {
            value.column.lineage.extend(control);
            self.made_conditional(&mut value.column, rows)?;
        }
        listed.then_some(value)
    }

    /// A sum of conditional numbers is a conditional sum: as such it is allowed, and compared with others, above.
    fn made_conditional(&mut self, column: &mut ColumnType, rows: &Restricted) -> Option<()> {
        let conditional = |s: &SourceId| self.source(*s).policy.expressions >= Expressions::Conditional;
        if column.is(ColumnUse::Dimension) && !rows.sources.keys().all(conditional) {
            column.uses.remove(&ColumnUse::Measure);
            column.measure = None;
            return Some(());
        }
        if let Some(measure) = &mut column.measure {
            measure.conditional = true;
            return self
                .allows(Expressions::Conditional, rows, "a condition in an aggregate")
                .then_some(());
        }
        Some(())
    }

    /// Rows, values that are there, or distinct ones.
    fn unit_count(
        &mut self,
        function: &AggregateFunction,
        condition: Option<Box<Expr>>,
        scope: &Scope<'_>,
        rows: &Restricted,
    ) -> Option<UnitValue> {
        let params = &function.params;
        let mut column = ColumnType::derived(Lineage::new());
        column.uses.insert(ColumnUse::Measure);
        column.measure = Some(Measure {
            sources: rows.sources.keys().copied().collect(),
            scale: 0,
            bounds: None,
            filter: false,
            bins: None,
            degree: 1,
            component: Component::Rows,
            conditional: false,
            zero_is_none: true,
        });
        let counted = match params.args.as_slice() {
            [] => None,
            [Expr::Literal(value, _)] if !value.is_null() && !params.distinct => None,
            [arg] => Some(arg),
            _ => {
                self.refuse_expression(&params.args[0], "COUNT of several columns", "COUNT of one column");
                return None;
            }
        };
        let arg = match counted {
            None => lit(1_i64),
            Some(arg) => {
                let bare = bare_column(arg, scope).and_then(|c| Some((c, scope.column(c)?)));
                match bare {
                    Some((name, found)) if found.kind == Kind::Open && !found.is(ColumnUse::Dimension) => {
                        return self.refuse_own_value(name);
                    }
                    Some((name, found)) if found.only_measured() && !params.distinct => {
                        column.uses.remove(&ColumnUse::Dimension);
                        column.lineage.extend(found.lineage.iter().cloned());
                        if let (Some(of), Some(by)) = (&mut column.measure, &found.measure) {
                            of.conditional = by.conditional;
                        }
                        Expr::Column(name.clone())
                    }
                    Some((name, found)) if found.is(ColumnUse::Join) => {
                        column.lineage.extend(found.lineage.iter().cloned());
                        Expr::Column(name.clone())
                    }
                    _ => {
                        let total = self.total(arg, scope, Place::Select)?;
                        self.no_own_values(arg, scope)?;
                        column.lineage.extend(total.lineage);
                        if bare.is_none() {
                            self.made_conditional(&mut column, rows)?;
                        }
                        total.expr
                    }
                }
            }
        };
        Some(UnitValue {
            aggregates: vec![rebuilt(function, vec![arg], condition, Vec::new())],
            value: None,
            column,
        })
    }

    /// The least, greatest, first or last: one of the values that are there.
    fn unit_choice(
        &mut self,
        function: &AggregateFunction,
        condition: Option<Box<Expr>>,
        scope: &Scope<'_>,
    ) -> Option<UnitValue> {
        let [arg] = function.params.args.as_slice() else {
            self.violations.push(super::not_understood());
            return None;
        };
        let ordered = !function.params.order_by.is_empty();
        let bare = bare_column(arg, scope).and_then(|name| Some((name, scope.column(name)?.clone())));
        let (arg, mut column) = match bare {
            Some((name, found)) if found.kind == Kind::Open && !found.is(ColumnUse::Dimension) => {
                return self.refuse_own_value(name);
            }
            Some((_, found)) if found.only_measured() && !ordered => {
                let mut measure = found.measure?;
                measure.bins = None;
                (
                    arg.clone().unalias(),
                    ColumnType::measured(found.lineage, measure),
                )
            }
            // Of a dimension with a least step the value keeps the step.
            Some((_, found)) if found.is(ColumnUse::Dimension) && found.step.is_some() => {
                let step = found.step;
                let derived = ColumnType::derived(found.lineage);
                (arg.clone().unalias(), ColumnType { step, ..derived })
            }
            _ => {
                let total = self.total(arg, scope, Place::Select)?;
                self.no_own_values(arg, scope)?;
                (total.expr, ColumnType::derived(total.lineage))
            }
        };
        let mut order = Vec::new();
        for Sort {
            expr,
            asc,
            nulls_first,
        } in &function.params.order_by
        {
            let bare = bare_column(expr, scope).and_then(|name| scope.column(name));
            let (expr, lineage) = match bare {
                // The order of an individual's own rows tells nothing of how far they are apart.
                Some(found) if found.is(ColumnUse::Dimension) => {
                    (expr.clone().unalias(), found.lineage.clone())
                }
                _ => {
                    let total = self.total(expr, scope, Place::Select)?;
                    (total.expr, total.lineage)
                }
            };
            column.lineage.extend(lineage);
            order.push(Sort::new(expr, *asc, *nulls_first));
        }
        if ordered {
            // Rows that the order leaves equal must not be chosen from by chance.
            order.push(Sort::new(arg.clone(), true, false));
        }
        Some(UnitValue {
            aggregates: vec![rebuilt(function, vec![arg], condition, order)],
            value: None,
            column,
        })
    }

    /// A column of the caller's own may be grouped by; an aggregate of it would tell what matched (H2).
    fn no_own_values(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<()> {
        let own = expr.column_refs().into_iter().find(|c| {
            scope
                .column(c)
                .is_some_and(|found| found.kind == Kind::Open && !found.is(ColumnUse::Dimension))
        });
        match own {
            Some(own) => self.refuse_own_value(own),
            None => Some(()),
        }
    }
}

pub(super) fn rebuilt(
    function: &AggregateFunction,
    args: Vec<Expr>,
    filter: Option<Box<Expr>>,
    order_by: Vec<Sort>,
) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(
        Arc::clone(&function.func),
        args,
        function.params.distinct,
        filter,
        order_by,
        None,
    ))
}

/// An aggregate without the CASE around its argument, what the CASE asks, and whether it is 0 elsewhere.
fn without_case(function: AggregateFunction, scope: &Scope<'_>) -> (AggregateFunction, Option<Expr>, bool) {
    let kind = match (function.func.name(), function.params.distinct) {
        ("count", false) => ValueKind::Count,
        ("count", true) => ValueKind::CountDistinct,
        ("sum", false) => ValueKind::Sum,
        ("avg", false) => ValueKind::Avg,
        _ => return (function, None, false),
    };
    let found = uncased(kind, &function.params.args, scope);
    let (args, condition) = (found.args.into_iter().cloned().collect(), found.condition);
    let func = if found.kind == kind {
        Arc::clone(&function.func)
    } else {
        count_udaf()
    };
    let or_zero = found.or_zero;
    let mut without = function.clone();
    (without.func, without.params.args) = (func, args);
    (without, condition, or_zero)
}
