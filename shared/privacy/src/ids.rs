//! Ids in place of the identities that they stand for.
//!
//! Files may hold, beside a column of identities, a keyed 64-bit id of each value. Below a release identities are only
//! compared, grouped by and counted, which ids of one key serve as well and a fraction of the time: a collision of two
//! of five million is one in a million, and counts a unit too few. So the last step of the compiler finds the columns
//! of a release's plan that are never needed as values, and lets the scans read their ids under the same names.
//!
//! Columns that are compared with each other are one class. A class changes as a whole, or stays as it is: where one of
//! its columns has no id, has one of another key, or is needed as a value.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator,
    TableScan, Union,
};

use crate::catalog::Catalog;
use crate::plan::{RESERVED, ScanKey, ScanSource};

/// The stored column that holds the ids of a column's values.
#[must_use]
pub fn id_column(column: &str) -> String {
    format!("{RESERVED}id_{column}")
}

/// The type of ids.
pub const ID_TYPE: DataType = DataType::Int64;

/// The same plan, reading ids where it can. What is not understood here stays as it is.
pub(crate) fn with_ids(plan: LogicalPlan, catalog: &Catalog) -> LogicalPlan {
    let mut classes = Classes::new(catalog);
    let Some(output) = classes.node(&plan) else {
        return plan;
    };
    output.into_iter().for_each(|column| classes.needs_value(column));
    let scans: VecDeque<Vec<bool>> = std::mem::take(&mut classes.scans)
        .into_iter()
        .map(|columns| columns.into_iter().map(|it| classes.is_id(it)).collect())
        .collect();
    if !scans.iter().flatten().any(|replaced| *replaced) {
        return plan;
    }
    match replace(plan.clone(), scans) {
        Ok(replaced) if replaced.schema().inner() == plan.schema().inner() => replaced,
        _ => plan,
    }
}

/// A column of one node's output; columns that hold the same, or are compared, are in one class.
type Occurrence = usize;

#[derive(Debug)]
struct Class<'c> {
    parent: usize,
    /// Under what key its values have ids.
    key: Option<&'c str>,
    value: bool,
}

struct Classes<'c> {
    catalog: &'c Catalog,
    classes: Vec<Class<'c>>,
    /// The columns of each scan, in the order of the walk.
    scans: Vec<Vec<Occurrence>>,
}

