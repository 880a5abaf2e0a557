//! SELECT: what is returned of which rows, in which order.

use datacovey_proto::internal::rows::v1::filter::Node;
use datacovey_proto::internal::rows::v1::selection::Item;
use datacovey_proto::internal::rows::v1::{
    ColumnPath, Filter, NullOrder, OrderTerm, RowFormat, SelectedColumn, Selection,
};
use datacovey_rest::{ColumnType, Relation, Relations};

use super::cast;
use super::embed::{self, Joined};
use super::error::RowsError;
use super::filter::{write_column, write_filter, write_steps};
use super::sql::Sql;

/// What rows are taken from: a relation, and what is embedded in it.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) relation: &'a Relation,
    /// What the relation is called within the statement, and in what the database says of it.
    pub(super) alias: String,
    pub(super) depth: usize,
    pub(super) joined: Vec<Joined<'a>>,
    pub(super) outputs: Vec<Output<'a>>,
}

/// A member of what is returned.
#[derive(Clone, Debug)]
pub(super) struct Output<'a> {
    pub(super) name: String,
    pub(super) from: From<'a>,
}

/// Where a member comes from.
#[derive(Clone, Debug)]
pub(super) enum From<'a> {
    All(&'a str),
    Column(&'a SelectedColumn),
    /// An embedding as a whole, by its place.
    Embedded(usize),
    /// A column of a spread embedding.
    Spread(usize, usize),
}

/// Gives each embedding of a statement a name of its own.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) relations: &'static Relations,
    next: usize,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            relations: Relations::contract(),
            next: 0,
        }
    }

    pub(super) fn next(&mut self) -> String {
        self.next += 1;
        format!("embedded_{}", self.next)
    }
}

impl<'a> Source<'a> {
    /// The relation of a request.
    pub(super) fn root(relation: &'a Relation, selections: &'a [Selection]) -> Result<Self, RowsError> {
        Self::new(&mut Names::new(), relation, relation.name.clone(), selections, 0)
    }

    pub(super) fn new(
        names: &mut Names,
        relation: &'a Relation,
        alias: String,
        selections: &'a [Selection],
        depth: usize,
    ) -> Result<Self, RowsError> {
        let mut source = Self {
            relation,
            alias,
            depth,
            joined: Vec::new(),
            outputs: Vec::new(),
        };
        for selection in selections {
            match &selection.item {
                Some(Item::Column(column)) => source.add_column(column)?,
                Some(Item::Embedding(it)) => {
                    let joined = Joined::new(names, &source, it)?;
                    let place = source.joined.len();
                    if it.spread {
                        let spread = joined.source.outputs.iter().enumerate();
                        source.outputs.extend(spread.map(|(column, output)| Output {
                            name: output.name.clone(),
                            from: From::Spread(place, column),
                        }));
                    } else if !it.selections.is_empty() {
                        source.outputs.push(Output {
                            name: it.name.clone(),
                            from: From::Embedded(place),
                        });
                    }
                    source.joined.push(joined);
                }
                None => return Err(RowsError::malformed("selection")),
            }
        }
        Ok(source)
    }

    fn add_column(&mut self, column: &'a SelectedColumn) -> Result<(), RowsError> {
        let path = column
            .path
            .as_ref()
            .ok_or_else(|| RowsError::malformed("column"))?;
        if path.column == "*" {
            let all = self.relation.columns.iter().map(|it| Output {
                name: it.name.clone(),
                from: From::All(&it.name),
            });
            self.outputs.extend(all);
        } else {
            self.outputs.push(Output {
                name: column.alias.clone(),
                from: From::Column(column),
            });
        }
        Ok(())
    }

