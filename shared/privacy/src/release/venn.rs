//! The release of a presence relation: one row for each individual of several tables, in groups that are cells of a
//! Venn diagram or several of them together.
//!
//! A count over several cells tells each of them to who knows the others, so every cell that a group may hold has
//! enough individuals, none not excepted (H4). Where a key of the group tells of a branch who is in it, the group is
//! on one side of it; the side that is left out is what an anti join leaves out, and those who are taken away by it
//! are enough (H5).

use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::expr_fn::{col, when};
use datafusion::logical_expr::{Aggregate, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit};
use std::sync::Arc;

use super::absence::Margin;
use super::rewrite::{Builder, beside};
use super::{Check, Output, Question, Value, ValueKind};
use crate::policy::ColumnUse;
use crate::typing::{Branches, SourceId, Typer, branch_name};
use crate::violation::{Violation, ViolationCode};

/// Branches that no key tells apart: each of them doubles the cells.
const MOST_BRANCHES: usize = 5;

/// Refuses what cannot be asked of a union's rows.
pub(super) fn admits(typer: &mut Typer<'_>, question: &Question<'_>) -> bool {
    let Some(branches) = &question.rows.absence.branches else {
        return true;
    };
    let mut refuse = |message: &str, rewrite: &str| {
        let violation = Violation::new(ViolationCode::SetOperation, "H4", message);
        typer.violations.push(violation.rewrite(rewrite));
        false
    };
    if branches.of_distinct {
        return refuse(
            "A union that is distinct in a part only cannot be aggregated.",
            "UNION in every place, or UNION ALL",
        );
    }
    let counts = |kind| matches!(kind, ValueKind::Count | ValueKind::CountDistinct);
    if branches.distinct
        && question
            .values
            .iter()
            .any(|v| !counts(v.kind) || v.filter.is_some())
    {
        return refuse(
            "Of the individuals of a union only their number is known: COUNT, without FILTER.",
            "COUNT(*), and a UNION ALL of the rows for sums",
        );
    }
    // Of another column it would be another number: of those who have it, or of its values.
    let of_individuals = |value: &Value| {
        let argument = value.argument.as_ref();
        argument.is_none_or(|argument| argument.column.is(ColumnUse::Join))
    };
    if branches.distinct && !question.values.iter().all(of_individuals) {
        return refuse(
            "Of the individuals of a union all are counted: COUNT(*), or COUNT of the column by which they are distinct.",
            "GROUP BY the dimension",
        );
    }
    if !branches.distinct && question.values.iter().any(|v| v.kind == ValueKind::CountDistinct) {
        return refuse(
            "COUNT(DISTINCT …) over a union that is not distinct is not supported.",
            if question.groups.is_empty() {
                "SELECT COUNT(*) FROM (SELECT key FROM a UNION SELECT key FROM b)"
            } else {
                "SELECT c, COUNT(*) FROM (SELECT key, MAX(c) AS c FROM (… UNION ALL …) GROUP BY key) GROUP BY c"
            },
        );
    }
    let free = free_branches(question, branches).len();
    if branches.distinct && free > MOST_BRANCHES {
        return refuse(
            "A union of that many tables has too many cells.",
            "a constant in each branch, and GROUP BY MAX of it",
        );
    }
    true
}

/// The branches that no key of the group tells.
fn free_branches<'b>(
    question: &Question<'_>,
    branches: &'b Branches,
) -> Vec<&'b (usize, std::collections::BTreeSet<SourceId>)> {
    let told = |branch: usize| question.groups.iter().any(|g| g.fixes == Some(branch));
    branches
        .sources
        .iter()
        .filter(|(branch, _)| !told(*branch))
        .collect()
}

