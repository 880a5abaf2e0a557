//! Embeddings: each is a lateral join that gives one row to each row of its parent.

use datacovey_proto::internal::rows::v1::{Cardinality, Embedding};
use datacovey_rest::Column;

use super::error::RowsError;
use super::filter::write_filter;
use super::select::{Names, Source, write_page};
use super::sql::Sql;

/// Deeper ones come from no gateway.
const MAX_DEPTH: usize = 16;

/// A function of the database takes 100 arguments.
const MEMBERS_AT_ONCE: usize = 50;

/// An embedding within a statement.
#[derive(Debug)]
pub(super) struct Joined<'a> {
    pub(super) embedding: &'a Embedding,
    /// Names its one row, with the columns `here`, `value` and, of what can be spread or sorted by, `c0`, ….
    pub(super) alias: String,
    pub(super) source: Source<'a>,
    /// The column that has the foreign key.
    key: &'a Column,
}

impl<'a> Joined<'a> {
    pub(super) fn new(
        names: &mut Names,
        parent: &Source<'a>,
        embedding: &'a Embedding,
    ) -> Result<Self, RowsError> {
        let depth = parent.depth + 1;
        if depth > MAX_DEPTH {
            let message = format!("embeddings are nested more than {MAX_DEPTH} deep");
            return Err(RowsError::new("54000", message).refused());
        }
        let unknown = || RowsError::malformed("foreign key between two relations");
        let relations = names.relations;
        let other = relations.get(&embedding.relation).ok_or_else(unknown)?;
        let (from, to) = match embedding.cardinality() {
            Cardinality::ToOne => (parent.relation, other),
            Cardinality::ToMany => (other, parent.relation),
            Cardinality::Unspecified => return Err(RowsError::malformed("cardinality")),
        };
        let key = relations
            .foreign_keys()
            .find(|it| {
                it.name() == embedding.foreign_key && it.from.name == from.name && it.to.name == to.name
            })
            .ok_or_else(unknown)?;
        let alias = format!("{}_{depth}", other.name);
        Ok(Self {
            embedding,
            alias: names.next(),
            source: Source::new(names, other, alias, &embedding.selections, depth)?,
            key: key.column,
        })
    }
}

/// Writes the join of an embedding to its parent.
pub(super) fn write_join(sql: &mut Sql, parent: &Source<'_>, joined: &Joined<'_>) -> Result<(), RowsError> {
    let is_many = joined.embedding.cardinality() == Cardinality::ToMany;
    sql.push(if joined.embedding.inner {
        " JOIN LATERAL (SELECT "
    } else {
        " LEFT JOIN LATERAL (SELECT "
    });
    match (is_many, joined.embedding.spread) {
        (true, true) => {
            sql.push("count(*) > 0 AS here");
            for place in 0..joined.source.outputs.len() {
                sql.push(&format!(
                    ", coalesce(jsonb_agg(one_row.c{place}), '[]'::jsonb) AS c{place}"
                ));
            }
        }
        (true, false) => {
            sql.push("count(*) > 0 AS here, coalesce(jsonb_agg(");
            write_object(sql, &joined.source);
            sql.push("), '[]'::jsonb) AS value");
        }
        (false, _) => {
            sql.push("true AS here, ");
            write_object(sql, &joined.source);
            sql.push(" AS value");
            for place in 0..joined.source.outputs.len() {
                sql.push(&format!(", one_row.c{place}"));
            }
        }
    }
    sql.push(" FROM (");
    write_rows(sql, parent, joined, is_many)?;
    sql.push(") AS one_row) AS ").push(&joined.alias);
    sql.push(" ON ");
    if joined.embedding.inner {
        sql.push(&joined.alias).push(".here");
    } else {
        sql.push("true");
    }
    Ok(())
}

/// Writes a row as an object. Names of members are values.
fn write_object(sql: &mut Sql, source: &Source<'_>) {
    if source.outputs.is_empty() {
        sql.push("'{}'::jsonb");
    }
    let numbered: Vec<_> = source.outputs.iter().enumerate().collect();
    for (place, members) in numbered.chunks(MEMBERS_AT_ONCE).enumerate() {
        sql.push(if place == 0 {
            "jsonb_build_object("
        } else {
            " || jsonb_build_object("
        });
        for (place, (column, output)) in members.iter().enumerate() {
            sql.push(if place == 0 { "CAST(" } else { ", CAST(" });
            sql.value(&output.name);
            sql.push(&format!(" AS text), one_row.c{column}"));
        }
        sql.push(")");
    }
}

/// Writes the statement of the related rows.
fn write_rows(
    sql: &mut Sql,
    parent: &Source<'_>,
    joined: &Joined<'_>,
    is_many: bool,
) -> Result<(), RowsError> {
    let (source, embedding) = (&joined.source, joined.embedding);
    sql.push("SELECT ");
    for (place, output) in source.outputs.iter().enumerate() {
        if place > 0 {
            sql.push(", ");
        }
        source.write_output(sql, output)?;
        sql.push(&format!(" AS c{place}"));
    }
    source.write_rows(sql, None, false)?;
    let (own, others) = if is_many {
        (joined.key.name.as_str(), "id")
    } else {
        ("id", joined.key.name.as_str())
    };
    sql.push(" WHERE ").name(&source.alias).push(".").name(own);
    sql.push(" = ").name(&parent.alias).push(".").name(others);
    if let Some(filter) = &embedding.filter {
        sql.push(" AND ");
        write_filter(sql, source, filter)?;
    }
    source.write_order(sql, &embedding.order)?;
    write_page(sql, embedding.limit, embedding.offset);
    Ok(())
}
