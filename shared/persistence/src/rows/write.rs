//! Changes and removals of rows, and what all writes share.
//!
//! A write is a transaction: the rows are locked and written, shown to the rules of their service, read as
//! they are to be returned, and only then committed.

use bytes::Bytes;
use datacovey_proto::internal::rows::v1::{
    DeleteRequest, Filter, MissingColumns, OrderTerm, RowFormat, Selection, UpdateRequest,
};
use datacovey_rest::{Column, Error as RestError, Relation};
use datacovey_types::Ctx;
use serde_json::Value;
use tokio_postgres::Row;

use super::error::RowsError;
use super::link::{Mode, Transaction};
use super::read::{relation, texts};
use super::rules::{Change, RowRules, authorize, check, writer};
use super::select::{Page, Source, write_select};
use super::sql::Sql;
use crate::{Database, DbRole};

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub affected: i64,
    /// How many of them were not there before.
    pub inserted: i64,
    /// The rows asked for, in their format.
    pub rows: Vec<Bytes>,
    /// Names of the members of each row, in order.
    pub columns: Vec<String>,
    /// The primary key of the row, if there is exactly one.
    pub key: Option<String>,
}

/// A row that was found or written: where it is in this transaction, and what it holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: String,
    pub(super) row: Value,
    /// Whether it was not there before.
    pub(super) is_new: bool,
}

impl Found {
    pub(super) fn id(&self) -> Option<&str> {
        self.row.get("id")?.as_str()
    }
}

/// How much a write may affect, and what is returned of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Returned<'a> {
    pub(super) selections: &'a [Selection],
    pub(super) order: &'a [OrderTerm],
    pub(super) format: RowFormat,
    pub(super) timezone: &'a str,
    pub(super) singular: bool,
    pub(super) max_affected: Option<i64>,
}

impl Database {
    /// Changes the rows of a filter that are the caller's.
    pub async fn rows_update(
        &self,
        ctx: &Ctx,
        request: &UpdateRequest,
        rules: &dyn RowRules,
    ) -> Result<Written, RowsError> {
        let relation = relation(&request.relation)?;
        let (role, rules) = writer(self, ctx, relation, rules);
        authorize(rules, ctx, relation, Change::Update)?;
        let (transaction, prelude) = self.rows_begin(ctx, role, Mode::Write).await?;
        let done = async {
            transaction.run(&prelude).await?;
            self.update(&transaction, relation, request, rules).await
        };
        end(done.await, transaction).await
    }

    async fn update(
        &self,
        transaction: &Transaction,
        relation: &Relation,
        request: &UpdateRequest,
        rules: &dyn RowRules,
    ) -> Result<Written, RowsError> {
        let returned = Returned {
            selections: &request.returning,
            order: &request.order,
            format: request.format(),
            timezone: &request.timezone,
            singular: request.singular,
            max_affected: request.max_affected,
        };
        let values = Values {
            relation,
            columns: columns(relation, &request.columns)?,
            json: array(std::slice::from_ref(&request.values))?,
            missing: request.missing(),
        };
        if values.columns.is_empty() {
            check_affected(0, returned)?;
            return transaction.returned(relation, Vec::new(), returned).await;
        }
        let (kept, changed) = values.kept(transaction.role);
        let before = transaction
            .lock(
                relation,
                request.filter.as_ref(),
                &request.returning,
                Change::Update,
                Some((&values, &kept)),
            )
            .await?;
        check_affected(before.len(), returned)?;
        if changed.is_empty() {
            let places = before.into_iter().map(|it| it.place).collect();
            return transaction.returned(relation, places, returned).await;
        }
        let places: Vec<_> = before.iter().map(|it| it.place.clone()).collect();
        let mut sql = Sql::new("UPDATE ");
        sql.name(&relation.name).push(" SET ");
        for (place, column) in changed.iter().enumerate() {
            sql.push(if place == 0 { "" } else { ", " });
            sql.name(&column.name).push(" = given.").name(&column.name);
        }
        sql.push(" FROM ");
        values.write(&mut sql);
        sql.push(" AS given WHERE ")
            .name(&relation.name)
            .push(".ctid = ANY (");
        sql.values(&places).push(") RETURNING CAST(");
        sql.name(&relation.name)
            .push(".ctid AS text), to_jsonb(")
            .name(&relation.name);
        sql.push(".*), false");
        let after = found(&transaction.rows(&sql).await?)?;
        check(transaction, rules, relation, &after, &before).await?;
        let places = after.into_iter().map(|it| it.place).collect();
        transaction.returned(relation, places, returned).await
    }