impl Builder<'_, '_> {
    /// One aggregation suffices: the rows are individuals.
    pub(super) fn cells(&mut self, branches: &Branches) -> Result<LogicalPlan> {
        let keys = self.question.groups.len();
        let mut second = Vec::new();
        let all: Vec<SourceId> = self.question.rows.sources.keys().copied().collect();
        let number = self.metric(&mut second, count(lit(1_i64)));
        for source in &all {
            let Some(unit) = self.question.rows.unit(*source) else {
                return datafusion::common::plan_err!("a source has no unit");
            };
            let unit = self.base.add(Expr::Column(unit));
            let column = self.metric(&mut second, count(unit));
            let min = self.min_units_of(&[*source], &super::Lineage::new());
            self.checks.push(Check::NoneOrAtLeast { column, min });
        }
        let shares = self.question.classes.keys().map(|class| self.max_share(*class));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share is above 0, and a threshold is no larger than i64"
        )]
        let min = (1.0 / shares.fold(1.0, f64::min)).ceil().min(1e15) as i64;
        self.checks.push(Check::AtLeast { column: number, min });
        self.patterns(branches, &mut second)?;
        for _ in &self.question.values {
            self.outputs.push(Output::Count { count: number });
        }

        let mut margins = Vec::new();
        let told = self.question.groups.iter().filter_map(|g| g.fixes);
        for branch in told.collect::<std::collections::BTreeSet<_>>() {
            let Some((_, sources)) = branches.sources.iter().find(|(b, _)| *b == branch) else {
                continue;
            };
            let mark = branch_name(branch);
            let depends = |index: &usize| {
                let lineage = &self.question.groups[*index].lineage;
                !lineage.iter().any(|(_, column)| *column == mark)
            };
            let free = (0..keys).filter(depends).collect();
            let there = self.there(sources)?;
            let name = self.new_metric();
            let column = keys + self.metrics.len() - 1;
            let min = self.min_units_of(&all, &super::Lineage::new());
            self.checks.push(Check::AtLeast { column, min });
            margins.push(Margin::of_rows(free, there, name));
        }

        let named = self.question.groups.iter().enumerate();
        let groups = named.map(|(i, g)| g.expr.clone().alias(format!("g{i}")));
        let base: Vec<Expr> = groups.chain(self.base.aliased()).collect();
        let base = LogicalPlanBuilder::from(self.question.rows.plan.clone())
            .project(base)?
            .build()?;
        let key_columns: Vec<Expr> = (0..keys).map(|i| col(format!("g{i}"))).collect();
        let aggregate = Aggregate::try_new(Arc::new(base.clone()), key_columns.clone(), second)?;
        let mut plan = LogicalPlan::Aggregate(aggregate);
        for margin in margins {
            plan = beside(plan, margin.plan(&base)?, &margin.keys, JoinType::Left)?;
        }
        let columns = key_columns.into_iter().chain(self.metrics.iter().map(col));
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }

    /// Every combination of the branches that no key tells.
    fn patterns(&mut self, branches: &Branches, second: &mut Vec<Expr>) -> Result<()> {
        let free = free_branches(self.question, branches);
        let is_told = free.len() < branches.sources.len();
        for pattern in 0..1_usize << free.len() {
            if pattern == 0 && !is_told {
                continue;
            }
            let (mut condition, mut sources) = (None::<Expr>, Vec::new());
            for (index, (_, of_branch)) in free.iter().enumerate() {
                let there = self.there(of_branch)?;
                let part = if pattern >> index & 1 == 1 {
                    sources.extend(of_branch.iter().copied());
                    there
                } else {
                    Expr::Not(Box::new(there))
                };
                condition = Some(match condition {
                    None => part,
                    Some(condition) => condition.and(part),
                });
            }
            let Some(condition) = condition else {
                continue;
            };
            let cell = when(condition, lit(1_i64)).otherwise(lit(0_i64))?;
            let column = self.metric(second, sum(cell));
            if sources.is_empty() {
                let min = self.min_units_of(&self.all_sources(), &super::Lineage::new());
                // Whether somebody can be in none of them, the keys tell.
                self.checks.push(Check::NoneOrAtLeast { column, min });
            } else {
                let min = self.min_units_of(&sources, &super::Lineage::new());
                self.checks.push(Check::AtLeast { column, min });
            }
        }
        Ok(())
    }

    fn all_sources(&self) -> Vec<SourceId> {
        self.question.rows.sources.keys().copied().collect()
    }

    /// Whether an individual is in a branch.
    fn there(&mut self, sources: &std::collections::BTreeSet<SourceId>) -> Result<Expr> {
        let unit = sources.first().and_then(|s| self.question.rows.unit(*s));
        let Some(unit) = unit else {
            return datafusion::common::plan_err!("a branch has no unit");
        };
        Ok(self.base.add(Expr::Column(unit)).is_not_null())
    }
}
