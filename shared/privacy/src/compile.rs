//! From a text to an engine plan with its release, or to all reasons why not.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::limits::Limits;
use crate::parameter::Parameters;
use crate::plan::{ScanKey, ScanSource};
use crate::release::Release;
use crate::stack::deep;
use crate::typing::{Checked, Source};
use crate::violation::{Violation, ViolationCode};
use crate::{gate, plan, typing};

/// A query that may run.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The statement as it was understood: one spelling for all layouts of the same text, the
    /// values of parameters in their places.
    pub normalized: String,
    /// Every table that the query reads, each once, in the order of their names.
    pub tables: Vec<TableUse>,
    /// What is released from other tenants' rows. Empty if the query reads none.
    pub releases: Vec<Release>,
    /// The plan over released rows and open tables; its rows are the result.
    pub top: LogicalPlan,
    /// The result's columns.
    pub output_schema: SchemaRef,
}

/// A table that a query reads.
#[derive(Debug, Clone, PartialEq)]
pub struct TableUse {
    /// The table.
    pub table_id: Uuid,
    /// `dataset.table`.
    pub name: String,
    /// Version of the policy that the query was checked against.
    pub policy_version: Option<i64>,
    /// The threshold under which its rows are read; nothing for an open table.
    pub threshold: Option<EffectiveThreshold>,
}

/// What a table's policy asks of every released value that rests on its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectiveThreshold {
    /// Distinct units; a column's own demand can be higher.
    pub min_units: u64,
    /// Largest share of one unit.
    pub max_share: f64,
    /// Counts of the query are rounded to this, or to what another of its tables asks.
    pub round_to: u64,
}

impl TableUse {
    /// Whether the rows are another tenant's, and leave through a release only.
    pub fn is_restricted(&self) -> bool {
        self.threshold.is_some()
    }
}

/// Compiles a statement of one caller, on a stack of its own: parser and planner recurse.
///
/// Depends on the statement, its parameters, schemas and policies alone: no row is read.
///
/// # Errors
/// Every violation that was found, in the order of the text.
pub fn compile(
    sql: &str,
    parameters: &Parameters,
    catalog: &Catalog,
    limits: &Limits,
) -> Result<Compiled, Vec<Violation>> {
    deep(|| compile_here(sql, parameters, catalog, limits)).unwrap_or_else(|| {
        // What breaks the planner is not understood.
        let message = "The statement cannot be planned.";
        Err(vec![Violation::new(ViolationCode::InvalidQuery, "plan", message)])
    })
}

fn compile_here(
    sql: &str,
    parameters: &Parameters,
    catalog: &Catalog,
    limits: &Limits,
) -> Result<Compiled, Vec<Violation>> {
    let query =
        gate::admit(sql, parameters, catalog, limits).map_err(crate::violation::Violations::into_sorted)?;
    let normalized = query.to_string();
    let plan = plan::plan(query, catalog, limits).map_err(crate::violation::Violations::into_sorted)?;
    let checked = typing::check(&plan, catalog, limits).map_err(crate::violation::Violations::into_sorted)?;
    let tables = tables(&checked, catalog);
    let Checked {
        top,
        mut releases,
        sources: _,
    } = checked;
    for release in &mut releases {
        release.read_ids(catalog);
    }
    let output_schema = Arc::clone(top.schema().inner());
    Ok(Compiled {
        normalized,
        tables,
        releases,
        top,
        output_schema,
    })
}

fn tables(checked: &Checked<'_>, catalog: &Catalog) -> Vec<TableUse> {
    let mut found: BTreeMap<Uuid, TableUse> = BTreeMap::new();
    let plans = checked
        .releases
        .iter()
        .map(Release::engine_plan)
        .chain([&checked.top]);
    for plan in plans {
        // The closure never returns an error.
        let _ = plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(ScanSource {
                    key: ScanKey::Table(id),
                    ..
                }) = scan.source.downcast_ref::<ScanSource>()
                && let Some(table) = catalog.by_id(*id)
            {
                // A parent's rows, too, are read for what is released of its children's.
                let of = |s: &Source<'_>| {
                    s.table.id == *id || s.parents.iter().any(|(parent, _)| parent.id == *id)
                };
                let threshold = checked.sources.iter().find(|s| of(s)).map(Source::threshold);
                let threshold = threshold.map(|asked| EffectiveThreshold {
                    min_units: asked.min_units.max(2),
                    max_share: asked.max_share,
                    round_to: asked.round_to,
                });
                let name = table.full_name();
                found.insert(
                    *id,
                    TableUse {
                        table_id: *id,
                        name,
                        policy_version: table.policy_version,
                        threshold,
                    },
                );
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    let mut tables: Vec<TableUse> = found.into_values().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}