impl<'c> Classes<'c> {
    fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            classes: Vec::new(),
            scans: Vec::new(),
        }
    }

    fn add(&mut self, key: Option<&'c str>) -> Occurrence {
        let parent = self.classes.len();
        self.classes.push(Class {
            parent,
            key,
            value: key.is_none(),
        });
        parent
    }

    fn root(&self, mut at: Occurrence) -> usize {
        while self.classes[at].parent != at {
            at = self.classes[at].parent;
        }
        at
    }

    fn is_id(&self, at: Occurrence) -> bool {
        !self.classes[self.root(at)].value
    }

    fn needs_value(&mut self, at: Occurrence) {
        let root = self.root(at);
        self.classes[root].value = true;
    }

    fn join(&mut self, one: Occurrence, other: Occurrence) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let differ = self.classes[one].key != self.classes[other].key;
        self.classes[one].value |= self.classes[other].value || differ;
        self.classes[other].parent = one;
    }

    /// The columns of a node's output; nothing if the plan has something that is not understood.
    fn node(&mut self, plan: &LogicalPlan) -> Option<Vec<Occurrence>> {
        let mut inputs = Vec::new();
        for input in plan.inputs() {
            inputs.push((input.schema().as_ref(), self.node(input)?));
        }
        match (plan, inputs.as_mut_slice()) {
            (LogicalPlan::TableScan(scan), []) => self.scan(scan),
            (LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_), []) => {
                Some(plan.schema().fields().iter().map(|_| self.add(None)).collect())
            }
            (LogicalPlan::SubqueryAlias(_) | LogicalPlan::Limit(_), [(_, columns)]) => {
                Some(std::mem::take(columns))
            }
            (LogicalPlan::Distinct(Distinct::All(_)), [(_, columns)]) => Some(std::mem::take(columns)),
            (LogicalPlan::Filter(filter), [(schema, columns)]) => {
                self.uses(&filter.predicate, &[(schema, columns.as_slice())])?;
                Some(std::mem::take(columns))
            }
            (LogicalPlan::Projection(projection), [(schema, columns)]) => {
                let input = [(*schema, columns.as_slice())];
                projection.expr.iter().map(|e| self.output(e, &input)).collect()
            }
            (LogicalPlan::Aggregate(aggregate), [(schema, columns)]) => {
                self.aggregate(aggregate, &[(*schema, columns.as_slice())])
            }
            (LogicalPlan::Join(join), [(left, l), (right, r)]) => {
                self.joined(join, &[(*left, l.as_slice()), (*right, r.as_slice())])
            }
            (LogicalPlan::Union(_), [(_, first), rest @ ..]) => {
                for (_, columns) in rest {
                    for (one, other) in first.iter().zip(columns.iter()) {
                        self.join(*one, *other);
                    }
                }
                Some(std::mem::take(first))
            }
            // Whatever it does with its columns, it may need their values.
            (LogicalPlan::Sort(_) | LogicalPlan::Window(_), inputs) => {
                self.no_subquery(plan)?;
                let columns = inputs.iter().flat_map(|(_, columns)| columns.clone());
                columns.for_each(|column| self.needs_value(column));
                Some(plan.schema().fields().iter().map(|_| self.add(None)).collect())
            }
            _ => None,
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Option<Vec<Occurrence>> {
        let source = scan.source.downcast_ref::<ScanSource>()?;
        let plain = scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none();
        let table = match source.key {
            ScanKey::Table(id) if plain => self.catalog.by_id(id)?,
            _ => return None,
        };
        let fields = source.schema.fields().iter();
        let columns =
            fields.map(|field| self.add(table.column(field.name()).and_then(|c| c.id_key.as_deref())));
        let columns: Vec<_> = columns.collect();
        self.scans.push(columns.clone());
        Some(columns)
    }

    fn aggregate(&mut self, aggregate: &Aggregate, input: &[Input<'_>]) -> Option<Vec<Occurrence>> {
        let groups = aggregate.group_expr.iter().map(|e| self.output(e, input));
        let mut columns: Vec<_> = groups.collect::<Option<_>>()?;
        for expr in &aggregate.aggr_expr {
            self.uses(expr, input)?;
            columns.push(self.add(None));
        }
        // Grouping sets have a column of their own.
        (columns.len() == aggregate.schema.fields().len()).then_some(columns)
    }

    fn joined(&mut self, join: &Join, inputs: &[Input<'_>; 2]) -> Option<Vec<Occurrence>> {
        for (left, right) in &join.on {
            match (bare(left, inputs), bare(right, inputs)) {
                (Some(left), Some(right)) => self.join(left, right),
                _ => {
                    self.uses(left, inputs)?;
                    self.uses(right, inputs)?;
                }
            }
        }
        if let Some(filter) = &join.filter {
            self.uses(filter, inputs)?;
        }
        let [(_, left), (_, right)] = inputs;
        match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                Some([*left, *right].concat())
            }
            JoinType::LeftSemi | JoinType::LeftAnti => Some(left.to_vec()),
            JoinType::RightSemi | JoinType::RightAnti => Some(right.to_vec()),
            _ => None,
        }
    }

    /// A column that an expression gives.
    fn output(&mut self, expr: &Expr, input: &[Input<'_>]) -> Option<Occurrence> {
        if let Some(column) = bare(expr, input) {
            return Some(column);
        }
        self.uses(expr, input)?;
        Some(self.add(None))
    }

    /// Notes what an expression does with columns.
    fn uses(&mut self, expr: &Expr, input: &[Input<'_>]) -> Option<()> {
        match expr {
            Expr::IsNull(inner) | Expr::IsNotNull(inner) if bare(inner, input).is_some() => Some(()),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
                match (bare(left, input), bare(right, input)) {
                    (Some(left), Some(right)) => {
                        self.join(left, right);
                        Some(())
                    }
                    _ => self.parts(expr, input),
                }
            }
            Expr::AggregateFunction(AggregateFunction { func, params })
                if func.name() == "count" && params.args.iter().all(|it| bare(it, input).is_some()) =>
            {
                params
                    .filter
                    .iter()
                    .try_for_each(|filter| self.uses(filter, input))?;
                params
                    .order_by
                    .iter()
                    .try_for_each(|it| self.uses(&it.expr, input))
            }
            Expr::Column(_) => {
                let column = bare(expr, input)?;
                self.needs_value(column);
                Some(())
            }
            Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_) => None,
            Expr::OuterReferenceColumn(..) => None,
            _ => self.parts(expr, input),
        }
    }

    fn parts(&mut self, expr: &Expr, input: &[Input<'_>]) -> Option<()> {
        let mut understood = Some(());
        // The closure never returns an error.
        let _ = expr.apply_children(|part| {
            understood = understood.and_then(|()| self.uses(part, input));
            Ok(TreeNodeRecursion::Continue)
        });
        understood
    }

    fn no_subquery(&self, plan: &LogicalPlan) -> Option<()> {
        let none = plan
            .expressions()
            .iter()
            .all(|expr| !matches!(expr.exists(|e| Ok(is_subquery(e))), Ok(true) | Err(_)));
        none.then_some(())
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::ScalarSubquery(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..)
    )
}

type Input<'a> = (&'a DFSchema, &'a [Occurrence]);

/// The column that an expression is, under whatever name.
fn bare(expr: &Expr, inputs: &[Input<'_>]) -> Option<Occurrence> {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr, inputs),
        Expr::Column(column) => inputs
            .iter()
            .find_map(|(schema, columns)| columns.get(schema.maybe_index_of_column(column)?).copied()),
        _ => None,
    }
}

fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
    )
}

