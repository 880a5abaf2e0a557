//! Unions of restricted rows, and the presence relation over them.
//!
//! Rows of a union belong to the units of their branch. Grouped by the unit of every branch, there is one row for each
//! individual, and the hidden units tell in which branches it is: a Venn diagram, released cell by cell. The columns
//! that a statement adds to tell branches apart, constants of which it takes the maximum for each individual, are the
//! names of cells.

use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection, Union};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Typer;
use super::absence::{Branches, branch_name};
use super::aggregate::Key;
use super::expression::{Place, bare_column, first_position};
use super::keys::position;
use super::types::{
    ColumnType, Kind, Lineage, Measure, Presence, Restricted, Scope, SourceId, Typed, named, unit_name,
};
use crate::policy::{ColumnUse, JoinKind};
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// A union of branches that are alike in the uses and identities of their columns.
    pub(super) fn union(&mut self, union: &Union, inputs: Vec<Typed>) -> Option<Typed> {
        let mut branches = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Typed::Restricted(rows) if rows.absence.matches.is_empty() => branches.push(*rows),
                Typed::Restricted(_) => return self.refuse_nested_absence(),
                Typed::Open(_) | Typed::Released(_) => return self.refuse_union(),
            }
        }
        let columns: Vec<Option<ColumnType>> = (0..union.schema.fields().len())
            .map(|index| self.union_column(union, &branches, index))
            .collect();
        let columns = columns.into_iter().collect::<Option<Vec<_>>>()?;
        let mut all = Branches::default();
        for rows in &branches {
            match &rows.absence.branches {
                None => {
                    all.sources
                        .push((self.branches, rows.sources.keys().copied().collect()));
                    self.branches += 1;
                }
                Some(inner) => {
                    all.sources.extend(inner.sources.iter().cloned());
                    all.of_distinct |= inner.distinct || inner.of_distinct;
                }
            }
        }
        let mut rows = self.united(union, branches, columns)?;
        for state in rows.sources.values_mut() {
            state.presence = Presence::Sometimes;
        }
        rows.absence.branches = Some(all);
        rows.absence.own_rows = false;
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// Each branch with the units of all, NULL where they are another branch's.
    fn united(
        &mut self,
        union: &Union,
        branches: Vec<Restricted>,
        columns: Vec<ColumnType>,
    ) -> Option<Restricted> {
        let mut types = Vec::new();
        for rows in &branches {
            for source in rows.sources.keys() {
                let unit = rows.unit(*source)?;
                let index = rows.plan.schema().maybe_index_of_column(&unit)?;
                types.push((*source, rows.plan.schema().field(index).data_type().clone()));
            }
        }
        let (mut inputs, mut united) = (Vec::new(), None::<Restricted>);
        for rows in branches {
            let mut exprs: Vec<Expr> = rows
                .plan
                .schema()
                .columns()
                .into_iter()
                .map(Expr::Column)
                .collect();
            exprs.truncate(columns.len());
            for (source, data_type) in &types {
                exprs.push(match rows.unit(*source) {
                    Some(unit) => Expr::Column(unit),
                    None => Expr::Literal(self.built(ScalarValue::try_from(data_type))?, None)
                        .alias(unit_name(*source)),
                });
            }
            let projection = Projection::try_new(exprs, Arc::new(rows.plan.clone()));
            inputs.push(Arc::new(LogicalPlan::Projection(self.built(projection)?)));
            match &mut united {
                None => united = Some(rows),
                Some(united) => {
                    united.sources.extend(rows.sources);
                    united.control.extend(rows.control);
                }
            }
        }
        let together = Union::try_new(inputs);
        let together = LogicalPlan::Union(self.built(together)?);
        let fields = together
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .enumerate();
        let exprs = fields.map(|(index, column)| match index.checked_sub(columns.len()) {
            None => named(column, &union.schema, index),
            Some(hidden) => column.alias(unit_name(types[hidden].0)),
        });
        let projection = Projection::try_new(exprs.collect(), Arc::new(together.clone()));
        let mut united = united?;
        united.plan = LogicalPlan::Projection(self.built(projection)?);
        united.columns = columns;
        Some(united)
    }

    fn union_column(&mut self, union: &Union, branches: &[Restricted], index: usize) -> Option<ColumnType> {
        let columns: Vec<&ColumnType> = branches.iter().map(|rows| &rows.columns[index]).collect();
        let lineage: Lineage = columns.iter().flat_map(|c| c.lineage.iter().cloned()).collect();
        let dimension = |c: &&ColumnType| match c.kind {
            Kind::Stored(_, _) => c.is(ColumnUse::Dimension) && c.step.is_none(),
            Kind::Derived | Kind::Open | Kind::Literal => !c.only_measured() && c.step.is_none(),
        };
        let stored = columns.iter().all(|c| matches!(c.kind, Kind::Stored(_, _)));
        let mut uses: BTreeSet<ColumnUse> = columns.first()?.uses.clone();
        uses.retain(|u| columns.iter().all(|c| c.is(*u)));
        let alike = columns
            .iter()
            .all(|c| c.identity == columns[0].identity && c.step == columns[0].step);
        if stored && !uses.is_empty() && alike {
            let units = columns.iter().flat_map(|c| c.units.iter().copied()).collect();
            let measures = columns.iter().map(|c| c.measure.clone());
            let measures = measures.collect::<Option<Vec<_>>>();
            return Some(ColumnType {
                uses,
                units,
                lineage,
                fixes: None,
                measure: measures.and_then(|all| all.into_iter().reduce(Measure::united)),
                ..columns[0].clone()
            });
        }
        if columns.iter().all(dimension) {
            let mut column = ColumnType::derived(lineage);
            self.name_branches(union, branches, index, &mut column);
            return Some(column);
        }
        let name = union.schema.field(index).name();
        let message = format!(
            "Column {name} of the union is not the same in all branches: join columns of one identity, dimensions, or measures."
        );
        self.violations.push(
            Violation::new(ViolationCode::SetOperation, "H4", message)
                .column(name)
                .rewrite("columns of the same use in the same order in each branch"),
        );
        None
    }

    /// A column of constants names the branch whose constant is larger than all others, which are alike. Other columns
    /// depend on every branch that has something there.
    fn name_branches(&self, union: &Union, branches: &[Restricted], index: usize, column: &mut ColumnType) {
        let values: Vec<Option<ScalarValue>> = union.inputs.iter().map(|i| literal(i, index)).collect();
        // A union within a union has named its branches already, and depends on all of them here.
        let nested = branches.iter().any(|rows| rows.absence.branches.is_some());
        let known = values
            .iter()
            .cloned()
            .collect::<Option<Vec<_>>>()
            .filter(|_| !nested);
        if let Some(known) = known
            && let Some(largest) = largest(&known)
        {
            column.fixes = Some(self.branches + largest);
            column.lineage.extend(mark(branches, self.branches + largest));
            return;
        }
        let mut next = self.branches;
        for (rows, value) in branches.iter().zip(values) {
            let named = match &rows.absence.branches {
                Some(inner) => inner.sources.iter().map(|(branch, _)| *branch).collect(),
                None => {
                    next += 1;
                    vec![next - 1]
                }
            };
            if value.is_none_or(|v| !v.is_null()) {
                for branch in named {
                    column.lineage.extend(mark(branches, branch));
                }
            }
        }
    }

    /// One row for each individual of any branch.
    pub(super) fn presence_relation(
        &mut self,
        aggregate: &Aggregate,
        mut rows: Restricted,
        keys: Vec<Key>,
        scope: &Scope<'_>,
    ) -> Option<Typed> {
        let mut branches = rows.absence.branches.take()?;
        let Ok([key]) = <[Key; 1]>::try_from(keys) else {
            let message = "A union of other tenants' rows is made distinct by the join column alone.";
            let violation = Violation::new(ViolationCode::SetOperation, "H4", message);
            self.violations
                .push(violation.rewrite("GROUP BY the join column, and MAX(…) of each dimension"));
            return None;
        };
        if !self.branches_may_meet(&branches) {
            return None;
        }
        let mut columns = vec![key.column];
        let mut exprs = Vec::with_capacity(aggregate.aggr_expr.len() + rows.sources.len());
        for (index, expr) in aggregate.aggr_expr.iter().enumerate() {
            let (expr, column) = self.of_individual(expr, scope)?;
            exprs.push(named(expr, &aggregate.schema, index + 1));
            columns.push(column);
        }
        for source in rows.sources.keys() {
            let unit = rows.unit(*source)?;
            exprs.push(max(Expr::Column(unit)).alias(unit_name(*source)));
        }
        let group = vec![named(key.expr, &aggregate.schema, 0)];
        let grouped = Aggregate::try_new(Arc::new(rows.plan.clone()), group, exprs);
        rows.plan = LogicalPlan::Aggregate(self.built(grouped)?);
        rows.columns = columns;
        branches.distinct = true;
        branches.of_distinct = false;
        rows.absence.branches = Some(branches);
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// MAX or MIN of a dimension, or of a constant, over the branches that an individual is in.
    fn of_individual(&mut self, expr: &Expr, scope: &Scope<'_>) -> Option<(Expr, ColumnType)> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
            self.violations.push(super::not_understood());
            return None;
        };
        let plain = !params.distinct && params.filter.is_none() && params.order_by.is_empty();
        let [arg] = params.args.as_slice() else {
            self.violations.push(super::not_understood());
            return None;
        };
        if !matches!(func.name(), "max" | "min") || !plain || params.null_treatment.is_some() {
            let name = func.name().to_uppercase();
            let message = format!("{name} for each individual of a union is not supported.");
            let violation = Violation::new(ViolationCode::AggregateNotAllowed, "H4", message);
            self.violations.push(
                violation
                    .at(first_position(arg))
                    .rewrite("MAX of a dimension or of a constant"),
            );
            return None;
        }
        let total = self.total(arg, scope, Place::GroupBy)?;
        let mut column = ColumnType::derived(total.lineage);
        column.fixes = bare_column(arg, scope)
            .and_then(|c| scope.column(c))
            .and_then(|c| c.fixes)
            .filter(|_| func.name() == "max");
        Some((func.call(vec![total.expr]), column))
    }

    /// Comparing who is in several tables is a matter of each owner's policy on joins.
    fn branches_may_meet(&mut self, branches: &Branches) -> bool {
        let before = self.violations.len();
        for (index, (_, sources)) in branches.sources.iter().enumerate() {
            let others = branches
                .sources
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index);
            let owners = others
                .flat_map(|(_, (_, others))| others)
                .map(|other| self.source(*other).table.owner)
                .collect();
            for source in sources {
                self.admits(*source, &owners, JoinKind::Semi);
            }
        }
        self.violations.len() == before
    }

    /// Rows of a union are of different individuals by branch; a join would have to tell them apart.
    pub(super) fn refuse_union_in_join<T>(&mut self) -> Option<T> {
        let message = "A union of other tenants' rows cannot be joined.";
        let violation = Violation::new(ViolationCode::SetOperation, "H4", message);
        self.violations
            .push(violation.rewrite("the join in each branch of the union"));
        None
    }
}

