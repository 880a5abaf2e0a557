//! From an aggregate over restricted rows to two levels of plain aggregates.

use std::sync::Arc;

use datafusion::common::{Column, NullEquality, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::expr_fn::col;
use datafusion::logical_expr::{
    Aggregate, Expr, Join, JoinConstraint, JoinType, LogicalPlan, LogicalPlanBuilder, lit,
};

use super::levels::{Columns, count_where, of_constants};
use super::venn;
use super::{Check, Output, Question, Release, Released, Value, ValueKind, output};
use crate::policy::{ColumnUse, Policy, Threshold};
use crate::typing::{Component, Lineage, Presence, Source, SourceId, Typer};
use crate::violation::{Violation, ViolationCode};

/// Rewrites one aggregate; nothing if it was refused.
pub(crate) fn build(
    typer: &mut Typer<'_>,
    aggregate: &Aggregate,
    question: Question<'_>,
) -> Option<Released> {
    let (number, rows) = (question.number, question.rows);
    let counted = |class: &&SourceId| rows.presence(**class) != Presence::Never;
    let several = question.classes.keys().filter(counted).count() > 1;
    let distinct_dimension = question.values.iter().any(|v| {
        v.kind == ValueKind::CountDistinct
            && v.argument.as_ref().is_some_and(|a| !a.column.is(ColumnUse::Join))
    });
    if several && distinct_dimension {
        let message =
            "COUNT(DISTINCT dimension) over tables whose individuals are not the same is not supported.";
        let violation = Violation::new(ViolationCode::AggregateNotAllowed, "H9", message);
        typer.violations.push(violation.rewrite("GROUP BY the dimension"));
        return None;
    }
    if !rows.absence.matches.is_empty() && question.values.iter().any(|v| v.filter.is_some()) {
        // Both parts of what the condition leaves would have to be large enough, too.
        let message = "FILTER cannot stand with an outer join, NOT IN, NOT EXISTS or EXCEPT.";
        let violation = Violation::new(ViolationCode::Absence, "H5", message);
        typer
            .violations
            .push(violation.rewrite("GROUP BY the condition, or WHERE"));
        return None;
    }
    let divides_own = rows
        .absence
        .matches
        .iter()
        .any(|m| m.kept.is_empty() && question.groups.iter().any(|group| m.decides(&group.lineage)));
    if divides_own {
        // How many own rows there are is known, so what is missing from the sum is the group that is not shown.
        let message = "Own rows that an outer join keeps cannot be grouped by the other side.";
        let violation = Violation::new(ViolationCode::Absence, "H5", message);
        typer.violations.push(violation.rewrite(
            "an inner join for the groups, and LEFT JOIN with groups of your own for those without a match",
        ));
        return None;
    }
    let round_to = rows
        .sources
        .keys()
        .map(|s| typer.source(*s).threshold().round_to)
        .max()
        .unwrap_or(1);
    let of_counts = |v: &Value| {
        let measure = v.argument.as_ref().and_then(|a| a.column.measure.as_ref());
        let added = !matches!(v.kind, ValueKind::Count | ValueKind::CountDistinct);
        added && measure.is_some_and(|m| m.component == Component::Rows)
    };
    if round_to > 1 && question.values.iter().any(of_counts) {
        // A sum over those who have seven rows each, rounded as it may be, tells how many they are.
        let message = "Counts of each individual are not added up: a table of this query rounds counts, and a sum would be finer.";
        let violation = Violation::new(ViolationCode::AggregateNotAllowed, "H6", message);
        typer.violations.push(violation.rewrite("GROUP BY the count"));
        return None;
    }
    let spread = |v: &Value| matches!(v.kind, ValueKind::Stddev { .. } | ValueKind::Var { .. });
    if round_to > 1 && question.values.iter().any(spread) {
        // VAR_SAMP and VAR_POP of one column are in the proportion of the count and one less.
        let message = "STDDEV and VAR tell the count of their rows, which a table of this query rounds.";
        let violation = Violation::new(ViolationCode::AggregateNotAllowed, "aggregate", message);
        typer.violations.push(violation.rewrite("COUNT, SUM or AVG"));
        return None;
    }
    if !venn::admits(typer, &question) {
        return None;
    }
    let mut builder = Builder::new(typer, &question);
    let plan = match &rows.absence.branches {
        Some(branches) if branches.distinct => builder.cells(branches),
        _ => builder.plan(aggregate),
    };
    let (checks, values) = (
        std::mem::take(&mut builder.checks),
        std::mem::take(&mut builder.outputs),
    );
    let plan = typer.built(plan)?;
    let schema = output::schema(&aggregate.schema);
    let placeholder = output::placeholder(&aggregate.schema, number, &schema);
    let release = Release {
        number,
        plan,
        schema,
        keys: aggregate.group_expr.len(),
        checks,
        values,
        round_to: i64::try_from(round_to).unwrap_or(i64::MAX),
    };
    Some(Released {
        release,
        plan: typer.built(placeholder)?,
    })
}

pub(super) struct Builder<'q, 'a> {
    pub(super) question: &'q Question<'q>,
    policies: Vec<&'a Policy>,
    thresholds: Vec<Threshold>,
    pub(super) base: Columns,
    /// Columns of the second level, over all classes; their order is the engine's output.
    pub(super) metrics: Vec<String>,
    pub(super) checks: Vec<Check>,
    pub(super) outputs: Vec<Output>,
    /// Rows that the statement has: those that no anti join drops.
    pub(super) kept: Option<Expr>,
}

/// One class of units: the two levels' expressions.
pub(super) struct Levels {
    pub(super) class: SourceId,
    pub(super) unit: Expr,
    pub(super) presence: Presence,
    pub(super) first: Columns,
    pub(super) second: Vec<Expr>,
    /// Of a branch of a union from which the caller chose: where it is told that a group can have none of its rows, if
    /// any key tells.
    pub(super) chosen: Option<Option<usize>>,
}

impl<'q, 'a> Builder<'q, 'a> {
    fn new(typer: &Typer<'a>, question: &'q Question<'q>) -> Self {
        let policies = typer.sources.iter().map(|s| s.policy).collect();
        Self {
            question,
            policies,
            thresholds: typer.sources.iter().map(Source::threshold).collect(),
            base: Columns::new("b"),
            metrics: Vec::new(),
            checks: Vec::new(),
            outputs: Vec::new(),
            kept: question.rows.absence.kept(question.rows),
        }
    }

    fn plan(&mut self, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let groups: Vec<Expr> = self.question.groups.iter().map(|g| g.expr.clone()).collect();
        let keys: Vec<Expr> = groups
            .iter()
            .enumerate()
            .map(|(i, g)| g.clone().alias(format!("g{i}")))
            .collect();
        let mut classes = Vec::new();
        for (class, sources) in &self.question.classes {
            let unit = sources
                .first()
                .and_then(|s| self.question.rows.unit(*s))
                .map(Expr::Column);
            let Some(unit) = unit else {
                return datafusion::common::plan_err!("a source has no unit");
            };
            let unit = self.base.add(unit);
            classes.push(Levels {
                class: *class,
                unit,
                presence: self.question.rows.presence(*class),
                first: Columns::new("l"),
                second: Vec::new(),
                chosen: None,
            });
        }
        for level in &mut classes {
            level.chosen = self.chosen(level.class, &mut level.second)?;
        }
        let kept = self.kept.take().map(|kept| self.base.add(kept));
        let mut extras = Vec::new();
        for level in classes.iter_mut().filter(|l| l.presence != Presence::Never) {
            let there = match &kept {
                None => None,
                Some(kept) => Some(level.first.add(count_where(Some(kept))?).gt(lit(0_i64))),
            };
            let units = level.units_where(there)?;
            let units = self.metric(&mut level.second, units);
            let min = self.min_units(level.class, &Lineage::new());
            self.checks.push(level.enough(units, min));
        }
        self.kept = kept;
        let margins = self.matches(&mut classes)?;
        let types: Vec<_> = (0..self.question.values.len())
            .map(|i| aggregate.schema.field(groups.len() + i).data_type().clone())
            .collect();
        // Those who are absent decided nothing about a value but that its rows are there, which is checked above.
        let all_absent = classes.iter().all(|l| l.presence == Presence::Never);
        let counts = |level: &&mut Levels| all_absent || level.presence != Presence::Never;
        let mut inclusions: Vec<Vec<Vec<Expr>>> = vec![Vec::new(); classes.len()];
        for (value, to) in self.question.values.iter().zip(types) {
            let (mut first, mut supported) = (None, Vec::new());
            for (level, inclusion) in classes.iter_mut().filter(counts).zip(&mut inclusions) {
                let (parts, output) = self.value(level, value, &to, &mut extras)?;
                inclusion.push(parts.inclusions);
                supported.push(parts.supported);
                first = first.or(output);
            }
            if self.question.rows.absence.branches.is_some() {
                self.checks.push(Check::Some { columns: supported });
            }
            let Some(output) = first else {
                return datafusion::common::plan_err!("a value has no output");
            };
            self.outputs.push(output);
        }
        for (level, inclusion) in classes.iter_mut().filter(counts).zip(&inclusions) {
            self.differences(level, inclusion)?;
        }

        let base: Vec<Expr> = keys.into_iter().chain(self.base.aliased()).collect();
        let base = LogicalPlanBuilder::from(self.question.rows.plan.clone())
            .project(base)?
            .build()?;
        let key_columns: Vec<Expr> = (0..groups.len()).map(|i| col(format!("g{i}"))).collect();
        let all_keys: Vec<usize> = (0..groups.len()).collect();
        let mut plan: Option<LogicalPlan> = None;
        for level in classes {
            let second = self.levels(&base, &key_columns, level)?;
            plan = Some(match plan {
                None => second,
                Some(plan) => beside(plan, second, &all_keys, JoinType::Inner)?,
            });
        }
        let Some(mut plan) = plan else {
            return datafusion::common::plan_err!("there is no unit");
        };
        for extra in extras {
            let extra = extra.plan(&base, &key_columns)?;
            plan = beside(plan, extra, &all_keys, JoinType::Left)?;
        }
        for margin in margins {
            plan = beside(plan, margin.plan(&base)?, &margin.keys, JoinType::Left)?;
        }
        let columns = key_columns.into_iter().chain(self.metrics.iter().map(col));
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }

    /// One row for each group and unit, and of these one for each group. Where no unit has a second row, the rows
    /// themselves are the first level.
    fn levels(&self, base: &LogicalPlan, keys: &[Expr], level: Levels) -> Result<LogicalPlan> {
        let by_unit = keys.iter().cloned().chain([level.unit]);
        let alone = self.question.alone.contains(&level.class);
        let Some(of_row) = alone.then(|| level.first.of_one_row()).flatten() else {
            let first = Aggregate::try_new(Arc::new(base.clone()), by_unit.collect(), level.first.aliased())?;
            let first = Arc::new(LogicalPlan::Aggregate(first));
            return Ok(LogicalPlan::Aggregate(Aggregate::try_new(
                first,
                keys.to_vec(),
                level.second,
            )?));
        };
        let first = LogicalPlanBuilder::from(base.clone())
            .project(by_unit.chain(of_row.clone()))?
            .build()?;
        let (once, all) = of_constants(level.second, &of_row, first.schema())?;
        let second = Aggregate::try_new(Arc::new(first), keys.to_vec(), once)?;
        LogicalPlanBuilder::from(LogicalPlan::Aggregate(second))
            .project(keys.iter().cloned().chain(all))?
            .build()
    }

    /// Adds a column to the second level; its position in the engine's rows.
    pub(super) fn metric(&mut self, second: &mut Vec<Expr>, expr: Expr) -> usize {
        let unaliased = |e: &Expr| e.clone().unalias();
        let known = second.iter().position(|e| unaliased(e) == expr);
        if let Some(Expr::Alias(alias)) = known.map(|i| &second[i])
            && let Some(index) = self.metrics.iter().position(|m| *m == alias.name)
        {
            return self.question.groups.len() + index;
        }
        let name = self.new_metric();
        second.push(expr.alias(name));
        self.question.groups.len() + self.metrics.len() - 1
    }

    pub(super) fn new_metric(&mut self) -> String {
        let name = format!("m{}", self.metrics.len());
        self.metrics.push(name.clone());
        name
    }

    /// Threshold of a class for something that depends on these columns beside what the rows depend on (H20).
    pub(super) fn min_units(&self, class: SourceId, lineage: &Lineage) -> i64 {
        let sources = self
            .question
            .classes
            .get(&class)
            .map(Vec::as_slice)
            .unwrap_or_default();
        self.min_units_of(sources, lineage)
    }

    /// The same, for units of one of these sources.
    pub(super) fn min_units_of(&self, sources: &[SourceId], lineage: &Lineage) -> i64 {
        let own = sources.iter().map(|s| self.thresholds[*s].min_units);
        let columns = self
            .question
            .control
            .iter()
            .chain(lineage)
            .filter(|(s, _)| sources.contains(s));
        let by_column = columns.filter_map(|(s, name)| self.policies[*s].columns.get(name)?.min_units);
        // A threshold of one would be none.
        let min = own.chain(by_column).max().unwrap_or(u64::MAX).max(2);
        i64::try_from(min).unwrap_or(i64::MAX)
    }

    pub(super) fn max_share(&self, class: SourceId) -> f64 {
        let sources = self
            .question
            .classes
            .get(&class)
            .map(Vec::as_slice)
            .unwrap_or_default();
        sources
            .iter()
            .map(|s| self.thresholds[*s].max_share)
            .fold(1.0, f64::min)
    }
}

/// Two relations side by side, the other of one row for each value of these keys. Group keys that are NULL are one
/// group.
pub(super) fn beside(
    left: LogicalPlan,
    right: LogicalPlan,
    keys: &[usize],
    join_type: JoinType,
) -> Result<LogicalPlan> {
    const OTHER: &str = "other";
    let metrics = right
        .schema()
        .columns()
        .into_iter()
        .skip(keys.len())
        .map(Expr::Column);
    let renamed = keys.iter().map(|i| col(format!("g{i}")).alias(format!("h{i}")));
    let right = LogicalPlanBuilder::from(right.clone())
        .project(renamed.chain(metrics))?
        .alias(OTHER)?
        .build()?;
    let key = |i: &usize| {
        let other = Column::new(Some(TableReference::bare(OTHER)), format!("h{i}"));
        (col(format!("g{i}")), Expr::Column(other))
    };
    let columns: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    let metrics: Vec<Expr> = right
        .schema()
        .columns()
        .into_iter()
        .skip(keys.len())
        .map(|c| {
            let name = c.name.clone();
            Expr::Column(c).alias(name)
        })
        .collect();
    if keys.is_empty() {
        return LogicalPlanBuilder::from(left)
            .cross_join(right)?
            .project(columns.into_iter().chain(metrics))?
            .build();
    }
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        keys.iter().map(key).collect(),
        None,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNull,
        false,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(join))
        .project(columns.into_iter().chain(metrics))?
        .build()
}
