//! Pseudonyms compared with the values that they stand for: never equal, and told by the names of both sides
//! before the engine looks for a type in which it could compare them.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, Operator};

use super::column_position;
use crate::policy::is_pseudonym_type;
use crate::violation::{Position, Violation, ViolationCode, Violations};

const REWRITE: &str = "columns of tables that are both imported with x-pseudonymize, or both without";

/// One side of a comparison.
struct Side {
    name: String,
    data_type: DataType,
    at: Option<Position>,
}

pub(super) fn check(plan: &LogicalPlan) -> Result<(), Violations> {
    let mut found = Violations::default();
    // The closures never return an error.
    let _ = plan.apply_with_subqueries(|node| {
        let mut schema = DFSchema::empty();
        for input in node.inputs() {
            // Names that both sides have are met in a join alone, whose own schema has them apart.
            if let Ok(both) = schema.join(input.schema()) {
                schema = both;
            }
        }
        match node {
            LogicalPlan::Union(union) => united(node, union.inputs.iter().map(AsRef::as_ref), &mut found),
            LogicalPlan::Join(join) => {
                for (left, right) in &join.on {
                    let sides = (side(left, join.left.schema()), side(right, join.right.schema()));
                    compared(sides, ViolationCode::JoinKey, &mut found);
                }
            }
            _ => {}
        }
        for expr in node.expressions() {
            let _ = expr.apply(|part| {
                let sides = match part {
                    Expr::BinaryExpr(pair) if is_comparison(pair.op) => {
                        (side(&pair.left, &schema), side(&pair.right, &schema))
                    }
                    Expr::InSubquery(list) => {
                        let inner = list.subquery.subquery.schema();
                        let column = inner.columns().into_iter().next().map(Expr::Column);
                        let other = column.and_then(|column| side(&column, inner));
                        (side(&list.expr, &schema), other)
                    }
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                compared(sides, ViolationCode::JoinKey, &mut found);
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if found.is_empty() { Ok(()) } else { Err(found) }
}

const fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// The column that a side is; of what is computed nothing is known here.
fn side(expr: &Expr, schema: &DFSchema) -> Option<Side> {
    match expr {
        Expr::Alias(alias) => side(&alias.expr, schema),
        Expr::Column(column) => Some(Side {
            name: column.flat_name(),
            data_type: expr.get_type(schema).ok()?,
            at: column_position(column),
        }),
        Expr::OuterReferenceColumn(field, column) => Some(Side {
            name: column.flat_name(),
            data_type: field.data_type().clone(),
            at: column_position(column),
        }),
        _ => None,
    }
}

fn compared(sides: (Option<Side>, Option<Side>), code: ViolationCode, found: &mut Violations) {
    let (Some(one), Some(other)) = sides else { return };
    let (pseudonyms, values) = match (
        is_pseudonym_type(&one.data_type),
        is_pseudonym_type(&other.data_type),
    ) {
        (true, false) => (one, other),
        (false, true) => (other, one),
        _ => return,
    };
    let message = format!(
        "{} holds pseudonyms and {} the values themselves, so that no row of one matches any of the other.",
        pseudonyms.name, values.name
    );
    let rule = if code == ViolationCode::SetOperation {
        "H4"
    } else {
        "join"
    };
    let at = [pseudonyms.at, values.at].into_iter().flatten().min();
    found.push(Violation::new(code, rule, message).at(at).rewrite(REWRITE));
}

/// Columns of one place in the branches of a union.
fn united<'p>(node: &LogicalPlan, branches: impl Iterator<Item = &'p LogicalPlan>, found: &mut Violations) {
    let branches: Vec<&LogicalPlan> = branches.collect();
    for index in 0..node.schema().fields().len() {
        let column = |branch: &LogicalPlan| {
            let column = branch.schema().columns().into_iter().nth(index)?;
            side(&Expr::Column(column), branch.schema())
        };
        for pair in branches.windows(2) {
            let sides = (column(pair[0]), column(pair[1]));
            compared(sides, ViolationCode::SetOperation, found);
        }
    }
}
