//! Classes of units that are not in every row, and the parts of rows with and without a match.

use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{max, sum};
use datafusion::logical_expr::expr_fn::{col, when};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, lit};
use std::collections::BTreeSet;

use super::levels::{count_where, units_where};
use super::rewrite::{Builder, Levels};
use super::{Check, Group};
use crate::typing::{Absence, Lineage, Match, Presence, Restricted, SourceId};

impl Levels {
    /// Number of units for which the condition holds. The row of those who are absent is none.
    pub(super) fn units_where(&self, condition: Option<Expr>) -> Result<Expr> {
        let present = (self.presence != Presence::Always).then(|| self.unit.clone().is_not_null());
        match (present, condition) {
            (None, None) => Ok(sum(lit(1_i64))),
            (Some(one), None) | (None, Some(one)) => units_where(one),
            (Some(present), Some(condition)) => units_where(present.and(condition)),
        }
    }

    /// A per-unit number, of units only.
    pub(super) fn of_units(&self, number: &Expr) -> Result<Expr> {
        if self.presence == Presence::Always {
            return Ok(number.clone());
        }
        when(self.unit.clone().is_not_null(), number.clone()).end()
    }

    /// Enough units; where a class is not in every row, none as well: how many rows are without it is checked for the
    /// join that left it out. In a union it is no secret that a branch has none of a group, but where a list of the
    /// caller's own chose among its rows: whether there is none of them, or one, would tell who they are (H4).
    pub(super) fn enough(&self, column: usize, min: i64) -> Check {
        match (self.presence, &self.chosen) {
            (Presence::Always, _) | (_, Some(None)) => Check::AtLeast { column, min },
            (_, Some(Some(elsewhere))) => Check::AtLeastUnless {
                column,
                min,
                elsewhere: *elsewhere,
            },
            (_, None) => Check::NoneOrAtLeast { column, min },
        }
    }
}

impl Absence {
    /// The condition that keeps the statement's rows: no match in any anti join.
    pub(super) fn kept(&self, rows: &Restricted) -> Option<Expr> {
        let antis = self.matches.iter().filter(|m| m.anti);
        antis
            .filter_map(|m| Some(without(flag(rows, m)?)))
            .reduce(Expr::and)
    }
}

impl Builder<'_, '_> {
    /// Whether the caller chose, by a list of its own, from the branch of a union that a class is of; and where it is
    /// told which groups cannot have rows of that branch: those whose keys are another's constants.
    pub(super) fn chosen(
        &mut self,
        class: SourceId,
        second: &mut Vec<Expr>,
    ) -> Result<Option<Option<usize>>> {
        let rows = self.question.rows;
        let members = self.question.classes.get(&class).into_iter().flatten();
        let members: BTreeSet<SourceId> = members.copied().collect();
        let chosen = |source| rows.sources.get(source).is_some_and(|state| state.chosen);
        let Some(branches) = &rows.absence.branches else {
            return Ok(None);
        };
        if !members.iter().any(chosen) {
            return Ok(None);
        }
        let of_class = |(_, sources): &&(usize, BTreeSet<SourceId>)| !sources.is_disjoint(&members);
        let branch = branches.sources.iter().find(of_class).map(|(branch, _)| *branch);
        let others = |(index, group): (usize, &Group)| {
            let constant = Expr::Literal(group.constants.get(&branch?)?.clone(), None);
            let (left, right) = (Box::new(col(format!("g{index}"))), Box::new(constant));
            Some(Expr::BinaryExpr(BinaryExpr::new(
                left,
                Operator::IsDistinctFrom,
                right,
            )))
        };
        let elsewhere = self.question.groups.iter().enumerate().filter_map(others);
        let Some(elsewhere) = elsewhere.reduce(Expr::or) else {
            return Ok(Some(None));
        };
        let elsewhere = max(when(elsewhere, lit(1_i64)).otherwise(lit(0_i64))?);
        Ok(Some(Some(self.metric(second, elsewhere))))
    }
}

/// Whether a row has a match.
fn flag(rows: &Restricted, of: &Match) -> Option<Expr> {
    let mut fields = rows.plan.schema().iter();
    let found = fields.find(|(_, field)| *field.name() == of.name)?;
    Some(Expr::Column(found.into()))
}

/// NULL, of a row of the other side, is in no part.
fn without(flag: Expr) -> Expr {
    Expr::Not(Box::new(flag))
}

/// A number for each value of some of the keys.
#[derive(Debug)]
pub(super) struct Margin {
    pub(super) keys: Vec<usize>,
    /// Counted distinct; without it rows are.
    unit: Option<Expr>,
    condition: Expr,
    name: String,
}

impl Margin {
    /// The number of rows.
    pub(super) fn of_rows(keys: Vec<usize>, condition: Expr, name: String) -> Self {
        Self {
            keys,
            unit: None,
            condition,
            name,
        }
    }

