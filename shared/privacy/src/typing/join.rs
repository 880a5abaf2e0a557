//! Joins: which sides may meet, and by what.

use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::{Expr, Join, JoinConstraint, LogicalPlan, Projection};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Typer;
use super::absence::Absence;
use super::origin::{identity, origins};
use super::outer::Keeps;
use super::pairs::Pairs;
use super::types::{ColumnType, Lineage, Presence, Restricted, SourceState, Typed, unit_of};
use crate::policy::JoinKind;
use crate::violation::{Violation, ViolationCode};
use std::collections::BTreeMap;

/// One side of a join.
#[derive(Debug)]
pub(super) struct Side<'p> {
    /// As the statement has it; for names, types and proofs of uniqueness.
    pub(super) original: &'p LogicalPlan,
    /// Rewritten.
    pub(super) plan: LogicalPlan,
    pub(super) columns: Vec<ColumnType>,
    /// Empty for an open side.
    pub(super) sources: BTreeMap<usize, SourceState>,
    pub(super) control: Lineage,
    pub(super) absence: Absence,
}

impl<'p> Side<'p> {
    fn restricted(original: &'p LogicalPlan, rows: Restricted) -> Self {
        let Restricted {
            plan,
            columns,
            sources,
            control,
            absence,
        } = rows;
        Self {
            original,
            plan,
            columns,
            sources,
            control,
            absence,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether each row is an individual's of this source.
    pub(super) fn is_always_of(&self, source: usize) -> bool {
        let state = self.sources.get(&source);
        state.is_some_and(|state| state.presence == Presence::Always)
    }

    /// Where the unit of a source stands.
    pub(super) fn unit(&self, source: usize) -> Option<Expr> {
        unit_of(&self.plan, source).map(Expr::Column)
    }

    /// The side as a node of its own.
    pub(super) fn into_rows(self) -> Restricted {
        let Self {
            original: _,
            plan,
            columns,
            sources,
            control,
            absence,
        } = self;
        Restricted {
            plan,
            columns,
            sources,
            control,
            absence,
        }
    }
}

impl<'a> Typer<'a> {
    pub(super) fn join(&mut self, plan: &LogicalPlan, join: &Join) -> Option<Typed> {
        let (left, right) = (self.node(&join.left), self.node(&join.right));
        let (left, right) = match (left?, right?) {
            (Typed::Restricted(_), Typed::Released(_)) | (Typed::Released(_), Typed::Restricted(_)) => {
                // Released values as conditions on single rows would say more than was released.
                let message = "Released groups cannot be joined with rows of another tenant's table.";
                let violation = Violation::new(ViolationCode::JoinNotAllowed, "join", message);
                self.violations
                    .push(violation.rewrite("an aggregate of each side, joined above by group"));
                return None;
            }
            (Typed::Restricted(left), Typed::Restricted(right)) => (
                Side::restricted(&join.left, *left),
                Side::restricted(&join.right, *right),
            ),
            (Typed::Restricted(left), Typed::Open(right)) => (
                Side::restricted(&join.left, *left),
                self.open_side(&join.right, &right)?,
            ),
            (Typed::Open(left), Typed::Restricted(right)) => (
                self.open_side(&join.left, &left)?,
                Side::restricted(&join.right, *right),
            ),
            (left, right) => return self.free(plan, vec![left, right]),
        };
        match join.join_type {
            JoinType::Inner => self.inner_join(join, left, right),
            JoinType::LeftSemi => {
                let pairs = self.pairs(join, &left, &right)?;
                self.semi_join(join, left, right, pairs)
            }
            JoinType::RightSemi => {
                let pairs = self.pairs(join, &left, &right)?.swapped();
                self.semi_join(join, right, left, pairs)
            }
            JoinType::Left => {
                let pairs = self.pairs(join, &left, &right)?;
                self.kept_join(join, left, right, pairs)
            }
            JoinType::Right => {
                let pairs = self.pairs(join, &left, &right)?.swapped();
                self.kept_join(join, right, left, pairs)
            }
            JoinType::Full => {
                let pairs = self.pairs(join, &left, &right)?;
                self.outer_join(join, left, right, pairs, Keeps::Both)
            }
            JoinType::LeftAnti => {
                let pairs = self.pairs(join, &left, &right)?;
                self.outer_join(join, left, right, pairs, Keeps::OnlyUnmatched)
            }
            JoinType::RightAnti => {
                let pairs = self.pairs(join, &left, &right)?.swapped();
                self.outer_join(join, right, left, pairs, Keeps::OnlyUnmatched)
            }
            JoinType::LeftMark | JoinType::RightMark => {
                let message = "IN or EXISTS over another tenant's table must be a condition of WHERE of its own, not part of OR.";
                self.violations.push(
                    Violation::new(ViolationCode::Subquery, "H16", message)
                        .rewrite("WHERE … IN (SELECT …) AND …"),
                );
                None
            }
        }
    }

    /// The pairs have the side that is kept on their left.
    fn kept_join(&mut self, join: &Join, kept: Side<'_>, other: Side<'_>, pairs: Pairs) -> Option<Typed> {
        if pairs.identity.is_empty() && !kept.is_open() && other.is_open() {
            return self.look_up(join, kept, other, pairs, true);
        }
        self.outer_join(join, kept, other, pairs, Keeps::Left)
    }

    fn open_side<'p>(&mut self, original: &'p LogicalPlan, plan: &LogicalPlan) -> Option<Side<'p>> {
        let plan = self.prepared(plan)?;
        let fields = 0..original.schema().fields().len();
        let column = |index| {
            let identity = origins(original, index).and_then(|o| identity(&o, self.catalog));
            ColumnType::open(Lineage::new(), identity)
        };
        let columns = fields.map(column).collect();
        Some(Side {
            original,
            plan,
            columns,
            sources: BTreeMap::new(),
            control: Lineage::new(),
            absence: Absence::default(),
        })
    }

