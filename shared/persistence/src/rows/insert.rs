//! Inserts: new rows, and rows that may be there already.

use datacovey_proto::internal::rows::v1::{InsertRequest, Resolution};
use datacovey_rest::{Column, Error as RestError, Relation};
use datacovey_types::Ctx;
use serde_json::Value;

use super::error::RowsError;
use super::link::{Mode, Transaction};
use super::read::relation;
use super::rules::{Change, RowRules, authorize, check, writer};
use super::select::Source;
use super::sql::Sql;
use super::write::{
    Found, Returned, Values, Written, array, check_affected, columns, end, found, kept_column,
};
use crate::Database;

impl Database {
    /// Inserts rows, or changes those that are there, all or none.
    pub async fn rows_insert(
        &self,
        ctx: &Ctx,
        request: &InsertRequest,
        rules: &dyn RowRules,
    ) -> Result<Written, RowsError> {
        let relation = relation(&request.relation)?;
        let (role, rules) = writer(self, ctx, relation, rules);
        authorize(rules, ctx, relation, Change::Insert)?;
        let (transaction, prelude) = self.rows_begin(ctx, role, Mode::Write).await?;
        let done = async {
            transaction.run(&prelude).await?;
            self.insert(ctx, &transaction, relation, request, rules).await
        };
        end(done.await, transaction).await
    }

    async fn insert(
        &self,
        ctx: &Ctx,
        transaction: &Transaction,
        relation: &Relation,
        request: &InsertRequest,
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
            json: array(&request.rows)?,
            missing: request.missing(),
        };
        let conflict = columns(relation, &request.on_conflict)?;
        if request.only.is_some() && conflict.iter().any(|it| !values.columns.contains(it)) {
            let key = conflict.first().map_or("id", |it| it.name.as_str());
            return Err(RowsError::no_column("pgrst_body", key));
        }
        let (kept, changed) = values.kept(transaction.role);
        let merges = request.resolution() == Resolution::MergeDuplicates;
        let before = if merges && !request.rows.is_empty() {
            transaction
                .lock_given(relation, &values, &conflict, &kept)
                .await?
        } else {
            Vec::new()
        };
        let after = if request.rows.is_empty() {
            Vec::new()
        } else {
            let changed: Vec<_> = changed.into_iter().filter(|it| !conflict.contains(it)).collect();
            transaction
                .write_given(&values, &conflict, request.resolution(), &changed)
                .await?
        };
        if let Some(only) = &request.only {
            let source = Source::root(relation, &[])?;
            let mut sql = Sql::new("SELECT count(*)");
            source.write_rows(&mut sql, Some(only), true)?;
            let places: Vec<_> = after.iter().map(|it| it.place.clone()).collect();
            source.write_places(&mut sql, Some(only), &places);
            let same: i64 = transaction.value(&sql).await?;
            if usize::try_from(same).ok() != Some(request.rows.len()) {
                return Err(RestError::put_mismatch().into());
            }
        }
        check_affected(after.len(), returned)?;
        check(transaction, rules, relation, &after, &before).await?;
        if let Some(rules) = rules.jobs().filter(|_| relation.is_job()) {
            transaction.queue(ctx, relation, rules, &after).await?;
        }
        let key = match (relation.primary_key(), after.as_slice()) {
            (Some(key), [one]) => one
                .row
                .get(&key.name)
                .and_then(Value::as_str)
                .map(ToOwned::to_owned),
            _ => None,
        };
        let new = after.iter().filter(|it| it.is_new).count();
        let places = after.into_iter().map(|it| it.place).collect();
        let written = transaction.returned(relation, places, returned).await?;
        Ok(Written {
            inserted: i64::try_from(new).unwrap_or(i64::MAX),
            key,
            ..written
        })
    }
}

impl Transaction {
    /// Those of the given rows that are there, locked. Columns that never change must be what they are.
    async fn lock_given(
        &self,
        relation: &Relation,
        values: &Values<'_>,
        conflict: &[&Column],
        kept: &[&Column],
    ) -> Result<Vec<Found>, RowsError> {
        let mut sql = Sql::new("SELECT CAST(");
        sql.name(&relation.name)
            .push(".ctid AS text), to_jsonb(")
            .name(&relation.name);
        sql.push(".*), false, to_jsonb(given.*) FROM ")
            .name(&relation.name)
            .push(" JOIN ");
        values.write(&mut sql);
        sql.push(" AS given ON ");
        for (place, column) in conflict.iter().enumerate() {
            sql.push(if place == 0 { "" } else { " AND " });
            sql.name(&relation.name).push(".").name(&column.name);
            sql.push(" = given.").name(&column.name);
        }
        if conflict.is_empty() {
            sql.push("false");
        }
        sql.push(" FOR NO KEY UPDATE OF ").name(&relation.name);
        let rows = self.rows(&sql).await?;
        let before = found(&rows)?;
        for (row, before) in rows.iter().zip(&before) {
            let given: Value = row.try_get(3)?;
            for column in kept.iter().filter(|it| !conflict.contains(it)) {
                if before.row.get(&column.name) != given.get(&column.name) {
                    return Err(kept_column(relation, column));
                }
            }
        }
        Ok(before)
    }

    /// Writes the given rows, and gives those that were written.
    async fn write_given(
        &self,
        values: &Values<'_>,
        conflict: &[&Column],
        resolution: Resolution,
        changed: &[&Column],
    ) -> Result<Vec<Found>, RowsError> {
        let relation = values.relation;
        let names = |sql: &mut Sql, columns: &[&Column]| {
            for (place, column) in columns.iter().enumerate() {
                sql.push(if place == 0 { "" } else { ", " }).name(&column.name);
            }
        };
        let mut sql = Sql::new("INSERT INTO ");
        sql.name(&relation.name);
        if values.columns.is_empty() {
            sql.push(" DEFAULT VALUES");
        } else {
            sql.push(" (");
            names(&mut sql, &values.columns);
            sql.push(") SELECT ");
            names(&mut sql, &values.columns);
            sql.push(" FROM ");
            values.write(&mut sql);
            sql.push(" AS given");
        }
        if resolution != Resolution::Unspecified {
            sql.push(" ON CONFLICT (");
            names(&mut sql, conflict);
            if resolution == Resolution::MergeDuplicates && !changed.is_empty() {
                sql.push(") DO UPDATE SET ");
                for (place, column) in changed.iter().enumerate() {
                    sql.push(if place == 0 { "" } else { ", " }).name(&column.name);
                    sql.push(" = excluded.").name(&column.name);
                }
            } else {
                sql.push(") DO NOTHING");
            }
        }
        sql.push(" RETURNING CAST(")
            .name(&relation.name)
            .push(".ctid AS text), to_jsonb(");
        sql.name(&relation.name)
            .push(".*), ")
            .name(&relation.name)
            .push(".xmax = 0");
        found(&self.rows(&sql).await?)
    }
}
