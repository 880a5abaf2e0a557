//! What a node knows of rows that have no match on another side.
//!
//! Who is missing from a table is as personal as who is in it (H5): against a list that holds one person, the count
//! of all others tells about that person. So a join that keeps rows without a match marks every row with whether it
//! has one, keeps the rows that an anti join would drop, and leaves to the release that both parts are large enough
//! in every group. What depends on the mark may be grouped by and aggregated, but selects no rows: a selection would
//! change the parts before they are counted.

use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::Expr;
use std::collections::BTreeSet;

use super::Typer;
use super::expression::first_position;
use super::types::{Lineage, SourceId};
use crate::plan::RESERVED;
use crate::violation::{Violation, ViolationCode};

/// Everything a node knows of absence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Absence {
    /// The outer and anti joins below, in their order.
    pub(crate) matches: Vec<Match>,
    /// The union below, if there is one.
    pub(crate) branches: Option<Branches>,
    /// Whether the rows are the caller's own, each as often as its table has it, and selected by who else has its key.
    pub(crate) own_rows: bool,
}

/// A union of restricted rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Branches {
    /// The branches' numbers in the statement, and their sources.
    pub(crate) sources: Vec<(usize, BTreeSet<SourceId>)>,
    /// Whether there is one row for each individual, whatever branches it is in.
    pub(crate) distinct: bool,
    /// Whether a branch is such a relation, and this is not.
    pub(crate) of_distinct: bool,
}

/// An outer or anti join, seen from a side whose rows it keeps.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    /// Name of the hidden column: true where the row has a match, false where it has none, NULL where the row is of
    /// the other side.
    pub(crate) name: String,
    /// Whether only rows without a match are rows of the statement.
    pub(crate) anti: bool,
    /// Whether rows of the other side are kept, too.
    pub(crate) full: bool,
    /// Sources of both sides: each has enough units among the pairs.
    pub(crate) both: BTreeSet<SourceId>,
    /// Sources of the side that is kept: each has enough units without a match. Empty if that side is open; its rows
    /// are counted then.
    pub(crate) kept: BTreeSet<SourceId>,
}

impl Absence {
    pub(crate) fn is_empty(&self) -> bool {
        self.matches.is_empty() && self.branches.is_none()
    }

    /// The hidden columns of matches.
    pub(super) fn columns(&self, schema: &DFSchema) -> Vec<Column> {
        let names: BTreeSet<&str> = self.matches.iter().map(|m| m.name.as_str()).collect();
        let hidden = schema
            .iter()
            .filter(|(_, field)| names.contains(field.name().as_str()));
        hidden.map(Column::from).collect()
    }

    /// Rows that are joined from now on have the units of these sources as well.
    pub(super) fn joined_with(&mut self, sources: &BTreeSet<SourceId>) {
        for known in &mut self.matches {
            known.both.extend(sources);
            if !known.kept.is_empty() {
                known.kept.extend(sources);
            }
        }
    }
}

impl Match {
    /// Whether something depends on which rows have a match.
    pub(crate) fn decides(&self, lineage: &Lineage) -> bool {
        lineage.iter().any(|(_, column)| *column == self.name)
    }
}

/// Name of the hidden column of a match, and what marks the lineage of all that depends on it.
pub(super) fn match_name(number: usize) -> String {
    format!("{RESERVED}match_{number}")
}

/// What marks the lineage of all that depends on who is in a branch of a union.
pub(crate) fn branch_name(number: usize) -> String {
    format!("{RESERVED}branch_{number}")
}

/// Whether something depends on which rows have a match.
pub(super) fn is_marked(lineage: &Lineage) -> bool {
    lineage.iter().any(|(_, column)| column.starts_with(RESERVED))
}

impl Typer<'_> {
    /// A condition that depends on which rows have a match would select among them before they are counted.
    pub(super) fn refuse_selection(&mut self, lineage: &Lineage, condition: &Expr) -> bool {
        if !is_marked(lineage) {
            return false;
        }
        let message = "A condition on the other side of an outer join, or on the presence in a branch of a union, selects \
                       by what is absent.";
        let violation = Violation::new(ViolationCode::Absence, "H5", message).at(first_position(condition));
        self.violations.push(violation.rewrite(
            "an inner join, NOT EXISTS, the condition in ON or on the other side alone, or GROUP BY it and a selection above",
        ));
        true
    }

    /// What is on the other side of an outer, semi or anti join, or in a union, must be all there is.
    pub(super) fn refuse_nested_absence<T>(&mut self) -> Option<T> {
        let message = "What another side is compared with cannot itself keep rows without a match.";
        let violation = Violation::new(ViolationCode::Absence, "H5", message);
        self.violations.push(violation.rewrite(
            "the table that is kept first, then its joins one after the other: (a EXCEPT b) INTERSECT c",
        ));
        None
    }
}
