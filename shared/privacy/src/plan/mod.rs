//! From an admitted syntax tree to a plan in normal form.
//!
//! The planner sees the tables that the caller may query and nothing else: no table functions, no variables, no
//! information schema; of a restricted table it sees the columns that are not hidden. The plan is then brought, by
//! a few named rules, to the one form that the typing rules are written for. The full optimizer runs only after the
//! rewrite: it changes kinds of joins, nests aggregates and drops inputs in ways that would mislead the types.

mod absent;
mod failure;
mod functions;
mod instant;
mod presence;
mod provider;
mod pseudonym;
mod source;

use std::sync::{Arc, LazyLock};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::{Analyzer, Optimizer, OptimizerContext};
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{Query, Statement};

use crate::catalog::Catalog;
use crate::limits::Limits;
use crate::violation::{Violation, ViolationCode, Violations};

pub(crate) use failure::column_position;
pub(crate) use functions::{Functions, functions};
pub(crate) use provider::visible_columns;
pub use source::ScanKey;
pub(crate) use source::{RESERVED, ScanSource, table_fields};

/// Plans an admitted query and brings the plan to normal form.
pub(crate) fn plan(query: Query, catalog: &Catalog, limits: &Limits) -> Result<LogicalPlan, Violations> {
    let provider = provider::Provider::new(catalog);
    let options = ParserOptions::new()
        .with_enable_ident_normalization(false)
        .with_map_string_types_to_utf8view(false)
        .with_collect_spans(true);
    let planner = SqlToRel::new_with_options(&provider, options);
    let failed = |error: DataFusionError| failure::violations(&error, catalog);

    let plan = planner
        .sql_statement_to_plan(Statement::Query(Box::new(query)))
        .map_err(failed)?;
    bounded(&plan, limits)?;
    pseudonym::check(&plan)?;
    let plan = instant::bind(plan, catalog.now).map_err(failed)?;
    let plan = RULES
        .analyzer
        .execute_and_check(plan, &RULES.config, |_, _| {})
        .map_err(failed)?;
    presence::check(&plan)?;
    let plan = normal_form(plan).map_err(failed)?;
    bounded(&plan, limits)?;
    Ok(plan)
}

/// A query that is named once and used often is planned each time it is used.
fn bounded(plan: &LogicalPlan, limits: &Limits) -> Result<(), Violations> {
    let mut nodes = 0_usize;
    // Counting cannot fail: the closure never returns an error.
    let _ = plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > limits.plan_nodes {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    if nodes <= limits.plan_nodes {
        return Ok(());
    }
    let message = format!("The statement expands to more than {} steps.", limits.plan_nodes);
    Err(Violation::new(ViolationCode::TooLarge, "limits", message).into())
}

/// What brings plans to normal form; the same for every statement.
struct Rules {
    config: Arc<ConfigOptions>,
    analyzer: Analyzer,
    optimizer: Optimizer,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    config: Arc::default(),
    analyzer: Analyzer::new(),
    optimizer: Optimizer::with_rules(vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(absent::AbsentKeyToAntiJoin),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(OptimizeUnions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
    ]),
});

/// EXISTS and IN become semi and anti joins, ON conditions equality pairs, outer joins whose other side must be absent
/// or present anti and inner joins, comma joins inner joins, DISTINCT a grouping. One pass: a second could undo what typing relies on.
fn normal_form(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let context = OptimizerContext::new_with_config_options(Arc::clone(&RULES.config))
        .with_skip_failing_rules(false)
        .with_max_passes(1);
    RULES.optimizer.optimize(plan, &context, |_, _| {})
}
