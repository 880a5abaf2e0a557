//! The gate: what a statement may be made of, decided on its syntax tree before anything is planned.
//!
//! The planner reads the parts of the tree it knows and silently leaves out the rest, so that `TABLESAMPLE`,
//! `WITH ROLLUP` or `FOR UPDATE` would plan as if they had not been written. The gate therefore takes every node
//! apart **without `..`**: a field that a new version of the parser adds does not compile until somebody has decided
//! about it. Kinds of nodes are an allow-list. Nothing here decides about privacy; the typing of the plan does.

mod bind;
mod dialect;
mod expression;
mod query;
mod relation;
mod shape;

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, Spanned, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

use crate::catalog::Catalog;
use crate::limits::Limits;
use crate::parameter::{Parameter, Parameters};
use crate::violation::{Position, Violation, ViolationCode, Violations};

pub(crate) use relation::unknown_table;

/// Names that begin so are the engine's and the compiler's own.
const RESERVED_PREFIX: &str = "__";

/// The one SELECT that a text holds, after every part of it passed the gate.
pub(crate) fn admit(
    sql: &str,
    parameters: &Parameters,
    catalog: &Catalog,
    limits: &Limits,
) -> Result<Query, Violations> {
    let values: usize = parameters.values().map(Parameter::len).sum();
    let mut query = single_query(parse(sql, values, limits)?)?;
    bind::bind(&mut query, parameters)?;
    dialect::translate(&mut query);
    let mut gate = Gate::new(catalog, limits);
    gate.query(&query);
    if gate.violations.is_empty() {
        Ok(query)
    } else {
        Err(gate.violations)
    }
}

/// The text and the values of its parameters are one statement.
fn parse(sql: &str, values: usize, limits: &Limits) -> Result<Vec<Statement>, Violations> {
    let bytes = sql.len().saturating_add(values);
    if bytes > limits.text_bytes {
        return Err(too_large(format!(
            "The text has {bytes} bytes; at most {} are read.",
            limits.text_bytes
        )));
    }
    // Double quotes and backticks both delimit identifiers in the generic dialect; strings take single quotes.
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| {
            let message = format!(
                "The text cannot be read: {}.",
                error.message.trim_end_matches('.')
            );
            Violation::new(ViolationCode::Syntax, "parse", message).at(location(error.location))
        })?;
    let count = tokens
        .iter()
        .filter(|t| !matches!(t.token, Token::Whitespace(_)))
        .count();
    if count > limits.tokens {
        return Err(too_large(format!(
            "The text has {count} words and signs; at most {} are read.",
            limits.tokens
        )));
    }
    let end = tokens.last().map(|t| t.span.end);
    shape::check(&tokens, limits).map_err(|violation| *violation)?;
    Parser::new(&dialect)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| match error {
            ParserError::RecursionLimitExceeded => {
                too_large("The statement is nested too deeply.".to_owned())
            }
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => syntax(&message, end),
        })
}

/// The parser writes the place into its message: `Expected: …, found: … at Line: 1, Column: 8`.
fn syntax(message: &str, end: Option<Location>) -> Violations {
    let (text, place) = message.split_once(" at Line: ").unwrap_or((message, ""));
    let position = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Position {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    });
    let text = text.trim_start_matches("sql parser error: ");
    let message = format!("The text is not a statement: {}.", text.trim_end_matches('.'));
    Violation::new(ViolationCode::Syntax, "parse", message)
        .at(position.or_else(|| end.and_then(location)))
        .into()
}

fn single_query(mut statements: Vec<Statement>) -> Result<Query, Violations> {
    let refuse = |message: &str, statement: &Statement| -> Violations {
        Violation::new(ViolationCode::StatementNotAllowed, "H15", message)
            .at(position(statement.span()))
            .into()
    };
    match (statements.pop(), statements.is_empty()) {
        (None, _) => Err(Violation::new(ViolationCode::Syntax, "parse", "There is no statement.").into()),
        (Some(Statement::Query(query)), true) => Ok(*query),
        (Some(other), true) => Err(refuse(
            "A query is one SELECT; no other statement is run.",
            &other,
        )),
        (Some(other), false) => Err(refuse(
            "A query is one SELECT; there is more than one statement.",
            &other,
        )),
    }
}

fn too_large(message: String) -> Violations {
    Violation::new(ViolationCode::TooLarge, "limits", message).into()
}

/// The place of a node, unless the parser does not know it.
pub(crate) fn position(span: Span) -> Option<Position> {
    location(span.start)
}

fn location(at: Location) -> Option<Position> {
    (at.line > 0).then_some(Position {
        line: at.line,
        column: at.column,
    })
}

struct Gate<'a> {
    catalog: &'a Catalog,
    limits: &'a Limits,
    functions: &'static crate::plan::Functions,
    violations: Violations,
    depth: usize,
    relations: usize,
    /// Names of all WITH queries met so far; a bare name among them is not a table.
    named_queries: BTreeSet<String>,
}

impl<'a> Gate<'a> {
    fn new(catalog: &'a Catalog, limits: &'a Limits) -> Self {
        Self {
            catalog,
            limits,
            functions: crate::plan::functions(),
            violations: Violations::default(),
            depth: 0,
            relations: 0,
            named_queries: BTreeSet::new(),
        }
    }

    /// Refuses a clause or expression that is not understood.
    fn unsupported(&mut self, what: &str, at: Option<Position>) {
        let message = format!("{what} is not supported.");
        self.violations
            .push(Violation::new(ViolationCode::ClauseNotSupported, "H15", message).at(at));
    }

    fn unsupported_if(&mut self, present: bool, what: &str, at: Option<Position>) {
        if present {
            self.unsupported(what, at);
        }
    }

    /// Goes one level down, unless that is too deep.
    fn nested(&mut self, inner: impl FnOnce(&mut Self)) {
        if self.depth >= self.limits.depth {
            let message = format!(
                "The statement is nested, or chains operators, deeper than {}.",
                self.limits.depth
            );
            let rewrite = "IN (…) for a chain of OR; WITH queries for deep nesting";
            self.violations
                .push(Violation::new(ViolationCode::TooLarge, "limits", message).rewrite(rewrite));
            return;
        }
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    fn identifier(&mut self, ident: &Ident) {
        let Ident {
            value,
            quote_style: _,
            span,
        } = ident;
        if value.starts_with(RESERVED_PREFIX) {
            self.unsupported(
                &format!("A name that begins with {RESERVED_PREFIX}"),
                position(*span),
            );
        }
        self.unsupported_if(value.starts_with('@'), "A variable", position(*span));
    }

    /// The parts of a dotted name.
    fn name(&mut self, name: &ObjectName) -> Vec<String> {
        let ObjectName(parts) = name;
        let mut words = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                ObjectNamePart::Identifier(ident) => {
                    self.identifier(ident);
                    words.push(ident.value.clone());
                }
                ObjectNamePart::Function(function) => {
                    self.unsupported("A computed name", position(function.name.span));
                }
            }
        }
        words
    }
}

#[cfg(test)]
mod tests;
