//! Semi joins: IN, EXISTS and INTERSECT.

use datafusion::common::JoinType;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Typer;
use super::join::{Side, equate};
use super::pairs::Pairs;
use super::types::{Restricted, Typed, unit_name};
use crate::policy::JoinKind;
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// The rows of `kept` that have a match in `other`. The pairs have `kept` on their left.
    pub(super) fn semi_join(
        &mut self,
        join: &Join,
        kept: Side<'_>,
        other: Side<'_>,
        pairs: Pairs,
    ) -> Option<Typed> {
        let left_is_kept = std::ptr::eq(kept.original, join.left.as_ref());
        match &kept.absence.branches {
            Some(branches) if !pairs.identity.is_empty() && left_is_kept => {
                if branches.distinct {
                    return self.distinct_union_semi_join(join, &other);
                }
                return self.union_join(join, &kept, &other);
            }
            Some(_) if !pairs.identity.is_empty() => return self.refuse_union_in_join(),
            _ if other.absence.branches.is_some() => return self.refuse_union_in_join(),
            _ => {}
        }
        if !other.absence.is_empty() {
            return self.refuse_nested_absence();
        }
        if pairs.identity.is_empty() && (!other.is_open() || pairs.dimension.is_empty()) {
            return self.refuse_without_key(&kept, &other);
        }
        let partners = pairs.identity.is_empty() || self.may_meet(&kept, &other, &pairs, JoinKind::Semi);
        // A list of the caller's own that only selects needs no uniqueness; one whose rows are counted does.
        let unique = self.open_is_unique(&kept, &other, &pairs, false);
        if !(partners && unique) {
            return None;
        }
        if other.is_open() {
            self.select_by_list(kept, other, &pairs, JoinType::LeftSemi)
        } else {
            self.select_by_rows(join, kept, other, &pairs)
        }
    }

    /// Restricted rows, filtered by a list of the caller's own.
    pub(super) fn select_by_list(
        &mut self,
        kept: Side<'_>,
        other: Side<'_>,
        pairs: &Pairs,
        join_type: JoinType,
    ) -> Option<Typed> {
        let mut rows = kept.into_rows();
        rows.plan = self.join_plan(rows.plan, other.plan, pairs, join_type)?;
        rows.control.extend(pairs.lineage.iter().cloned());
        mark_joined(&mut rows, pairs);
        if !pairs.identity.is_empty() {
            rows.choose();
        }
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// Rows that have a match among restricted rows belong, from then on, to the units that they matched: the key is
    /// those units' own column, so the match adds no unit that is not counted (H11).
    fn select_by_rows(
        &mut self,
        join: &Join,
        mut kept: Side<'_>,
        mut other: Side<'_>,
        pairs: &Pairs,
    ) -> Option<Typed> {
        let matched = self.matched_units(&kept, &other, pairs)?;
        let own_rows = kept.is_open() || kept.absence.own_rows;
        for (k, o) in pairs.identity_columns() {
            equate(&mut kept, k, &mut other, o);
        }
        let width = kept.columns.len();
        let mut rows = kept.into_rows();
        let hidden_before = rows.hidden();
        let Side {
            plan,
            columns: other_columns,
            sources,
            control,
            ..
        } = other;
        let semi = self.join_plan(rows.plan, plan, pairs, JoinType::LeftSemi)?;
        let visible = semi
            .schema()
            .columns()
            .into_iter()
            .take(width)
            .chain(hidden_before)
            .map(Expr::Column);
        let added = matched
            .iter()
            .map(|(source, key)| key.clone().alias(unit_name(*source)));
        let projection = Projection::try_new(visible.chain(added).collect(), Arc::new(semi));
        rows.plan = LogicalPlan::Projection(self.built(projection)?);
        debug_assert!(
            join.schema.fields().len() == width,
            "a semi join gives the columns of the kept side"
        );
        rows.absence.own_rows = own_rows;
        rows.absence.joined_with(&sources.keys().copied().collect());
        rows.sources.extend(sources);
        if own_rows {
            rows.choose();
        }
        rows.share_choice();
        rows.control.extend(control);
        rows.control.extend(pairs.lineage.iter().cloned());
        mark_joined(&mut rows, pairs);
        for (k, o) in pairs.identity_columns() {
            let same: BTreeSet<usize> = rows.columns[k]
                .units
                .union(&other_columns[o].units)
                .copied()
                .collect();
            rows.merge_classes(&same);
            let by_key = self.same_by_key(&rows.columns[k], &other_columns[o]);
            rows.merge_classes(&by_key);
            rows.columns[k].units = same;
        }
        self.at_most_twice(&rows)?;
        Some(Typed::Restricted(Box::new(rows)))
    }

    /// For each source of the matched side, what of the kept side is its unit: the key; or, where a child's key meets
    /// its parent's, the individual of the kept row, whose the matched row is as well.
    pub(super) fn matched_units(
        &mut self,
        kept: &Side<'_>,
        other: &Side<'_>,
        pairs: &Pairs,
    ) -> Option<Vec<(usize, Expr)>> {
        let mut matched = Vec::new();
        for (source, state) in &other.sources {
            let class = state.class;
            let same_class = |s: &usize| other.sources.get(s).is_some_and(|state| state.class == class);
            let by_unit = pairs.identity.iter().find(|pair| {
                pair.right
                    .0
                    .and_then(|r| other.columns.get(r))
                    .is_some_and(|column| column.units.iter().any(same_class))
            });
            let unit = by_unit.map(|pair| pair.left.1.clone()).or_else(|| {
                pairs.identity_columns().find_map(|(k, o)| {
                    let same = self.same_by_key(kept.columns.get(k)?, other.columns.get(o)?);
                    let of_kept = same.iter().find(|s| kept.is_always_of(**s))?;
                    same.iter().any(same_class).then(|| kept.unit(*of_kept))?
                })
            });
            let Some(unit) = unit else {
                let table = self.source(*source).table.full_name();
                let message = format!(
                    "IN, EXISTS, INTERSECT and EXCEPT over {table} must compare its privacy unit, or a key with that of its parent."
                );
                let violation = Violation::new(ViolationCode::JoinKey, "H11", message).table(table);
                self.violations.push(violation.rewrite("an inner join"));
                return None;
            };
            matched.push((*source, unit));
        }
        Some(matched)
    }
}

pub(super) fn mark_joined(rows: &mut Restricted, pairs: &Pairs) {
    for (source, column) in &pairs.joined {
        if let Some(state) = rows.sources.get_mut(source) {
            state.joined.insert(column.clone());
        }
    }
}
