//! What the owners of joined tables say about the join.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::logical_expr::LogicalPlan;
use uuid::Uuid;

use super::Typer;
use super::join::Side;
use super::keys::is_unique;
use super::origin::origins;
use super::pairs::Pairs;
use super::types::Restricted;
use crate::policy::{JoinCondition, JoinKind, JoinPartners, PartnerKind};
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// Whether every restricted source of either side admits the join's kind and the owners of the other side.
    pub(super) fn may_meet(
        &mut self,
        left: &Side<'_>,
        right: &Side<'_>,
        pairs: &Pairs,
        kind: JoinKind,
    ) -> bool {
        let left_keys: Vec<usize> = pairs.identity_columns().map(|(l, _)| l).collect();
        let right_keys: Vec<usize> = pairs.identity_columns().map(|(_, r)| r).collect();
        let left_owners = self.owners(left, &left_keys);
        let right_owners = self.owners(right, &right_keys);
        let before = self.violations_len();
        for (side, others) in [(left, &right_owners), (right, &left_owners)] {
            for source in side.sources.keys() {
                self.admits(*source, others, kind);
            }
        }
        self.violations_len() == before
    }

    fn violations_len(&self) -> usize {
        self.violations.len()
    }

    /// Whose rows a side has. For an open side: whose table its key comes from.
    fn owners(&self, side: &Side<'_>, keys: &[usize]) -> BTreeSet<Uuid> {
        if !side.is_open() {
            return side.sources.keys().map(|s| self.source(*s).table.owner).collect();
        }
        let origins = keys
            .iter()
            .filter_map(|key| origins(side.original, *key))
            .flatten();
        origins
            .filter_map(|o| self.catalog.by_id(o.table))
            .map(|t| t.owner)
            .collect()
    }

    pub(super) fn admits(&mut self, source: usize, others: &BTreeSet<Uuid>, kind: JoinKind) {
        let info = self.source(source);
        let (table, joins) = (info.table.full_name(), &info.policy.joins);
        let mut refuse = |message: String| {
            self.violations
                .push(Violation::new(ViolationCode::JoinNotAllowed, "join", message).table(&table));
        };
        if joins.condition == JoinCondition::Blocked {
            return refuse(format!("The policy of {table} blocks joins."));
        }
        if !joins.kinds.contains(&kind) {
            let kind = match kind {
                JoinKind::Inner => "inner joins",
                JoinKind::Semi => "semi joins and intersections",
                JoinKind::Left => "outer joins",
                JoinKind::Anti => "anti joins",
            };
            refuse(format!("The policy of {table} does not allow {kind}."));
        }
        let admitted = |other: &Uuid| match &joins.with {
            JoinPartners::Kind(PartnerKind::Anyone) => true,
            JoinPartners::Kind(PartnerKind::OtherOwners) => *other != info.table.owner,
            JoinPartners::Tenants(tenants) => tenants.contains(other),
        };
        if !others.iter().all(admitted) {
            refuse(format!(
                "The policy of {table} does not allow a join with a table of that owner."
            ));
        }
    }

    /// An open side that repeats its key weighs and selects individuals (H1, H3): a list that holds everybody but
    /// one in one group, or each person a chosen number of times, gives single persons' values from sums.
    pub(super) fn open_is_unique(
        &mut self,
        left: &Side<'_>,
        right: &Side<'_>,
        pairs: &Pairs,
        inner: bool,
    ) -> bool {
        let (open, keys): (_, BTreeSet<usize>) = if left.is_open() {
            (left, pairs.identity_columns().map(|(l, _)| l).collect())
        } else if right.is_open() && inner {
            (right, pairs.identity_columns().map(|(_, r)| r).collect())
        } else {
            return true;
        };
        if is_unique(open.original, &keys, self.catalog) {
            return true;
        }
        let schema = open.original.schema();
        let names: Vec<String> = keys.iter().map(|k| schema.field(*k).name().clone()).collect();
        let (names, table) = (names.join(", "), self.open_table(open, &keys));
        let alias = keys
            .first()
            .and_then(|k| schema.qualified_field(*k).0)
            .map(|q| q.table().to_owned());
        let alias = alias.unwrap_or_else(|| "own".to_owned());
        let message = format!(
            "{table} is not known to be unique on {names}. A list of your own that repeats a key would select and weigh \
             individuals of the other table."
        );
        let rewrite = format!("JOIN (SELECT DISTINCT {names} FROM {table}) {alias} ON …");
        let violation = Violation::new(ViolationCode::NotUnique, "H1", message)
            .table(table)
            .rewrite(rewrite);
        self.violations.push(violation);
        false
    }

    fn open_table(&self, open: &Side<'_>, keys: &BTreeSet<usize>) -> String {
        let origins = keys
            .iter()
            .filter_map(|k| origins(open.original, *k))
            .flatten()
            .next();
        let table = origins
            .and_then(|o| self.catalog.by_id(o.table))
            .map(|t| t.full_name());
        table.unwrap_or_else(|| "the open side".to_owned())
    }

    /// Whether the sources of each side accept that the other side repeats their rows.
    pub(super) fn may_multiply(&mut self, left: &Side<'_>, right: &Side<'_>, pairs: &Pairs) -> bool {
        let left_keys = pairs.identity_columns().map(|(l, _)| l).collect();
        let right_keys = pairs.identity_columns().map(|(_, r)| r).collect();
        let left_fans = self.fans_out(right.original, &right_keys, left);
        let right_fans = self.fans_out(left.original, &left_keys, right);
        !left_fans && !right_fans
    }

    /// Whether `by` may repeat rows of a source that does not accept it.
    fn fans_out(&mut self, by: &LogicalPlan, keys: &BTreeSet<usize>, side: &Side<'_>) -> bool {
        if is_unique(by, keys, self.catalog) {
            return false;
        }
        let strict = side
            .sources
            .keys()
            .map(|s| self.source(*s))
            .find(|s| !s.policy.joins.fan_out);
        let Some(strict) = strict else {
            return false;
        };
        let table = strict.table.full_name();
        let message = format!("The policy of {table} does not allow a join that may repeat its rows.");
        let violation = Violation::new(ViolationCode::JoinNotAllowed, "join", message).table(table);
        self.violations
            .push(violation.rewrite("SELECT DISTINCT of the key on the other side"));
        true
    }

    /// Sums over a table joined with itself again and again are power sums of single contributions.
    pub(super) fn at_most_twice(&mut self, rows: &Restricted) -> Option<()> {
        let mut occurrences: BTreeMap<Uuid, usize> = BTreeMap::new();
        for source in rows.sources.keys() {
            *occurrences.entry(self.source(*source).table.id).or_default() += 1;
        }
        let often = rows.sources.keys().find(|s| {
            occurrences
                .get(&self.source(**s).table.id)
                .is_some_and(|n| *n > 2)
        });
        let Some(often) = often else {
            return Some(());
        };
        let table = self.source(*often).table.full_name();
        let message = format!("{table} is joined with itself more than once.");
        self.violations
            .push(Violation::new(ViolationCode::JoinNotAllowed, "join", message).table(table));
        None
    }
}
