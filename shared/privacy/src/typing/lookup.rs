//! Look-up joins: a dimension's value looked up in an open table (a city's region, a carrier's name).
//!
//! The open table is unique on what it is looked up by, so no row is repeated and its columns are functions of the
//! dimension: a CASE, written as a table. They are never aggregated.

use datafusion::common::JoinType;
use datafusion::logical_expr::Join;
use std::collections::BTreeSet;

use super::Typer;
use super::join::Side;
use super::keys::is_unique;
use super::pairs::Pairs;
use super::types::{ColumnType, Typed};
use crate::violation::{Violation, ViolationCode};

impl Typer<'_> {
    /// `outer` keeps rows whose dimension is not in the table; nothing is learned from that but the dimension.
    pub(super) fn look_up(
        &mut self,
        join: &Join,
        rows: Side<'_>,
        mut table: Side<'_>,
        pairs: Pairs,
        outer: bool,
    ) -> Option<Typed> {
        let keys: Option<BTreeSet<usize>> = pairs.dimension.iter().map(|pair| pair.right.0).collect();
        let keys = match keys {
            Some(keys) if !keys.is_empty() => keys,
            _ => return self.refuse_without_key(&rows, &table),
        };
        if !is_unique(table.original, &keys, self.catalog) {
            let names: Vec<&str> = keys
                .iter()
                .map(|k| table.original.schema().field(*k).name().as_str())
                .collect();
            let names = names.join(", ");
            let message =
                format!("The table in which a dimension is looked up is not known to be unique on {names}.");
            let violation = Violation::new(ViolationCode::NotUnique, "H1", message);
            self.violations.push(violation.rewrite(format!(
                "JOIN (SELECT {names}, MIN(…) AS … FROM … GROUP BY {names}) …"
            )));
            return None;
        }
        for column in &mut table.columns {
            *column = ColumnType::looked_up(pairs.lineage.clone());
        }
        let join_type = if outer { JoinType::Left } else { JoinType::Inner };
        // The original's order of sides; the columns of both are put back into it.
        let rows_first = std::ptr::eq(rows.original, join.left.as_ref());
        let (row_columns, table_columns) = (rows.columns.clone(), table.columns.clone());
        let mut joined = self.joined(join, rows, table, &pairs, join_type)?;
        joined.columns = if rows_first {
            row_columns.into_iter().chain(table_columns).collect()
        } else {
            table_columns.into_iter().chain(row_columns).collect()
        };
        Some(Typed::Restricted(Box::new(joined)))
    }
}
