//! Expressions: the kinds of nodes that the planner plans as they are written.

use datafusion::sql::sqlparser::ast::{
    CaseWhen, CastFormat, CeilFloorKind, DataType, DateTimeField, DuplicateTreatment, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Interval,
    Spanned, TypedString, UnaryOperator, Value, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

use super::{Gate, position};
use crate::violation::{Position, Violation, ViolationCode};

impl Gate<'_> {
    pub(super) fn expression(&mut self, expr: &Expr) {
        self.nested(|gate| gate.expression_node(expr));
    }

    fn all<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) {
        for expr in exprs {
            self.expression(expr);
        }
    }

    fn expression_node(&mut self, expr: &Expr) {
        let at = position(expr.span());
        match expr {
            Expr::Identifier(ident) => self.identifier(ident),
            Expr::CompoundIdentifier(parts) => parts.iter().for_each(|part| self.identifier(part)),
            Expr::Value(value) => self.value(&value.value, at),
            Expr::Nested(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.expression(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.all([&**left, &**right])
            }
            Expr::BinaryOp { left, op: _, right } => self.all([&**left, &**right]),
            Expr::UnaryOp { op, expr } => {
                let known = matches!(
                    op,
                    UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not
                );
                self.unsupported_if(!known, &format!("The operator {op}"), at);
                self.expression(expr);
            }
            Expr::InList {
                expr,
                list,
                negated: _,
            } => self.all(std::iter::once(&**expr).chain(list)),
            Expr::InSubquery {
                expr,
                subquery,
                negated: _,
            } => {
                self.expression(expr);
                self.query(subquery);
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.query(subquery),
            Expr::Between {
                expr,
                negated: _,
                low,
                high,
            } => self.all([&**expr, &**low, &**high]),
            Expr::Like {
                negated: _,
                any,
                expr,
                pattern,
                escape_char,
            }
            | Expr::ILike {
                negated: _,
                any,
                expr,
                pattern,
                escape_char,
            } => {
                self.unsupported_if(*any, "LIKE ANY", at);
                self.unsupported_if(escape_char.is_some(), "ESCAPE", at);
                self.all([&**expr, &**pattern]);
            }
            Expr::Case {
                case_token: _,
                end_token: _,
                operand,
                conditions,
                else_result,
            } => {
                self.all(operand.as_deref().into_iter().chain(else_result.as_deref()));
                for CaseWhen { condition, result } in conditions {
                    self.all([condition, result]);
                }
            }
            Expr::Cast {
                kind: _,
                expr,
                data_type,
                array,
                format,
            } => {
                self.unsupported_if(*array, "CAST to an ARRAY", at);
                self.cast_format(format.as_ref(), at);
                self.data_type(data_type, at);
                self.expression(expr);
            }
            Expr::TypedString(TypedString {
                data_type,
                value,
                uses_odbc_syntax,
            }) => {
                self.unsupported_if(*uses_odbc_syntax, "ODBC syntax", at);
                self.data_type(data_type, at);
                self.value(&value.value, at);
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Extract {
                field: _,
                syntax: _,
                expr,
            } => self.expression(expr),
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                let plain = matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime));
                self.unsupported_if(!plain, "CEIL or FLOOR with a field or scale", at);
                self.expression(expr);
            }
            Expr::Position { expr, r#in } => self.all([&**expr, &**r#in]),
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                special: _,
                shorthand: _,
            } => {
                let parts = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
                self.all(parts.into_iter().flatten().map(|part| &**part));
            }
            Expr::Trim {
                trim_where: _,
                trim_what,
                expr,
                trim_characters,
            } => {
                self.unsupported_if(trim_characters.is_some(), "TRIM with a list of characters", at);
                self.all(std::iter::once(&**expr).chain(trim_what.as_deref()));
            }
            Expr::Function(function) => self.function(function, at),
            other => self.other(other, at),
        }
    }

    /// Kinds that are refused as such, most of them with their name.
    fn other(&mut self, expr: &Expr, at: Option<Position>) {
        let what = match expr {
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => "GROUPING SETS, CUBE or ROLLUP",
            Expr::Tuple(_) => "A row of several values",
            Expr::Wildcard(_) | Expr::QualifiedWildcard(_, _) => "* within an expression",
            Expr::AnyOp { .. } | Expr::AllOp { .. } => "A comparison with ANY or ALL (write IN)",
            Expr::SimilarTo { .. } | Expr::RLike { .. } => "A regular expression",
            Expr::AtTimeZone { .. } => "AT TIME ZONE",
            Expr::Collate { .. } => "COLLATE",
            Expr::Array(_)
            | Expr::Struct { .. }
            | Expr::Map(_)
            | Expr::Dictionary(_)
            | Expr::Named { .. } => "An array, struct or map",
            Expr::JsonAccess { .. } | Expr::CompoundFieldAccess { .. } => "Access to a field or element",
            Expr::Lambda(_) => "A lambda",
            Expr::Convert { .. } => "CONVERT (write CAST)",
            Expr::InUnnest { .. } => "UNNEST",
            Expr::Overlay { .. } => "OVERLAY",
            _ => "This expression",
        };
        self.unsupported(what, at);
    }

    fn value(&mut self, value: &Value, at: Option<Position>) {
        match value {
            Value::Number(_, _) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => {}
            Value::Placeholder(name) => self.unsupported(&format!("The parameter {name}"), at),
            _ => self.unsupported("This form of literal (write '…')", at),
        }
    }

    /// Nested types have no rule, and their names could hide expressions.
    fn data_type(&mut self, data_type: &DataType, at: Option<Position>) {
        let nested = matches!(
            data_type,
            DataType::Array(_)
                | DataType::Struct(_, _)
                | DataType::Map(_, _)
                | DataType::Tuple(_)
                | DataType::Nested(_)
                | DataType::Union(_)
                | DataType::Custom(_, _)
        );
        self.unsupported_if(nested, &format!("The type {data_type}"), at);
    }

    fn cast_format(&mut self, format: Option<&CastFormat>, at: Option<Position>) {
        self.unsupported_if(format.is_some(), "FORMAT in a CAST", at);
    }

    fn interval(&mut self, interval: &Interval) {
        let Interval {
            value,
            leading_field: _,
            leading_precision,
            last_field,
            fractional_seconds_precision,
        } = interval;
        let at = position(value.span());
        let precise =
            leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some();
        self.unsupported_if(precise, "A precision of an INTERVAL", at);
        let literal = matches!(&**value, Expr::Value(_));
        self.unsupported_if(!literal, "An INTERVAL that is not a literal", at);
        self.expression(value);
    }

    fn function(&mut self, function: &Function, at: Option<Position>) {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            filter,
            null_treatment,
            over,
            within_group,
        } = function;
        let words = self.name(name);
        let name = words.join(".").to_lowercase();
        if !self.functions.contains(&name) {
            let message = format!("There is no function {name}, or none with these arguments.");
            let violation = Violation::new(ViolationCode::InvalidQuery, "plan", message).at(at);
            self.violations.push(match super::dialect::instead_of(&name) {
                Some(instead) => violation.rewrite(instead),
                None => violation,
            });
        }
        if super::dialect::cuts_to_sunday(function) {
            let message = "Weeks begin on Monday here, not on Sunday.";
            let violation = Violation::new(ViolationCode::InvalidQuery, "plan", message).at(at);
            self.violations
                .push(violation.rewrite("DATE_TRUNC(moment, ISOWEEK)"));
        }
        self.unsupported_if(*uses_odbc_syntax, "ODBC syntax", at);
        self.unsupported_if(
            *parameters != FunctionArguments::None,
            "A function with two lists of arguments",
            at,
        );
        // The planner reads these clauses for aggregates and windows only, and drops them elsewhere.
        let aggregate = self.functions.is_aggregate(&name);
        let grouped = aggregate || over.is_some();
        self.unsupported_if(
            filter.is_some() && !grouped,
            "FILTER on a function that is no aggregate",
            at,
        );
        self.unsupported_if(
            null_treatment.is_some() && !grouped,
            "IGNORE NULLS on this function",
            at,
        );
        self.unsupported_if(!within_group.is_empty(), "WITHIN GROUP", at);
        self.arguments(args, aggregate && over.is_none(), at);
        if let Some(filter) = filter {
            self.expression(filter);
        }
        match over {
            None => {}
            Some(WindowType::NamedWindow(ident)) => self.identifier(ident),
            Some(WindowType::WindowSpec(spec)) => self.window(spec, at),
        }
    }

    fn arguments(&mut self, arguments: &FunctionArguments, aggregate: bool, at: Option<Position>) {
        let FunctionArgumentList {
            duplicate_treatment,
            args,
            clauses,
        } = match arguments {
            FunctionArguments::None => return,
            FunctionArguments::Subquery(_) => {
                return self.unsupported("A subquery as the list of arguments", at);
            }
            FunctionArguments::List(list) => list,
        };
        let distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
        self.unsupported_if(
            distinct && !aggregate,
            "DISTINCT in a function that is no aggregate",
            at,
        );
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(order_by) if aggregate => self.order_by_expressions(order_by),
                FunctionArgumentClause::IgnoreOrRespectNulls(_) if aggregate => {}
                _ => self.unsupported("A clause within the arguments of a function", at),
            }
        }
        for argument in args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expression(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
                FunctionArg::Unnamed(
                    FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::WildcardWithOptions(_),
                ) => {
                    self.unsupported("A qualified * as an argument", at);
                }
                FunctionArg::Named {
                    name: _,
                    arg: _,
                    operator: _,
                }
                | FunctionArg::ExprNamed {
                    name: _,
                    arg: _,
                    operator: _,
                } => self.unsupported("A named argument", at),
            }
        }
    }

    pub(super) fn window(&mut self, spec: &WindowSpec, at: Option<Position>) {
        let WindowSpec {
            window_name,
            partition_by,
            order_by,
            window_frame,
        } = spec;
        self.unsupported_if(window_name.is_some(), "A window derived from another", at);
        self.all(partition_by);
        self.order_by_expressions(order_by);
        let Some(WindowFrame {
            units: _,
            start_bound,
            end_bound,
        }) = window_frame
        else {
            return;
        };
        for bound in std::iter::once(start_bound).chain(end_bound) {
            match bound {
                WindowFrameBound::CurrentRow
                | WindowFrameBound::Preceding(None)
                | WindowFrameBound::Following(None) => {}
                WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) => {
                    self.expression(expr);
                }
            }
        }
    }
}