    /// The relation over the rows of the release. Nothing is filtered: an engine that moves a filter below an outer
    /// join decides anew who has a match.
    pub(super) fn plan(&self, base: &LogicalPlan) -> Result<LogicalPlan> {
        const ROWS: &str = "rows";
        let keys: Vec<Expr> = self.keys.iter().map(|i| col(format!("g{i}"))).collect();
        let rows = count_where(Some(&self.condition))?.alias(ROWS);
        let by_unit = keys.iter().cloned().chain(self.unit.clone()).collect::<Vec<_>>();
        let number = match &self.unit {
            None => sum(col(ROWS)),
            Some(unit) => units_where(unit.clone().is_not_null().and(col(ROWS).gt(lit(0_i64))))?,
        };
        LogicalPlanBuilder::from(base.clone())
            .aggregate(by_unit, [rows])?
            .aggregate(keys, [number.alias(&self.name)])?
            .build()
    }
}

/// One of the two parts of a match.
struct Part<'m> {
    condition: Expr,
    sources: &'m BTreeSet<SourceId>,
}

impl Builder<'_, '_> {
    /// Both parts of every match are large enough, in every group and, where keys depend on the match, in the group
    /// that the other keys make. Parts are those of the rows that all other anti joins keep.
    pub(super) fn matches(&mut self, classes: &mut [Levels]) -> Result<Vec<Margin>> {
        let mut margins = Vec::new();
        let rows = self.question.rows;
        for of in &rows.absence.matches {
            let others = rows
                .absence
                .matches
                .iter()
                .filter(|m| m.anti && m.name != of.name);
            let others: Vec<Expr> = others.filter_map(|m| Some(without(flag(rows, m)?))).collect();
            let Some(flag) = flag(rows, of) else {
                return datafusion::common::plan_err!("a match has no column");
            };
            let within = |part: Expr| others.iter().cloned().fold(part, Expr::and);
            let (with, without) = (
                self.base.add(within(flag.clone())),
                self.base.add(within(without(flag))),
            );
            let parts = [
                Part {
                    condition: with,
                    sources: &of.both,
                },
                Part {
                    condition: without,
                    sources: &of.kept,
                },
            ];
            let groups = self.question.groups.iter().enumerate();
            let free: Vec<usize> = groups
                .filter(|(_, group)| !of.decides(&group.lineage))
                .map(|(index, _)| index)
                .collect();
            let divided = free.len() < self.question.groups.len();
            let mut columns = Vec::new();
            for part in parts {
                columns.extend(self.part(classes, of, &part)?);
                if divided {
                    margins.extend(self.margins(classes, of, &part, &free));
                }
            }
            match (divided, of.full) {
                (true, _) => self.checks.extend(
                    columns
                        .into_iter()
                        .map(|(column, min)| Check::NoneOrAtLeast { column, min }),
                ),
                // The other side has rows of its own, in groups of their own.
                (false, true) => self.checks.push(Check::NoneOrEach { columns }),
                (false, false) => self.checks.extend(
                    columns
                        .into_iter()
                        .map(|(column, min)| Check::AtLeast { column, min }),
                ),
            }
        }
        Ok(margins)
    }

    /// The numbers of a part of a group, and how large they must be.
    fn part(&mut self, classes: &mut [Levels], of: &Match, part: &Part<'_>) -> Result<Vec<(usize, i64)>> {
        let mut columns = Vec::new();
        if part.sources.is_empty() {
            let min = self.min_units_of(&sources(&of.both), &Lineage::new());
            if let Some(level) = classes.first_mut() {
                let rows = level.first.add(count_where(Some(&part.condition))?);
                let column = self.metric(&mut level.second, sum(rows));
                columns.push((column, min));
            }
            return Ok(columns);
        }
        for level in classes {
            let Some(min) = self.min_of_part(level.class, part) else {
                continue;
            };
            let rows = level.first.add(count_where(Some(&part.condition))?);
            let units = level.units_where(Some(rows.gt(lit(0_i64))))?;
            let column = self.metric(&mut level.second, units);
            columns.push((column, min));
        }
        Ok(columns)
    }

    /// A part of the group that the keys make that do not depend on the match.
    fn margins(&mut self, classes: &[Levels], of: &Match, part: &Part<'_>, keys: &[usize]) -> Vec<Margin> {
        let mut wanted: Vec<(Option<Expr>, i64)> = Vec::new();
        if part.sources.is_empty() {
            wanted.push((None, self.min_units_of(&sources(&of.both), &Lineage::new())));
        }
        for level in classes {
            if let Some(min) = self.min_of_part(level.class, part) {
                wanted.push((Some(level.unit.clone()), min));
            }
        }
        let margin = |(unit, min)| {
            let name = self.new_metric();
            let column = self.question.groups.len() + self.metrics.len() - 1;
            self.checks.push(Check::AtLeast { column, min });
            Margin {
                keys: keys.to_vec(),
                unit,
                condition: part.condition.clone(),
                name,
            }
        };
        wanted.into_iter().map(margin).collect()
    }

    /// Threshold of a class in a part; nothing if the class is not of it.
    fn min_of_part(&self, class: SourceId, part: &Part<'_>) -> Option<i64> {
        let members = self.question.classes.get(&class)?;
        let members: Vec<SourceId> = members
            .iter()
            .filter(|s| part.sources.contains(s))
            .copied()
            .collect();
        (!members.is_empty()).then(|| self.min_units_of(&members, &Lineage::new()))
    }
}

fn sources(of: &BTreeSet<SourceId>) -> Vec<SourceId> {
    of.iter().copied().collect()
}