    /// The embedding of that name.
    pub(super) fn embedded(&self, name: &str) -> Result<&Joined<'a>, RowsError> {
        let found = self.joined.iter().find(|it| it.embedding.name == name);
        found.ok_or_else(|| {
            let message = format!("'{name}' is not an embedded resource in this request");
            RowsError::new("PGRST108", message)
        })
    }

    /// Writes a member. Whether it is JSON.
    pub(super) fn write_output(&self, sql: &mut Sql, output: &Output<'_>) -> Result<bool, RowsError> {
        match output.from {
            From::All(name) => {
                sql.name(&self.alias).push(".").name(name);
                let column = self.relation.column(name);
                Ok(column.is_some_and(|it| it.kind == ColumnType::Jsonb))
            }
            From::Column(column) => {
                let path = column
                    .path
                    .as_ref()
                    .ok_or_else(|| RowsError::malformed("column"))?;
                if column.cast.is_empty() {
                    return write_column(sql, self, path);
                }
                let kind = cast::sql_type(&column.cast)?;
                sql.push("CAST(");
                write_column(sql, self, path)?;
                sql.push(" AS ").push(kind).push(")");
                Ok(kind == "jsonb")
            }
            From::Embedded(place) => {
                sql.push(&self.joined[place].alias).push(".value");
                Ok(true)
            }
            From::Spread(place, column) => {
                let alias = &self.joined[place].alias;
                sql.push(&format!("{alias}.c{column}"));
                Ok(false)
            }
        }
    }

    /// Writes `FROM … WHERE …`. Of what is embedded, all of it, or only what decides which rows there are.
    pub(super) fn write_rows(
        &self,
        sql: &mut Sql,
        filter: Option<&Filter>,
        decisive_only: bool,
    ) -> Result<(), RowsError> {
        sql.push(" FROM ")
            .name(&self.relation.name)
            .push(" AS ")
            .name(&self.alias);
        for joined in &self.joined {
            let decides =
                joined.embedding.inner || filter.is_some_and(|it| asks_for(it, &joined.embedding.name, 0));
            if decides || !decisive_only {
                embed::write_join(sql, self, joined)?;
            }
        }
        if let Some(filter) = filter {
            sql.push(" WHERE ");
            write_filter(sql, self, filter)?;
        }
        Ok(())
    }

    /// Writes that rows are where they were found within this transaction.
    pub(super) fn write_places(&self, sql: &mut Sql, filter: Option<&Filter>, places: &[String]) {
        sql.push(if filter.is_some() { " AND " } else { " WHERE " });
        sql.name(&self.alias)
            .push(".ctid = ANY (")
            .values(places)
            .push(")");
    }

    pub(super) fn write_order(&self, sql: &mut Sql, order: &[OrderTerm]) -> Result<(), RowsError> {
        for (place, term) in order.iter().enumerate() {
            sql.push(if place == 0 { " ORDER BY " } else { ", " });
            let path = term
                .column
                .as_ref()
                .ok_or_else(|| RowsError::malformed("column"))?;
            if path.relation.is_empty() {
                write_column(sql, self, path)?;
            } else {
                self.write_related(sql, path)?;
            }
            if term.descending {
                sql.push(" DESC");
            }
            match term.nulls() {
                NullOrder::Unspecified => {}
                NullOrder::First => {
                    sql.push(" NULLS FIRST");
                }
                NullOrder::Last => {
                    sql.push(" NULLS LAST");
                }
            }
        }
        Ok(())
    }

    /// Writes a column that an embedding returns.
    fn write_related(&self, sql: &mut Sql, path: &ColumnPath) -> Result<(), RowsError> {
        let joined = self.embedded(&path.relation)?;
        let found = joined.source.outputs.iter().position(|it| it.name == path.column);
        let column = found.ok_or_else(|| {
            let of = format!("{}_{}_{}", self.relation.name, path.relation, self.depth + 1);
            RowsError::no_column(&of, &path.column)
        })?;
        // Whether it is JSON already does not matter: of JSON, `to_jsonb` is the same.
        write_steps(sql, false, &path.steps, |sql| {
            sql.push(&format!("{}.c{column}", joined.alias));
        })?;
        Ok(())
    }
}

/// Whether a condition asks if anything is related by that name.
fn asks_for(filter: &Filter, name: &str, depth: usize) -> bool {
    match &filter.node {
        // Deeper ones are refused when they are written.
        Some(Node::And(list) | Node::Or(list)) if depth < 100 => {
            list.filters.iter().any(|it| asks_for(it, name, depth + 1))
        }
        Some(Node::Unrelated(it)) => it == name,
        _ => false,
    }
}

/// Writes the limits of a page.
pub(super) fn write_page(sql: &mut Sql, limit: Option<i64>, offset: i64) {
    if let Some(limit) = limit {
        sql.push(&format!(" LIMIT {}", limit.max(0)));
    }
    if offset > 0 {
        // As a value, so that the pages of one list are one statement.
        sql.push(" OFFSET ").value(offset.to_string());
    }
}

/// Which rows of a relation are returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    pub(super) filter: Option<&'a Filter>,
    /// Where the rows are, if they are known.
    pub(super) places: Option<&'a [String]>,
    pub(super) order: &'a [OrderTerm],
    pub(super) limit: Option<i64>,
    pub(super) offset: i64,
}

/// The statement that returns rows, each as one text in its format.
pub(super) fn write_select(
    sql: &mut Sql,
    source: &Source<'_>,
    page: Page<'_>,
    format: RowFormat,
) -> Result<(), RowsError> {
    sql.push(match format {
        RowFormat::JsonStripped => {
            "SELECT CAST(json_strip_nulls(row_to_json(one_row)) AS text) FROM (SELECT "
        }
        RowFormat::Csv => "SELECT CAST(one_row AS text) FROM (SELECT ",
        _ => "SELECT CAST(row_to_json(one_row) AS text) FROM (SELECT ",
    });
    for (place, output) in source.outputs.iter().enumerate() {
        if place > 0 {
            sql.push(", ");
        }
        source.write_output(sql, output)?;
        sql.push(" AS ").name(&output.name);
    }
    source.write_rows(sql, page.filter, false)?;
    if let Some(places) = page.places {
        source.write_places(sql, page.filter, places);
    }
    source.write_order(sql, page.order)?;
    write_page(sql, page.limit, page.offset);
    sql.push(") AS one_row");
    Ok(())
}
