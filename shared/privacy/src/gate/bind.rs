//! Values of parameters, put in their places.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Query, SetExpr, Spanned, UnaryOperator, Value,
    ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::position;
use crate::parameter::{self, Parameter, Parameters, is_name};
use crate::violation::{Violation, ViolationCode, Violations};

/// Binds every parameter of the query. Tells all that have no value, and all values that have no place.
pub(super) fn bind(query: &mut Query, parameters: &Parameters) -> Result<(), Violations> {
    let mut binder = Binder {
        parameters,
        named: BTreeSet::new(),
        violations: Violations::default(),
    };
    // The visitor breaks nowhere.
    let _ = query.visit(&mut binder);
    for violation in parameter::superfluous(parameters, &binder.named) {
        binder.violations.push(violation);
    }
    if binder.violations.is_empty() {
        Ok(())
    } else {
        Err(binder.violations)
    }
}

struct Binder<'a> {
    parameters: &'a Parameters,
    named: BTreeSet<String>,
    violations: Violations,
}

impl VisitorMut for Binder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(OrderBy {
            kind: OrderByKind::Expressions(items),
            ..
        }) = &query.order_by
        {
            items.iter().for_each(|item| self.refuse_position(&item.expr));
        }
        if let SetExpr::Select(select) = query.body.as_ref()
            && let GroupByExpr::Expressions(items, _) = &select.group_by
        {
            items.iter().for_each(|item| self.refuse_position(item));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((name, span)) = name(expr) {
            match self.parameters.get(&name) {
                Some(value) => *expr = literal(value, span),
                None => {
                    let message = format!("The parameter {name} has no value.");
                    let violation = Violation::new(ViolationCode::Parameter, "parameter", message);
                    self.violations.push(violation.at(position(span)));
                }
            }
            self.named.insert(name);
        }
        ControlFlow::Continue(())
    }
}

impl Binder<'_> {
    /// A number in GROUP BY or ORDER BY is the position of a column: its name, so to speak.
    fn refuse_position(&mut self, item: &Expr) {
        if let Some((name, span)) = name(item) {
            let message = format!("The parameter {name} cannot name a column: it is a value.");
            let violation = Violation::new(ViolationCode::Parameter, "parameter", message);
            self.violations.push(violation.at(position(span)));
        }
    }
}

/// The name of the parameter that an expression is: `$name`, or `@name` as BigQuery writes it.
fn name(expr: &Expr) -> Option<(String, Span)> {
    let word = match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Placeholder(word),
            ..
        }) => word.strip_prefix(['$', '@'])?,
        Expr::Identifier(Ident {
            value,
            quote_style: None,
            ..
        }) => value.strip_prefix('@')?,
        _ => return None,
    };
    is_name(word).then(|| (word.to_owned(), expr.span()))
}

fn literal(parameter: &Parameter, span: Span) -> Expr {
    let value = |value: Value| Expr::Value(value.with_span(span));
    let number = |text: String| match text.strip_prefix('-') {
        None => value(Value::Number(text, false)),
        Some(digits) => Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(value(Value::Number(digits.to_owned(), false))),
        },
    };
    match parameter {
        Parameter::Null => value(Value::Null),
        Parameter::Boolean(truth) => value(Value::Boolean(*truth)),
        Parameter::Integer(whole) => number(whole.to_string()),
        // Always with an exponent, so that it is read as a floating-point number.
        Parameter::Float(float) => number(format!("{float:e}")),
        Parameter::Text(text) => value(Value::SingleQuotedString(text.clone())),
    }
}