/// Lets the scans read ids where `replaced` says so, and computes the schemas above them anew.
fn replace(plan: LogicalPlan, mut replaced: VecDeque<Vec<bool>>) -> Result<LogicalPlan> {
    let plan = plan.transform_up(|node| {
        Ok(Transformed::yes(match node {
            LogicalPlan::TableScan(scan) => match replaced.pop_front() {
                Some(columns) if columns.contains(&true) => scan_ids(scan, &columns)?,
                _ => LogicalPlan::TableScan(scan),
            },
            LogicalPlan::Union(union) => LogicalPlan::Union(typed_anew(union)?),
            node => node.recompute_schema()?,
        }))
    });
    plan.map(|plan| plan.data)
}

fn scan_ids(scan: TableScan, replaced: &[bool]) -> Result<LogicalPlan> {
    let Some(source) = scan.source.downcast_ref::<ScanSource>() else {
        return Ok(LogicalPlan::TableScan(scan));
    };
    let columns = source.schema.fields().iter().zip(replaced);
    let fields = columns.clone().map(|(field, replaced)| match replaced {
        true => Arc::new(Field::new(id_column(field.name()), ID_TYPE, true)),
        false => Arc::clone(field),
    });
    let read = ScanSource {
        key: source.key,
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
    };
    let name = scan.table_name;
    let named = columns.map(|(field, replaced)| {
        let column = |stored: &str| Expr::Column(Column::new(Some(name.clone()), stored));
        match replaced {
            true => column(&id_column(field.name())).alias_qualified(Some(name.clone()), field.name()),
            false => column(field.name()),
        }
    });
    LogicalPlanBuilder::scan(name.clone(), Arc::new(read), None)?
        .project(named.collect::<Vec<_>>())?
        .build()
}

/// A union keeps its schema whatever its inputs become.
fn typed_anew(union: Union) -> Result<Union> {
    let Some(first) = union.inputs.first() else {
        return Ok(union);
    };
    let fields = union.schema.iter().zip(first.schema().fields());
    let fields = fields.map(|((qualifier, field), of_input)| {
        let field = field
            .as_ref()
            .clone()
            .with_data_type(of_input.data_type().clone());
        (qualifier.cloned(), Arc::new(field))
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), union.schema.metadata().clone())?;
    Ok(Union {
        inputs: union.inputs,
        schema: Arc::new(schema),
    })
}