    /// Removes the rows of a filter that are the caller's, as long as nothing is below them.
    pub async fn rows_delete(
        &self,
        ctx: &Ctx,
        request: &DeleteRequest,
        rules: &dyn RowRules,
    ) -> Result<Written, RowsError> {
        let relation = relation(&request.relation)?;
        let (role, rules) = writer(self, ctx, relation, rules);
        authorize(rules, ctx, relation, Change::Delete)?;
        let (transaction, prelude) = self.rows_begin(ctx, role, Mode::Write).await?;
        let done = async {
            transaction.run(&prelude).await?;
            self.delete(&transaction, relation, request).await
        };
        end(done.await, transaction).await
    }

    async fn delete(
        &self,
        transaction: &Transaction,
        relation: &Relation,
        request: &DeleteRequest,
    ) -> Result<Written, RowsError> {
        let returned = Returned {
            selections: &request.returning,
            order: &request.order,
            format: request.format(),
            timezone: &request.timezone,
            singular: request.singular,
            max_affected: request.max_affected,
        };
        let is_plain = transaction.role == DbRole::Backfill;
        if !is_plain && !PURGED.contains(&relation.name.as_str()) {
            let message = format!("permission denied for table {}", relation.name);
            return Err(RowsError::new("42501", message));
        }
        let before = transaction
            .lock(
                relation,
                request.filter.as_ref(),
                &request.returning,
                Change::Delete,
                None,
            )
            .await?;
        check_affected(before.len(), returned)?;
        let places: Vec<_> = before.iter().map(|it| it.place.clone()).collect();
        // As they last stood, so before they go.
        let written = transaction.returned(relation, places.clone(), returned).await?;
        if is_plain {
            let mut sql = Sql::new("DELETE FROM ");
            sql.name(&relation.name)
                .push(" WHERE ctid = ANY (")
                .values(&places)
                .push(")");
            transaction.execute(&sql).await?;
            return Ok(written);
        }
        let ids: Vec<_> = before
            .iter()
            .filter_map(|it| it.id().map(ToOwned::to_owned))
            .collect();
        let mut sql = Sql::new("SELECT purge(");
        sql.value(&relation.name)
            .push(", it, false) FROM unnest(CAST(")
            .values(&ids);
        sql.push(" AS uuid[])) AS it");
        transaction.rows(&sql).await?;
        Ok(written)
    }
}

/// Relations whose rows go by the door that looks for what is below them.
const PURGED: [&str; 6] = ["tenant", "user", "project", "dataset", "table", "query"];

pub(super) async fn end(
    done: Result<Written, RowsError>,
    transaction: Transaction,
) -> Result<Written, RowsError> {
    match done {
        Ok(written) => {
            transaction.commit().await?;
            Ok(written)
        }
        Err(error) => {
            transaction.roll_back().await;
            Err(error)
        }
    }
}

/// The columns of these names.
pub(super) fn columns<'a>(relation: &'a Relation, names: &[String]) -> Result<Vec<&'a Column>, RowsError> {
    let column = |name: &String| {
        let found = relation.column(name);
        found.ok_or_else(|| RowsError::no_column(&relation.name, name))
    };
    names.iter().map(column).collect()
}

/// Rows as one text of JSON.
pub(super) fn array(rows: &[Bytes]) -> Result<String, RowsError> {
    let mut array = String::with_capacity(rows.iter().map(|it| it.len() + 1).sum::<usize>() + 2);
    array.push('[');
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            array.push(',');
        }
        let text = std::str::from_utf8(row).map_err(|_| RowsError::malformed("row in UTF-8"))?;
        array.push_str(text);
    }
    array.push(']');
    Ok(array)
}

pub(super) fn check_affected(affected: usize, returned: Returned<'_>) -> Result<(), RowsError> {
    let affected = affected as u64;
    if returned.singular && affected != 1 {
        return Err(RestError::not_singular(affected).into());
    }
    if returned
        .max_affected
        .is_some_and(|it| it.unsigned_abs() < affected)
    {
        return Err(RestError::too_many_affected(affected).into());
    }
    Ok(())
}

/// Rows that a statement gives: where they are, what they hold, and whether they are new.
pub(super) fn found(rows: &[Row]) -> Result<Vec<Found>, RowsError> {
    let found = |row: &Row| {
        Ok(Found {
            place: row.try_get(0)?,
            is_new: row.try_get(2)?,
            // The one thing of a row that the database takes and we do not read.
            row: row.try_get(1).map_err(|_| {
                RowsError::new(
                    "22023",
                    "a JSON value of a row is nested more than 120 levels deep",
                )
            })?,
        })
    };
    rows.iter().map(found).collect()
}

