//! Types over the plan, bottom-up; and, in the same walk, the rewrite of what is restricted.
//!
//! Every node is open, restricted or released ([`Typed`]). A restricted node keeps the fields of the original and
//! carries, hidden behind them, the unit of each source, so that the release above can count units whatever the
//! statement selected. Each rule stands in one place, with the leak it closes; a node without a rule is refused.
//! The walk goes on after a violation, on the parts that it does not concern, so that all are told at once.

mod absence;
mod aggregate;
mod argument;
mod arithmetic;
mod case;
mod coarse;
mod decimal;
mod expression;
mod free;
mod join;
mod keys;
mod list;
mod lookup;
mod moment;
mod operation;
mod origin;
mod outer;
mod pairs;
mod parent;
mod partner;
mod prepared;
mod presence;
mod rows;
mod scan;
mod semi;
mod spread;
mod types;
mod union;
mod unit_sum;
mod unit_value;
mod units;
mod value;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::catalog::Catalog;
use crate::limits::Limits;
use crate::release::Release;
use crate::violation::{Violation, ViolationCode, Violations};

pub(crate) use absence::{Absence, Branches, Match, branch_name};
use spread::is_all_rows;
use types::Typed;
pub(crate) use types::{ColumnType, Component, Kind, Lineage, Presence, Restricted, Source, SourceId};

/// The walk's state.
pub(crate) struct Typer<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) limits: &'a Limits,
    pub(crate) sources: Vec<Source<'a>>,
    pub(crate) releases: Vec<Release>,
    /// Outer and anti joins met so far.
    pub(crate) matches: usize,
    /// Branches of unions met so far.
    pub(crate) branches: usize,
    pub(crate) violations: Violations,
}

/// A plan without restricted rows, and the releases that it reads.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) top: LogicalPlan,
    pub(crate) releases: Vec<Release>,
    pub(crate) sources: Vec<Source<'a>>,
}

/// Types a plan in normal form.
pub(crate) fn check<'a>(
    plan: &LogicalPlan,
    catalog: &'a Catalog,
    limits: &'a Limits,
) -> Result<Checked<'a>, Violations> {
    let mut typer = Typer {
        catalog,
        limits,
        sources: Vec::new(),
        releases: Vec::new(),
        matches: 0,
        branches: 0,
        violations: Violations::default(),
    };
    let top = match typer.node(plan) {
        Some(Typed::Open(plan)) => Some(plan),
        Some(Typed::Released(plan)) => typer.ordered(plan),
        Some(Typed::Restricted(rows)) if rows.absence.own_rows => {
            let listed = typer.list(&rows, plan.schema());
            listed.and_then(|listed| typer.ordered(listed))
        }
        Some(Typed::Restricted(rows)) => {
            typer.refuse_rows(&rows);
            None
        }
        None => None,
    };
    if !typer.sources.is_empty() && typer.violations.is_empty() {
        typer.refuse_volatile(plan);
    }
    match top {
        Some(top) if typer.violations.is_empty() => Ok(Checked {
            top,
            releases: typer.releases,
            sources: typer.sources,
        }),
        _ if typer.violations.is_empty() => Err(not_understood().into()),
        _ => Err(typer.violations),
    }
}