/// The constant that a column is, if it is one.
fn literal(plan: &LogicalPlan, index: usize) -> Option<ScalarValue> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let mut expr = projection.expr.get(index)?;
            let mut to = None;
            loop {
                match expr {
                    Expr::Alias(alias) => expr = &alias.expr,
                    Expr::Cast(cast) if to.is_none() => {
                        to = Some(cast.field.data_type());
                        expr = &cast.expr;
                    }
                    Expr::Literal(value, _) => {
                        return to.map_or(Some(value.clone()), |to| value.cast_to(to).ok());
                    }
                    _ => break,
                }
            }
            let value = literal(&projection.input, position(expr, projection.input.schema())?)?;
            to.map_or(Some(value.clone()), |to| value.cast_to(to).ok())
        }
        LogicalPlan::SubqueryAlias(alias) => literal(&alias.input, index),
        LogicalPlan::Filter(filter) => literal(&filter.input, index),
        _ => None,
    }
}

/// The position of the largest value, if all others are alike.
fn largest(values: &[ScalarValue]) -> Option<usize> {
    let larger = |a: &ScalarValue, b: &ScalarValue| a.partial_cmp(b) == Some(std::cmp::Ordering::Greater);
    (0..values.len()).find(|index| {
        let others: Vec<&ScalarValue> = values
            .iter()
            .enumerate()
            .filter(|(i, _)| i != index)
            .map(|(_, v)| v)
            .collect();
        let alike = others.windows(2).all(|pair| pair[0] == pair[1]);
        alike
            && others
                .iter()
                .all(|other| !other.is_null() && larger(&values[*index], other))
    })
}

/// The lineage of what depends on who is in a branch.
fn mark(branches: &[Restricted], branch: usize) -> Lineage {
    let source = branches
        .iter()
        .find_map(|rows| rows.sources.keys().next().copied());
    let source: SourceId = source.unwrap_or_default();
    Lineage::from([(source, branch_name(branch))])
}