    fn inner_join(&mut self, join: &Join, left: Side<'_>, right: Side<'_>) -> Option<Typed> {
        let pairs = self.pairs(join, &left, &right)?;
        if pairs.identity.is_empty() {
            return match (left.is_open(), right.is_open()) {
                (false, true) => self.look_up(join, left, right, pairs, false),
                (true, false) => self.look_up(join, right, left, pairs.swapped(), false),
                _ => self.refuse_without_key(&left, &right),
            };
        }
        if left.absence.branches.is_some() || right.absence.branches.is_some() {
            return self.union_join(join, &left, &right);
        }
        let partners = self.may_meet(&left, &right, &pairs, JoinKind::Inner);
        let unique = self.open_is_unique(&left, &right, &pairs, true);
        let fan_out = self.may_multiply(&left, &right, &pairs);
        if !(partners && unique && fan_out) {
            return None;
        }
        let left_width = left.columns.len();
        let (mut left, mut right) = (left, right);
        for (l, r) in pairs.identity_columns() {
            equate(&mut left, l, &mut right, r);
        }
        let by_list = left.is_open() || right.is_open();
        let mut rows = self.joined(join, left, right, &pairs, JoinType::Inner)?;
        if by_list {
            rows.choose();
        }
        for (l, r) in pairs.identity_columns() {
            let same: BTreeSet<usize> = rows.columns[l]
                .units
                .union(&rows.columns[left_width + r].units)
                .copied()
                .collect();
            rows.merge_classes(&same);
            rows.columns[l].units.clone_from(&same);
            rows.columns[left_width + r].units = same;
            let by_key = self.same_by_key(&rows.columns[l], &rows.columns[left_width + r]);
            rows.merge_classes(&by_key);
        }
        self.at_most_twice(&rows)?;
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// Both sides' columns, the hidden ones last.
    pub(super) fn joined(
        &mut self,
        join: &Join,
        left: Side<'_>,
        right: Side<'_>,
        pairs: &Pairs,
        join_type: JoinType,
    ) -> Option<Restricted> {
        let plan = self.join_plan(left.plan, right.plan, pairs, join_type)?;
        // Only a look-up takes a union.
        let branches = left.absence.branches.clone().or(right.absence.branches.clone());
        let mut absence = left.absence;
        absence.branches = branches;
        absence.own_rows = false;
        absence.joined_with(&right.sources.keys().copied().collect());
        let mut others = right.absence;
        others.joined_with(&left.sources.keys().copied().collect());
        absence.matches.extend(others.matches);
        let mut sources = left.sources;
        sources.extend(right.sources);
        for (source, column) in &pairs.joined {
            if let Some(state) = sources.get_mut(source) {
                state.joined.insert(column.clone());
            }
        }
        let mut control = left.control;
        control.extend(right.control);
        control.extend(pairs.lineage.iter().cloned());
        let mut columns = left.columns;
        columns.extend(right.columns);
        let rows = Restricted {
            plan,
            columns,
            sources,
            control,
            absence,
        };
        let visible = join
            .schema
            .columns()
            .into_iter()
            .chain(rows.hidden())
            .map(Expr::Column)
            .collect();
        let ordered = Projection::try_new(visible, Arc::new(rows.plan));
        let mut rows = Restricted {
            plan: LogicalPlan::Projection(self.built(ordered)?),
            ..rows
        };
        rows.share_choice();
        Some(rows)
    }

    /// NULL is no identity: it matches nothing, in set operations too (H12).
    pub(super) fn join_plan(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        pairs: &Pairs,
        join_type: JoinType,
    ) -> Option<LogicalPlan> {
        let plan = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            pairs.on(),
            pairs.filter.clone(),
            join_type,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        );
        self.built(plan).map(LogicalPlan::Join)
    }
}

/// An open column that equals a restricted join column *is* that column from here on: every rule about it holds for
/// both names.
pub(super) fn equate(left: &mut Side<'_>, l: usize, right: &mut Side<'_>, r: usize) {
    if left.is_open() {
        left.columns[l] = right.columns[r].clone();
    } else if right.is_open() {
        right.columns[r] = left.columns[l].clone();
    }
}
