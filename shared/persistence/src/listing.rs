//! Filters and orders of lists in SQL: identifiers from the fields that a relation names, values as
//! parameters, nothing of the caller's text.

use datacovey_list::{Comparison, Direction, Field, Filter, Kind, Listing, Order, Value};
use diesel::expression::expression_types::NotSelectable;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Text, Timestamp, Uuid as SqlUuid};

/// The rows of a list, as a condition.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    relation: &'static str,
    filter: Filter,
    /// Its text is the caller's choice: kept prepared, such statements would fill the connection.
    is_one_of_many: bool,
}

/// The order of a list.
#[derive(Clone, Debug)]
pub(crate) struct Sorting {
    relation: &'static str,
    order: Order,
}

pub(crate) fn rows(listing: &Listing) -> Rows {
    Rows {
        relation: listing.fields().relation,
        filter: listing.filter(),
        is_one_of_many: !listing.is_plain(),
    }
}

pub(crate) fn sorting(listing: &Listing) -> Sorting {
    Sorting {
        relation: listing.fields().relation,
        order: listing.order().clone(),
    }
}

impl Expression for Rows {
    type SqlType = Bool;
}
impl<Source> AppearsOnTable<Source> for Rows {}
impl<Source> SelectableExpression<Source> for Rows {}
impl<Groups> ValidGrouping<Groups> for Rows {
    type IsAggregate = is_aggregate::Never;
}
impl QueryId for Rows {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Rows {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if self.is_one_of_many {
            out.unsafe_to_cache_prepared();
        }
        write_filter(self.relation, &self.filter, out)
    }
}

impl Expression for Sorting {
    type SqlType = NotSelectable;
}
impl<Source> AppearsOnTable<Source> for Sorting {}
impl<Source> SelectableExpression<Source> for Sorting {}
impl<Groups> ValidGrouping<Groups> for Sorting {
    type IsAggregate = is_aggregate::Never;
}
impl QueryId for Sorting {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Sorting {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (place, (field, direction)) in self.order.terms().iter().enumerate() {
            if place > 0 {
                out.push_sql(", ");
            }
            write_sorted(self.relation, field, out.reborrow())?;
            if matches!(direction, Direction::Descending) {
                out.push_sql(" DESC");
            }
            // An index has the columns that are always set in either direction; of others NULLs come last.
            if !field.is_always_set {
                out.push_sql(" NULLS LAST");
            }
        }
        Ok(())
    }
}

fn write_filter<'b>(
    relation: &'static str,
    filter: &'b Filter,
    mut out: AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    match filter {
        Filter::All(parts) => write_list(relation, parts, (" AND ", "TRUE"), out),
        Filter::Any(parts) => write_list(relation, parts, (" OR ", "FALSE"), out),
        Filter::Not(inner) => {
            out.push_sql("(");
            write_filter(relation, inner, out.reborrow())?;
            // What compares with NULL is unknown to SQL and false to us.
            out.push_sql(") IS NOT TRUE");
            Ok(())
        }
        Filter::Compare(field, comparison, value) => {
            // Equality is the same in every order, and finds the ordinary indexes.
            if *comparison == Comparison::Equal {
                write_column(relation, field, out.reborrow())?;
            } else {
                write_sorted(relation, field, out.reborrow())?;
            }
            out.push_sql(match comparison {
                Comparison::Equal => " = ",
                Comparison::Less => " < ",
                Comparison::LessOrEqual => " <= ",
                Comparison::Greater => " > ",
                Comparison::GreaterOrEqual => " >= ",
            });
            match value {
                Value::Id(it) => out.push_bind_param::<SqlUuid, _>(it),
                Value::Text(it) => out.push_bind_param::<Text, _>(it),
                Value::Time(it) => out.push_bind_param::<Timestamp, _>(it),
                Value::Bool(it) => out.push_bind_param::<Bool, _>(it),
            }
        }
        Filter::Like(field, pattern) => {
            write_column(relation, field, out.reborrow())?;
            out.push_sql(" LIKE ");
            out.push_bind_param::<Text, _>(pattern)
        }
        Filter::IsNull(field) => {
            write_column(relation, field, out.reborrow())?;
            out.push_sql(" IS NULL");
            Ok(())
        }
    }
}

fn write_list<'b>(
    relation: &'static str,
    parts: &'b [Filter],
    (between, of_none): (&str, &str),
    mut out: AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    if parts.is_empty() {
        out.push_sql(of_none);
        return Ok(());
    }
    for (place, part) in parts.iter().enumerate() {
        out.push_sql(if place == 0 { "(" } else { between });
        write_filter(relation, part, out.reborrow())?;
    }
    out.push_sql(")");
    Ok(())
}

fn write_column(relation: &str, field: &Field, mut out: AstPass<'_, '_, Pg>) -> QueryResult<()> {
    out.push_identifier(relation)?;
    out.push_sql(".");
    out.push_identifier(field.column)
}

/// A column where its order counts: texts in that of their code points, which is the cursor's, whatever
/// the language of the database.
fn write_sorted(relation: &str, field: &Field, mut out: AstPass<'_, '_, Pg>) -> QueryResult<()> {
    write_column(relation, field, out.reborrow())?;
    if matches!(field.kind, Kind::Text | Kind::Word(_)) {
        out.push_sql(" COLLATE \"C\"");
    }
    Ok(())
}