impl<'a> Typer<'a> {
    /// The type of a node; nothing if it, or something below it, was refused.
    pub(crate) fn node(&mut self, plan: &LogicalPlan) -> Option<Typed> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Join(join) => self.join(plan, join),
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::EmptyRelation(_) => self.inner(plan),
            _ => {
                self.violations.push(not_understood());
                None
            }
        }
    }

    fn inner(&mut self, plan: &LogicalPlan) -> Option<Typed> {
        let inputs: Vec<Option<Typed>> = plan.inputs().into_iter().map(|input| self.node(input)).collect();
        let mut inputs = inputs.into_iter().collect::<Option<Vec<_>>>()?;
        if inputs.iter().all(|input| !matches!(input, Typed::Restricted(_))) {
            return self.free(plan, inputs);
        }
        if let LogicalPlan::Union(union) = plan {
            return self.union(union, inputs);
        }
        let Some(Typed::Restricted(rows)) = inputs.pop() else {
            return None;
        };
        // What comes first among own rows that overlap is a matter of the caller.
        if let (LogicalPlan::Sort(_) | LogicalPlan::Limit(_), [input]) = (plan, plan.inputs().as_slice())
            && rows.absence.own_rows
        {
            let listed = self.list(&rows, input.schema())?;
            return self.free(plan, vec![Typed::Released(listed)]);
        }
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.alias(alias, *rows),
            LogicalPlan::Projection(projection) => self.projection(projection, *rows),
            LogicalPlan::Filter(filter) if is_all_rows(&rows) => self.union_filter(filter, *rows),
            LogicalPlan::Filter(filter) => self.filter(filter, *rows),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, *rows),
            LogicalPlan::Sort(_) => self.refuse_below("ORDER BY"),
            LogicalPlan::Limit(_) => self.refuse_below("LIMIT"),
            LogicalPlan::Window(_) => self.refuse_below("A window function"),
            _ => {
                self.violations.push(not_understood());
                None
            }
        }
    }

    /// The number of one more release of so many values, unless there are too many.
    fn release_number(&mut self, values: usize) -> Option<usize> {
        let number = self.releases.len();
        if number < self.limits.releases && values <= self.limits.values_per_release {
            return Some(number);
        }
        let message = format!(
            "A statement releases at most {} times, {} values each.",
            self.limits.releases, self.limits.values_per_release
        );
        self.violations
            .push(Violation::new(ViolationCode::TooLarge, "limits", message));
        None
    }

    pub(crate) fn source(&self, source: SourceId) -> Source<'a> {
        self.sources[source].clone()
    }

    /// A union below a release counts caller-made rows together with others' (H4): a total that is one larger with
    /// `UNION ALL SELECT 'alice'` than without tells whether alice is there.
    fn refuse_union(&mut self) -> Option<Typed> {
        let message =
            "A union cannot take rows of another tenant's table together with own or released ones.";
        let violation = Violation::new(ViolationCode::SetOperation, "H4", message);
        self.violations.push(violation.rewrite(
            "an aggregate of each side alone, the results combined above; a total reach is that of both less the overlap: SELECT (SELECT \
             COUNT(*) FROM own) + (SELECT COUNT(*) FROM b) - (SELECT COUNT(*) FROM b WHERE b.key IN (SELECT key FROM own))",
        ));
        None
    }

    /// The first rows of an order, and the rank of a row, are facts about single rows.
    fn refuse_below(&mut self, what: &str) -> Option<Typed> {
        let message =
            format!("{what} cannot apply to rows of another tenant's table, only to released groups.");
        let violation = Violation::new(ViolationCode::BelowRelease, "sort", message);
        self.violations
            .push(violation.rewrite("the aggregate in a subquery, ordered and limited outside"));
        None
    }

    fn refuse_rows(&mut self, rows: &Restricted) {
        let tables: Vec<String> = rows
            .sources
            .keys()
            .map(|s| self.source(*s).table.full_name())
            .collect();
        let message = format!(
            "Rows of {} never leave; only aggregates of them do.",
            tables.join(" and ")
        );
        let mut violation = Violation::new(ViolationCode::RowOutput, "root", message)
            .rewrite("SELECT COUNT(*), or GROUP BY dimensions with aggregates");
        if let [table] = tables.as_slice() {
            violation = violation.table(table);
        }
        self.violations.push(violation);
    }

    /// The same question has the same answer; and what is read twice must be the same twice.
    fn refuse_volatile(&mut self, plan: &LogicalPlan) {
        let mut volatile = false;
        // The closure never returns an error.
        let _ = plan.apply_with_subqueries(|node| {
            volatile |= node.expressions().iter().any(Expr::is_volatile);
            Ok(TreeNodeRecursion::Continue)
        });
        if volatile {
            let message = "A function that gives another value each time cannot stand in a query over other tenants' tables.";
            self.violations.push(Violation::new(
                ViolationCode::FunctionNotAllowed,
                "total",
                message,
            ));
        }
    }

    /// What the engine's constructors give; they refuse only what no rule should have let through.
    pub(crate) fn built<T>(&mut self, result: Result<T, DataFusionError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                // The text stays here: it is the engine's own.
                drop(error);
                let message =
                    "This combination of names and types cannot be rewritten; give columns distinct aliases.";
                self.violations
                    .push(Violation::new(ViolationCode::InvalidQuery, "rewrite", message));
                None
            }
        }
    }
}

fn not_understood() -> Violation {
    Violation::new(
        ViolationCode::ClauseNotSupported,
        "types",
        "This form of query over other tenants' tables is not supported.",
    )
}
