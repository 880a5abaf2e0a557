//! The planner's refusals in our own words.
//!
//! The engine's texts name its internals and change with its version, so none is passed on: a refusal is recognized
//! by its type, or by a few words of its text, and told again.

use std::fmt;

use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;

use crate::catalog::{Access, Catalog};
use crate::gate::unknown_table;
use crate::violation::{Position, Violation, ViolationCode, Violations};

/// What the provider answers for a table that is not there.
#[derive(Debug)]
pub(super) struct UnknownTable(pub(super) String);

impl fmt::Display for UnknownTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown table {}", self.0)
    }
}

impl std::error::Error for UnknownTable {}

/// Why planning failed.
pub(super) fn violations(error: &DataFusionError, catalog: &Catalog) -> Violations {
    let mut found = Violations::default();
    collect(error, None, catalog, &mut found);
    found
}

fn collect(error: &DataFusionError, at: Option<Position>, catalog: &Catalog, found: &mut Violations) {
    match error {
        DataFusionError::Context(_, inner) => collect(inner, at, catalog, found),
        DataFusionError::Shared(inner) => collect(inner, at, catalog, found),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            collect(
                inner,
                diagnostic.span.as_ref().and_then(place).or(at),
                catalog,
                found,
            );
        }
        DataFusionError::Collection(errors) => errors.iter().for_each(|e| collect(e, at, catalog, found)),
        DataFusionError::SchemaError(error, _) => found.push(schema(error, at, catalog)),
        DataFusionError::External(error) => match error.downcast_ref::<UnknownTable>() {
            Some(UnknownTable(name)) => found.push(unknown_table(name).at(at)),
            None => found.push(invalid(GENERAL).at(at)),
        },
        DataFusionError::Plan(text) => found.push(invalid(known(text)).at(at)),
        DataFusionError::NotImplemented(_) => {
            let message = "The statement uses something that is not supported.";
            found.push(Violation::new(ViolationCode::ClauseNotSupported, "plan", message).at(at));
        }
        _ => found.push(invalid(GENERAL).at(at)),
    }
}

const GENERAL: &str = "The statement does not fit its tables: check types, grouping and names.";

fn invalid(message: &str) -> Violation {
    Violation::new(ViolationCode::InvalidQuery, "plan", message)
}

/// What the planner's text is about, by words that its messages have.
fn known(text: &str) -> &'static str {
    const KNOWN: [(&[&str], &str); 11] = [
        (
            &["FixedSizeBinary"],
            "A column that holds pseudonyms can only be compared or united with another one that does: no value itself \
             equals a pseudonym. Import the tables of both with x-pseudonymize, or both without.",
        ),
        (
            &["orrelated"],
            "A subquery that depends on the row around it must aggregate to one value, or stand in WHERE as IN or EXISTS.",
        ),
        (
            &[
                "must be in GROUP BY",
                "must appear in the GROUP BY",
                "not in GROUP BY",
            ],
            "A column outside the aggregates must be in GROUP BY.",
        ),
        (
            &["different number of columns", "same number of columns"],
            "The two sides of the set operation have different numbers of columns.",
        ),
        (
            &["specified more than once"],
            "Two WITH queries have the same name.",
        ),
        (
            &["out of bounds", "index starts at 1"],
            "ORDER BY names a position that the SELECT list does not have.",
        ),
        (
            &["should only return one column", "Too many columns"],
            "A subquery that stands for a value must return one column.",
        ),
        (
            &["Projections require unique expression names", "duplicate"],
            "Two columns have the same name; give one an alias.",
        ),
        (
            &[
                "coerce",
                "No function matches",
                "type_coercion",
                "signature",
                "Cannot infer common",
            ],
            "The types of the operands or arguments do not fit together.",
        ),
        (
            &["WHERE", "Aggregate functions are not allowed"],
            "An aggregate cannot stand in WHERE; write HAVING.",
        ),
        (&["alias"], "An alias does not fit what it names."),
    ];
    let hit = KNOWN
        .iter()
        .find(|(words, _)| words.iter().any(|word| text.contains(word)));
    hit.map_or(GENERAL, |(_, message)| message)
}

fn schema(error: &SchemaError, at: Option<Position>, catalog: &Catalog) -> Violation {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields: _,
        } => unknown_column(field, at, catalog),
        SchemaError::AmbiguousReference { field } => {
            let message = format!(
                "{} could be a column of several tables; write table.{}.",
                field.name, field.name
            );
            invalid(&message)
                .column(&field.name)
                .at(column_position(field).or(at))
        }
        SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
            invalid("Two tables or columns have the same name; give one an alias.").at(at)
        }
    }
}

/// A hidden column is told as one that does not exist.
fn unknown_column(field: &Column, at: Option<Position>, catalog: &Catalog) -> Violation {
    let mut message = format!(
        "There is no column {} that you may use here; names are case sensitive, and texts stand in single quotes.",
        field.name
    );
    let restricted = catalog
        .tables
        .iter()
        .any(|t| matches!(t.access(catalog.analyst), Access::Restricted(_)));
    if restricted {
        message.push_str(" A table's policy says which of its columns others may use.");
    }
    Violation::new(ViolationCode::UnknownColumn, "scan", message)
        .column(&field.name)
        .at(column_position(field).or(at))
}

/// Where a column stands in the text.
pub(crate) fn column_position(column: &Column) -> Option<Position> {
    column.spans.first().as_ref().and_then(place)
}

fn place(span: &Span) -> Option<Position> {
    (span.start.line > 0).then_some(Position {
        line: span.start.line,
        column: span.start.column,
    })
}