impl Transaction {
    /// The rows of a filter, locked. Of `given` values those are compared that must be what they are.
    async fn lock(
        &self,
        relation: &Relation,
        filter: Option<&Filter>,
        selections: &[Selection],
        change: Change,
        given: Option<(&Values<'_>, &[&Column])>,
    ) -> Result<Vec<Found>, RowsError> {
        let source = Source::root(relation, selections)?;
        let mut sql = Sql::new("SELECT CAST(");
        sql.name(&source.alias)
            .push(".ctid AS text), to_jsonb(")
            .name(&source.alias)
            .push(".*), false");
        source.write_rows(&mut sql, filter, true)?;
        sql.push(if change == Change::Delete {
            " FOR UPDATE OF "
        } else {
            " FOR NO KEY UPDATE OF "
        });
        sql.name(&source.alias);
        let before = found(&self.rows(&sql).await?)?;
        if let Some((values, kept)) = given
            && !kept.is_empty()
            && !before.is_empty()
        {
            let mut sql = Sql::new("SELECT to_jsonb(given.*) FROM ");
            values.write(&mut sql);
            sql.push(" AS given");
            let given: Value = self.value(&sql).await?;
            for column in kept {
                if before
                    .iter()
                    .any(|it| it.row.get(&column.name) != given.get(&column.name))
                {
                    return Err(kept_column(relation, column));
                }
            }
        }
        Ok(before)
    }

    /// The rows that are to be returned of those that are at these places.
    pub(super) async fn returned(
        &self,
        relation: &Relation,
        places: Vec<String>,
        returned: Returned<'_>,
    ) -> Result<Written, RowsError> {
        let mut written = Written {
            affected: i64::try_from(places.len()).unwrap_or(i64::MAX),
            ..Written::default()
        };
        if returned.selections.is_empty() {
            return Ok(written);
        }
        let source = Source::root(relation, returned.selections)?;
        written.columns = source.outputs.iter().map(|it| it.name.clone()).collect();
        let page = Page {
            filter: None,
            places: Some(&places),
            order: returned.order,
            limit: None,
            offset: 0,
        };
        let mut sql = Sql::default();
        write_select(&mut sql, &source, page, returned.format)?;
        self.set_timezone(returned.timezone).await?;
        written.rows = texts(&self.rows(&sql).await?, returned.format)?;
        Ok(written)
    }
}

/// Says that a column is never changed, as the database does.
pub(super) fn kept_column(relation: &Relation, column: &Column) -> RowsError {
    let message = format!("{} of {} never changes", column.name, relation.name);
    RowsError::new("23514", message)
}

/// Values of columns, as the caller gave them.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) relation: &'a Relation,
    pub(super) columns: Vec<&'a Column>,
    /// An array of objects.
    pub(super) json: String,
    pub(super) missing: MissingColumns,
}

impl<'a> Values<'a> {
    /// Writes the rows of the values.
    pub(super) fn write(&self, sql: &mut Sql) {
        if self.missing != MissingColumns::Default {
            sql.push("json_populate_recordset(CAST(NULL AS ")
                .name(&self.relation.name)
                .push("), ");
            sql.value(&self.json).push(")");
            return;
        }
        sql.push("(SELECT one_row.* FROM jsonb_array_elements(")
            .value(&self.json);
        sql.push(") AS given, LATERAL jsonb_populate_record(CAST(NULL AS ")
            .name(&self.relation.name);
        sql.push("), jsonb_build_object(");
        let defaults = self
            .columns
            .iter()
            .filter_map(|it| Some((it, it.default.as_ref()?)));
        for (place, (column, default)) in defaults.enumerate() {
            // Both are the contract's own.
            sql.push(&format!(
                "{}'{}', {default}",
                if place == 0 { "" } else { ", " },
                column.name
            ));
        }
        sql.push(") || given.value) AS one_row)");
    }

    /// Of the columns, those that a client can give and not change, and those that it can change.
    pub(super) fn kept(&self, role: DbRole) -> (Vec<&'a Column>, Vec<&'a Column>) {
        let is_kept = |column: &Column| {
            role != DbRole::Backfill
                && (["id", "tenant_id", "created_at"].contains(&column.name.as_str())
                    || matches!(
                        (self.relation.name.as_str(), column.name.as_str()),
                        ("query", "project_id")
                            | ("query_job", "query_id")
                            | ("import_job" | "export_job", "table_id")
                    ))
        };
        self.columns.iter().copied().partition(|it| is_kept(it))
    }
}
