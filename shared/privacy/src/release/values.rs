//! What each value of a release counts or sums, and what has to hold for it to leave.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::{Expr, lit};

use super::distinct::{Extra, beyond_units};
use super::levels::{centered, conditional, count_where, exact, shares};
use super::rewrite::{Builder, Levels};
use super::{Argument, Check, Output, Value, ValueKind};
use crate::typing::{Component, Kind, Lineage, Presence};

/// What a value counts or sums, at the first level.
pub(super) struct Parts {
    /// Rows that take part; decides whether a unit is in the value at all. Several where a unit can be in a part of it.
    pub(super) inclusions: Vec<Expr>,
    /// Rows that contribute something.
    support: Expr,
    /// Position, in the engine's rows, of the number of units that do.
    pub(super) supported: usize,
}

impl Parts {
    fn of(rows: Expr) -> Self {
        Self {
            inclusions: vec![rows.clone()],
            support: rows,
            supported: 0,
        }
    }
}

impl Builder<'_, '_> {
    /// One value for one class of units: its parts, its checks, and how it is computed where this class can tell.
    pub(super) fn value(
        &mut self,
        level: &mut Levels,
        value: &Value,
        to: &DataType,
        extras: &mut Vec<Extra>,
    ) -> Result<(Parts, Option<Output>)> {
        let filter = value.filter.as_ref().map(|f| self.base.add(f.clone()));
        let filter = match (self.kept.clone(), filter) {
            (Some(kept), Some(filter)) => Some(kept.and(filter)),
            (kept, filter) => kept.or(filter),
        };
        let filter = filter.as_ref();
        let argument = value
            .argument
            .as_ref()
            .map(|a| (a, self.base.add(a.expr.clone())));
        let (mut parts, output) = match (value.kind, argument) {
            (ValueKind::CountDistinct, Some((argument, column))) => {
                let rows = level.first.add(count_where(Some(&present(&column, filter)))?);
                let parts = Parts::of(rows);
                let output =
                    self.count_distinct(level, value, (argument, column), filter, &parts.support, extras)?;
                (parts, output)
            }
            (_, None) => {
                let rows = level.first.add(count_where(filter)?);
                let parts = Parts::of(rows.clone());
                let count = self.additive(level, &rows, false)?;
                (parts, Some(Output::Count { count }))
            }
            (ValueKind::Count, Some((_, column))) => {
                let rows = level.first.add(count_where(Some(&present(&column, filter)))?);
                let parts = Parts::of(rows.clone());
                let count = self.additive(level, &rows, false)?;
                (parts, Some(Output::Count { count }))
            }
            (kind, Some((argument, column))) => {
                let (parts, output) =
                    self.measure(level, kind, (argument, &column), (filter, &value.lineage), to)?;
                (parts, Some(output))
            }
        };
        let supported = level.units_where(Some(parts.support.clone().gt(lit(0_i64))))?;
        let supported = self.metric(&mut level.second, supported);
        let min = self.min_units(level.class, &value.lineage);
        parts.supported = supported;
        // A union's rows that count are of one branch or of another.
        let united = self.question.rows.absence.branches.is_some();
        let of_class = |argument: &Argument| {
            let mut sources = self.question.classes[&level.class].iter();
            !united && sources.any(|source| argument.is_of(*source))
        };
        let check = if value.argument.as_ref().is_some_and(of_class) {
            Check::AtLeast {
                column: supported,
                min,
            }
        } else {
            level.enough(supported, min)
        };
        self.push_check(level, check);
        Ok((parts, output))
    }

    /// Of those who are absent nothing is asked here.
    fn push_check(&mut self, level: &Levels, check: Check) {
        if level.presence != Presence::Never && !self.checks.contains(&check) {
            self.checks.push(check);
        }
    }

    /// The total of a per-unit number, no unit having more than its share (H10).
    fn additive(&mut self, level: &mut Levels, number: &Expr, signed: bool) -> Result<usize> {
        let of_units = level.of_units(number)?;
        let (largest, total) = shares(&of_units, signed)?;
        let largest = self.metric(&mut level.second, largest);
        let all = self.metric(&mut level.second, total);
        let max = self.max_share(level.class);
        self.push_check(
            level,
            Check::Share {
                largest,
                total: all,
                max,
            },
        );
        Ok(self.metric(&mut level.second, sum(number.clone())))
    }

