//! Unions of restricted rows.
//!
//! Rows of a union belong to the units of their branch. The columns that a statement adds to tell branches apart, each
//! a constant in one branch and another in all others, are remembered: in a presence relation they name the cells.

use datafusion::common::{JoinType, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Typer;
use super::absence::{Branches, branch_name};
use super::keys::position;
use super::types::{
    ColumnType, Kind, Lineage, Measure, Presence, Restricted, SourceId, Typed, named, unit_name,
};
use crate::policy::ColumnUse;
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
                constants: BTreeMap::new(),
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
        if let Some(known) = &known {
            column.constants = (self.branches..).zip(known.iter().cloned()).collect();
        }
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

    /// Rows of a union are of different individuals by branch; such a join would have to tell them apart.
    pub(super) fn refuse_union_in_join<T>(&mut self) -> Option<T> {
        let message =
            "A union of other tenants' rows can be joined with one table, and by rows that have a match.";
        let violation = Violation::new(ViolationCode::SetOperation, "H4", message);
        self.violations.push(violation.rewrite(
            "UNION ALL with an inner join, WHERE key IN (SELECT key FROM …), or the join in each branch of the union",
        ));
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
        LogicalPlan::Join(join) => match (
            join.join_type,
            index.checked_sub(join.left.schema().fields().len()),
        ) {
            (JoinType::Inner | JoinType::LeftSemi, None) => literal(&join.left, index),
            (JoinType::Inner, Some(index)) => literal(&join.right, index),
            _ => None,
        },
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
