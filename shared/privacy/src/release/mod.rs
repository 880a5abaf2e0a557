//! The release: where rows of individuals become groups that may leave.
//!
//! Every aggregate over restricted rows is rewritten to two levels of plain relational algebra, so that any engine
//! gives the same protection: first one row for each group and unit, then one row for each group, with the numbers
//! that the threshold needs beside the values. On that small relation [`Release::apply`] drops the groups that must
//! not leave and computes the values. What the statement does above (HAVING, expressions, ORDER BY, LIMIT) is an
//! ordinary plan over the released rows.
//!
//! A group that fails is absent, as if it did not exist; nothing tells how many failed.

mod absence;
mod apply;
mod distinct;
mod levels;
mod list;
mod number;
mod output;
mod rewrite;
mod values;
mod venn;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan};
use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::ids::with_ids;
use crate::plan::RESERVED;
use crate::policy::DEFAULT_SCALE;
use crate::typing::{ColumnType, Component, Lineage, Restricted, SourceId};

pub use apply::ReleaseError;
pub(crate) use levels::exact;
pub(crate) use list::list;
pub(crate) use rewrite::build;

/// One release of a compiled query: what the engine computes, and what may leave of it.
#[derive(Debug, Clone)]
pub struct Release {
    number: usize,
    plan: LogicalPlan,
    schema: SchemaRef,
    keys: usize,
    checks: Vec<Check>,
    values: Vec<Output>,
    round_to: i64,
}

impl Release {
    /// Its number among the query's releases; [`crate::ScanKey::Released`] refers to it.
    pub fn number(&self) -> usize {
        self.number
    }

    /// What the engine runs, once tables are bound. Its rows are for [`Release::apply`] alone: they hold what the
    /// threshold is to keep back.
    pub fn engine_plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Lets the plan compare identities by their ids.
    pub(crate) fn read_ids(&mut self, catalog: &Catalog) {
        let plan = std::mem::take(&mut self.plan);
        self.plan = with_ids(plan, catalog);
    }

    /// The schema of the released rows.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Drops the groups that must not leave, rounds, and orders the rest by all columns.
    ///
    /// # Errors
    /// When the rows are not those of [`Release::engine_plan`].
    pub fn apply(&self, batches: &[RecordBatch]) -> Result<RecordBatch, ReleaseError> {
        apply::apply(self, batches)
    }
}

/// A condition on a group. Columns are positions in the engine's rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Check {
    /// So many units.
    AtLeast { column: usize, min: i64 },
    /// So many units, unless the group cannot have any: `elsewhere` is not 0 there.
    AtLeastUnless {
        column: usize,
        min: i64,
        elsewhere: usize,
    },
    /// No unit, or so many: two values of one row must not differ by a few.
    NoneOrAtLeast { column: usize, min: i64 },
    /// Some unit in one of these columns.
    Some { columns: Vec<usize> },
    /// No unit in any of these columns, or so many in each: a side of a join is not there, or both its parts are.
    NoneOrEach { columns: Vec<(usize, i64)> },
    /// The largest contribution of one unit, against the total of all contributions without their signs.
    Share { largest: usize, total: usize, max: f64 },
}

/// How a released value is computed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Count {
        count: usize,
    },
    Sum {
        sum: usize,
        to: DataType,
    },
    Avg {
        sum: usize,
        count: usize,
        to: DataType,
    },
    Variance {
        squares: usize,
        sum: usize,
        count: usize,
        population: bool,
        root: bool,
    },
}

/// An aggregate as the statement has it, checked.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) kind: ValueKind,
    /// Nothing for COUNT(*).
    pub(crate) argument: Option<Argument>,
    pub(crate) filter: Option<Expr>,
    /// What it adds up.
    pub(crate) component: Component,
    /// Restricted columns that it depends on, beside those that the rows do.
    pub(crate) lineage: Lineage,
}

/// What an aggregate takes of each row.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) expr: Expr,
    pub(crate) column: ColumnType,
    pub(crate) data_type: DataType,
    /// The products that are added up in it, if several; each is checked as if it were released (H8).
    pub(crate) products: Vec<Expr>,
}

impl Argument {
    pub(crate) fn new(expr: Expr, column: ColumnType, data_type: DataType, products: Vec<Expr>) -> Self {
        Self {
            expr,
            column,
            data_type,
            products,
        }
    }

    /// Whether it descends from a column of this source, marks of what it depends on aside.
    fn is_of(&self, source: SourceId) -> bool {
        let mut stored = self
            .column
            .lineage
            .iter()
            .filter(|(_, name)| !name.starts_with(RESERVED));
        stored.any(|(of, _)| *of == source)
    }

    /// Decimals that it is taken with, if it is a floating-point number.
    fn scale(&self) -> u8 {
        self.column.measure.as_ref().map_or(DEFAULT_SCALE, |m| m.scale)
    }

    fn bounds(&self) -> Option<[f64; 2]> {
        self.column.measure.as_ref()?.bounds
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Stddev { population: bool },
    Var { population: bool },
}

/// A group key.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) expr: Expr,
    /// Restricted columns that it descends from, and marks of what decided it.
    pub(crate) lineage: Lineage,
    /// The branch of a union that it tells.
    pub(crate) fixes: Option<usize>,
    /// For each branch of a union the constant that it is there.
    pub(crate) constants: BTreeMap<usize, ScalarValue>,
}

/// What is to be released.
#[derive(Debug)]
pub(crate) struct Question<'r> {
    pub(crate) number: usize,
    pub(crate) rows: &'r Restricted,
    pub(crate) classes: BTreeMap<SourceId, Vec<SourceId>>,
    /// Classes of which no unit is in two rows.
    pub(crate) alone: BTreeSet<SourceId>,
    pub(crate) groups: Vec<Group>,
    pub(crate) values: Vec<Value>,
    /// What decided which rows are in which group.
    pub(crate) control: Lineage,
}

/// A release, and the plan that stands in its place.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) release: Release,
    pub(crate) plan: LogicalPlan,
}

#[cfg(test)]
mod tests;