    /// Sums, averages and variances. A unit supports them with a value that is not zero (H7).
    fn measure(
        &mut self,
        level: &mut Levels,
        kind: ValueKind,
        (argument, column): (&Argument, &Expr),
        (filter, lineage): (Option<&Expr>, &Lineage),
        to: &DataType,
    ) -> Result<(Parts, Output)> {
        let value = exact(column, &argument.data_type, argument.scale());
        let there = present(&value, filter);
        let rows = level.first.add(count_where(Some(&there))?);
        let nonzero = conjunction(value.clone().not_eq(lit(0_i64)), filter);
        let support = level.first.add(count_where(Some(&nonzero))?);
        for product in &argument.products {
            self.product(level, product, &there, lineage)?;
        }
        // A unit's count of nothing is 0, not NULL: it is in a sum of counts by what it adds (H7).
        let zero_is_none = argument.column.measure.as_ref().is_some_and(|m| m.zero_is_none);
        let parts = Parts {
            inclusions: match kind {
                _ if !zero_is_none => vec![rows.clone()],
                ValueKind::Sum => vec![support.clone()],
                // Beside a mean of those who have something, one of all tells how many have nothing.
                _ => vec![support.clone(), rows.clone()],
            },
            support,
            ..Parts::of(rows.clone())
        };
        let output = match kind {
            ValueKind::Sum => {
                let total = level.first.add(sum(conditional(filter, value)?));
                Output::Sum {
                    sum: self.additive(level, &total, true)?,
                    to: to.clone(),
                }
            }
            ValueKind::Avg => {
                let total = level.first.add(sum(conditional(filter, value)?));
                let (sum, count) = (
                    self.additive(level, &total, true)?,
                    self.additive(level, &rows, false)?,
                );
                Output::Avg {
                    sum,
                    count,
                    to: to.clone(),
                }
            }
            _ => {
                let distance = centered(argument, &value);
                let total = level.first.add(sum(conditional(filter, distance.clone())?));
                let squared = level
                    .first
                    .add(sum(conditional(filter, distance.clone() * distance)?));
                let (sum, count) = (
                    self.additive(level, &total, true)?,
                    self.additive(level, &rows, false)?,
                );
                let squares = self.additive(level, &squared, false)?;
                let (population, root) = match kind {
                    ValueKind::Stddev { population } => (population, true),
                    ValueKind::Var { population } => (population, false),
                    _ => return datafusion::common::plan_err!("not an aggregate of a measure"),
                };
                Output::Variance {
                    squares,
                    sum,
                    count,
                    population,
                    root,
                }
            }
        };
        Ok((parts, output))
    }

    /// One of the products in a sum, which must be able to stand alone (H8).
    fn product(&mut self, level: &mut Levels, product: &Expr, there: &Expr, lineage: &Lineage) -> Result<()> {
        let product = self.base.add(product.clone());
        let nonzero = there.clone().and(product.clone().not_eq(lit(0_i64)));
        let support = level.first.add(count_where(Some(&nonzero))?);
        let supported = level.units_where(Some(support.gt(lit(0_i64))))?;
        let column = self.metric(&mut level.second, supported);
        let min = self.min_units(level.class, lineage);
        self.push_check(level, Check::AtLeast { column, min });
        let total = level.first.add(sum(conditional(Some(there), product)?));
        self.additive(level, &total, true)?;
        Ok(())
    }

    fn count_distinct(
        &mut self,
        level: &mut Levels,
        value: &Value,
        (argument, column): (&Argument, Expr),
        filter: Option<&Expr>,
        rows: &Expr,
        extras: &mut Vec<Extra>,
    ) -> Result<Option<Output>> {
        if self.question.rows.is_unit_of(&argument.column, level.class) {
            // Distinct units: each counts once, so no unit has more than one share of them.
            let one = level.units_where(Some(rows.clone().gt(lit(0_i64))))?;
            let count = self.metric(&mut level.second, one);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a share is above 0, and a threshold is no larger than i64"
            )]
            let min = (1.0 / self.max_share(level.class)).ceil().min(1e15) as i64;
            self.push_check(level, Check::AtLeast { column: count, min });
            return Ok(Some(Output::Count { count }));
        }
        let extra = beyond_units(
            self,
            (level.class, &level.unit, level.presence),
            value,
            argument,
            column,
            filter,
        );
        let output = extra.count.map(|count| Output::Count { count });
        extras.push(extra);
        Ok(output)
    }

    /// Two values of one row that count, or sum the same column, or have different conditions: the units that are in
    /// one and not in the other are nobody, or enough (H13).
    pub(super) fn differences(&mut self, level: &mut Levels, inclusions: &[Vec<Expr>]) -> Result<()> {
        let values = &self.question.values;
        for (v, one) in values.iter().zip(inclusions) {
            for (w, other) in values.iter().zip(inclusions) {
                if one == other || !comparable(v, w) {
                    continue;
                }
                let lineage: BTreeSet<_> = v.lineage.union(&w.lineage).cloned().collect();
                let min = self.min_units(level.class, &lineage);
                let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
                for (one, other) in pairs.filter(|(one, other)| one != other) {
                    let apart = one.clone().gt(lit(0_i64)).and(other.clone().eq(lit(0_i64)));
                    let apart = level.units_where(Some(apart))?;
                    let column = self.metric(&mut level.second, apart);
                    self.push_check(level, Check::NoneOrAtLeast { column, min });
                }
            }
        }
        Ok(())
    }
}

/// Not COUNT(*) with the average of a column: a few NULLs would empty every table. But where their conditions differ:
/// an average tells how many it is of, to who knows what it is an average of.
fn comparable(v: &Value, w: &Value) -> bool {
    let conditional = |value: &Value| {
        value.argument.as_ref().is_some_and(|a| {
            let of_units = a.column.measure.as_ref().is_some_and(|m| m.conditional);
            of_units || value.kind == ValueKind::Count && a.column.kind == Kind::Derived
        })
    };
    let same = match (&v.component, &w.component) {
        (Component::Rows, Component::Rows) => true,
        (Component::Measures(a), Component::Measures(b)) => !a.is_disjoint(b),
        _ => false,
    };
    v.filter != w.filter || conditional(v) || conditional(w) || same
}

/// Where an argument is there, and the condition holds.
fn present(value: &Expr, filter: Option<&Expr>) -> Expr {
    conjunction(value.clone().is_not_null(), filter)
}

fn conjunction(condition: Expr, filter: Option<&Expr>) -> Expr {
    match filter {
        None => condition,
        Some(filter) => condition.and(filter.clone()),
    }
}
