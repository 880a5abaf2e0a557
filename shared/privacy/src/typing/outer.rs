//! Outer and anti joins: LEFT, RIGHT, FULL; NOT IN, NOT EXISTS, EXCEPT.

use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::expr_fn::when;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Typer;
use super::absence::{Match, match_name};
use super::join::{Side, equate};
use super::pairs::Pairs;
use super::semi::mark_joined;
use super::types::{Lineage, Presence, Restricted, SourceId, Typed, unit_name};
use crate::plan::RESERVED;
use crate::policy::JoinKind;

/// Which rows without a match are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Those of the left side.
    Left,
    /// Those of both.
    Both,
    /// Those of the left side, and no others.
    OnlyUnmatched,
}

impl Typer<'_> {
    /// The sides and their pairs have the side that is kept on their left.
    pub(super) fn outer_join(
        &mut self,
        join: &Join,
        mut left: Side<'_>,
        mut right: Side<'_>,
        mut pairs: Pairs,
        keeps: Keeps,
    ) -> Option<Typed> {
        let anti = keeps == Keeps::OnlyUnmatched;
        if pairs.identity.is_empty() {
            // A dimension that is not on a list of the caller's own: a condition like any other.
            if anti && !left.is_open() && right.is_open() && !pairs.dimension.is_empty() {
                return self.select_by_list(left, right, &pairs, JoinType::LeftAnti);
            }
            return self.refuse_without_key(&left, &right);
        }
        if left.absence.branches.is_some() || right.absence.branches.is_some() {
            return self.refuse_union_in_join();
        }
        if !right.absence.is_empty() || (keeps == Keeps::Both && !left.absence.is_empty()) {
            return self.refuse_nested_absence();
        }
        let kind = if anti { JoinKind::Anti } else { JoinKind::Left };
        let partners = self.may_meet(&left, &right, &pairs, kind);
        let unique = self.open_is_unique(&left, &right, &pairs, !anti);
        let fan_out = anti || self.may_multiply(&left, &right, &pairs);
        // Each individual of the other side takes away no more rows than its own key does (H11).
        let by_unit = !anti || self.matched_units(&left, &right, &pairs).is_some();
        if !(partners && unique && fan_out && by_unit) {
            return None;
        }
        let seen = |side: &Side<'_>| -> BTreeSet<SourceId> {
            let present = side
                .sources
                .iter()
                .filter(|(_, state)| state.presence != Presence::Never);
            present.map(|(source, _)| *source).collect()
        };
        let all: BTreeSet<SourceId> = seen(&left).union(&seen(&right)).copied().collect();
        let first = self.matches;
        self.matches += if keeps == Keeps::Both { 2 } else { 1 };
        let mark = |number| {
            let source = all.first().copied().unwrap_or_default();
            Lineage::from([(source, match_name(number))])
        };
        let new = |number, kept| Match {
            name: match_name(number),
            anti,
            full: keeps == Keeps::Both,
            both: all.clone(),
            kept,
        };
        let there = self.there(&mut right, &pairs, first)?.is_not_null();
        let mut matches = vec![new(first, seen(&left))];
        let mut flags = vec![there.clone()];
        if keeps == Keeps::Both {
            matches.push(new(first + 1, seen(&right)));
            let swapped = pairs.clone().swapped();
            let (l, r) = (self.there(&mut left, &swapped, first + 1)?.is_not_null(), there);
            flags = vec![
                self.built(when(l.clone(), r.clone()).end())?,
                self.built(when(r, l).end())?,
            ];
        }
        self.detach(
            &mut left,
            &mut right,
            &pairs,
            keeps,
            (&mark(first), &mark(first + 1)),
        );
        let absent = if anti {
            Presence::Never
        } else {
            Presence::Sometimes
        };
        for state in right.sources.values_mut() {
            state.presence = absent;
        }
        if keeps == Keeps::Both {
            for state in left.sources.values_mut() {
                state.presence = absent;
            }
        }
        // A row that is kept without a match was not joined.
        let kept: BTreeSet<SourceId> = if keeps == Keeps::Both {
            all.clone()
        } else {
            seen(&left)
        };
        pairs.joined.retain(|(source, _)| !kept.contains(source));
        let rows = self.marked(join, (left, right), &pairs, keeps, (matches, flags))?;
        self.at_most_twice(&rows)?;
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// All rows of the sides that are kept, with their matches and with the mark whether there is one.
    fn marked(
        &mut self,
        join: &Join,
        (left, right): (Side<'_>, Side<'_>),
        pairs: &Pairs,
        keeps: Keeps,
        (matches, flags): (Vec<Match>, Vec<Expr>),
    ) -> Option<Restricted> {
        let join_type = match keeps {
            Keeps::Both => JoinType::Full,
            Keeps::Left | Keeps::OnlyUnmatched => JoinType::Left,
        };
        let left_first = std::ptr::eq(left.original, join.left.as_ref());
        let columns = match (keeps, left_first) {
            (Keeps::OnlyUnmatched, _) => left.columns.clone(),
            (_, true) => [left.columns.clone(), right.columns.clone()].concat(),
            (_, false) => [right.columns.clone(), left.columns.clone()].concat(),
        };
        let plan = self.join_plan(left.plan.clone(), right.plan.clone(), pairs, join_type)?;
        let mut rows = left.into_rows();
        let Restricted { sources, control, .. } = right.into_rows();
        rows.plan = plan;
        rows.columns = columns;
        rows.sources.extend(sources);
        rows.control.extend(control);
        rows.control.extend(pairs.lineage.iter().cloned());
        mark_joined(&mut rows, pairs);
        let flags = matches.iter().zip(flags).map(|(m, flag)| flag.alias(&m.name));
        let visible = join.schema.columns().into_iter().chain(rows.hidden());
        let exprs = visible.map(Expr::Column).chain(flags).collect();
        let projection = Projection::try_new(exprs, Arc::new(rows.plan));
        rows.plan = LogicalPlan::Projection(self.built(projection)?);
        rows.absence.matches.extend(matches);
        rows.absence.own_rows = false;
        Some(rows)
    }

    /// Own columns that are compared with join columns are those, but for rows without a match: there they are no
    /// individual of the other side, and lead to nobody's table.
    fn detach(
        &mut self,
        left: &mut Side<'_>,
        right: &mut Side<'_>,
        pairs: &Pairs,
        keeps: Keeps,
        (mark, other_mark): (&Lineage, &Lineage),
    ) {
        for (l, r) in pairs.identity_columns() {
            let (left_open, right_open) = (left.is_open(), right.is_open());
            equate(left, l, right, r);
            if left_open {
                left.columns[l].units.clear();
                left.columns[l].lineage.extend(mark.iter().cloned());
            } else if right_open {
                right.columns[r].units.clear();
            }
        }
        for column in &mut right.columns {
            *column = column.clone().detached(mark);
        }
        if keeps == Keeps::Both {
            for column in &mut left.columns {
                *column = column.clone().detached(other_mark);
            }
        }
    }

    /// A column of the side on the pairs' right that is not NULL where the side is there. It is hidden, so that no
    /// column of the other side has its name: engines have taken one for the other.
    fn there(&mut self, side: &mut Side<'_>, pairs: &Pairs, number: usize) -> Option<Expr> {
        if let Some(source) = side.sources.keys().next() {
            let name = unit_name(*source);
            let mut fields = side.plan.schema().iter();
            return fields
                .find(|(_, field)| *field.name() == name)
                .map(|unit| Expr::Column(unit.into()));
        }
        let name = format!("{RESERVED}there_{number}");
        let key = pairs.identity.first()?.right.1.clone().alias(&name);
        let columns = side.plan.schema().columns().into_iter().map(Expr::Column);
        let projection = Projection::try_new(columns.chain([key]).collect(), Arc::new(side.plan.clone()));
        side.plan = LogicalPlan::Projection(self.built(projection)?);
        Some(Expr::Column(Column::new_unqualified(name)))
    }
}
