//! The overlap list: rows of the caller's own whose key is in others' tables, where their owners give leave.
//!
//! It says of every row of a list whether it is there, and so is membership itself; an owner that allows it says so in
//! its policy. Nothing else is said: no column of the other side, no condition on one, no row more often than it is
//! (H23).

use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::LogicalPlan;

use super::Typer;
use super::types::{ColumnType, Kind, Restricted};
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// The released rows.
    pub(super) fn list(&mut self, rows: &Restricted, schema: &DFSchemaRef) -> Option<LogicalPlan> {
        let (leave, conditions, joins) = (
            self.may_list(rows),
            self.lists_by_key(rows),
            self.conditions(rows),
        );
        if !(leave && conditions && joins) {
            return None;
        }
        let number = self.release_number(0)?;
        let released = crate::release::list(self, rows, schema, number)?;
        self.releases.push(released.release);
        Some(released.plan)
    }

    /// The leave of every table that the rows are compared with, and of those that say whose their rows are.
    fn may_list(&mut self, rows: &Restricted) -> bool {
        let mut good = true;
        for source in rows.sources.keys() {
            let info = self.source(*source);
            let asked = std::iter::once((info.table, info.policy)).chain(info.parents);
            for (table, _) in asked.filter(|(_, policy)| !policy.overlap_list) {
                let table = table.full_name();
                let message = format!(
                    "The policy of {table} does not let analysts list their own rows that are in it."
                );
                let violation = Violation::new(ViolationCode::RowOutput, "H23", message).table(table);
                self.violations.push(
                    violation.rewrite("SELECT COUNT(*), or GROUP BY columns of your own with COUNT(*)"),
                );
                good = false;
            }
        }
        good
    }

    /// A condition on an attribute of the other side would publish it for each row; so would a column.
    fn lists_by_key(&mut self, rows: &Restricted) -> bool {
        let is_key = |(source, name): &(usize, String)| {
            rows.sources
                .get(source)
                .is_some_and(|state| state.joined.contains(name))
        };
        let of_key = |column: &ColumnType| match &column.kind {
            Kind::Stored(source, name) => is_key(&(*source, name.clone())),
            Kind::Derived | Kind::Open | Kind::Literal => column.lineage.iter().all(is_key),
        };
        let shown = rows
            .columns
            .iter()
            .filter(|c| !of_key(c))
            .flat_map(|c| c.lineage.iter().cloned());
        let conditions = rows.control.iter().filter(|c| !is_key(c)).cloned();
        let mut good = true;
        for (source, name) in conditions.chain(shown).collect::<Vec<_>>() {
            let table = self.source(source).table.full_name();
            let message = format!(
                "A list of your own rows that are in {table} may depend on the compared key alone, not on {name}."
            );
            let violation = Violation::new(ViolationCode::RowOutput, "H23", message);
            self.violations.push(
                violation
                    .table(table)
                    .column(name)
                    .rewrite("SELECT own columns FROM own WHERE key IN (SELECT key FROM other)"),
            );
            good = false;
        }
        good
    }
}
