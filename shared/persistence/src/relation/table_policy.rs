//! Privacy rules of tables, by version.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Page, Paging};
use datacovey_types::Ctx;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection as _};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::idempotency::Replay;
use super::table;
use crate::Database;
use crate::failure::OrNotFound as _;
use crate::schema::{table_, table_policy};

/// The privacy rules of a table, one version of them.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = table_policy, check_for_backend(diesel::pg::Pg))]
pub struct TablePolicyRow {
    pub table_id: Uuid,
    pub version: i64,
    pub tenant_id: Uuid,
    pub policy: Value,
    pub created_by: Uuid,
    pub created_at: NaiveDateTime,
}

/// Rules to set for a table.
#[derive(Clone, Debug)]
pub struct NewTablePolicy {
    pub table_id: Uuid,
    pub policy: Value,
    /// Name of the table that they take their privacy unit through.
    pub parent: Option<String>,
    /// The version that these follow, 0 if there is none; none to follow whatever there is.
    pub expected_version: Option<i64>,
    /// Check everything and set nothing.
    pub validate_only: bool,
}

impl Database {
    /// The rules of a table at a version, the newest if none is given.
    ///
    /// NOT_FOUND where the table is not the caller's to see, and where there is no such version.
    pub async fn table_policy_get(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
        version: Option<i64>,
    ) -> Result<TablePolicyRow> {
        self.transaction(ctx, async |conn| {
            // The table first: what is not there is named.
            table_::table
                .find(table_id)
                .select(table_::id)
                .first::<Uuid>(conn)
                .await
                .or_not_found("table", table_id)?;
            let mut query = table_policy::table
                .filter(table_policy::table_id.eq(table_id))
                .order(table_policy::version.desc())
                .select(TablePolicyRow::as_select())
                .into_boxed::<Pg>();
            if let Some(version) = version {
                query = query.filter(table_policy::version.eq(version));
            }
            query.first(conn).await.or_not_found("table_policy", table_id)
        })
        .await
    }

    /// The versions of a table's rules, the newest first. NOT_FOUND where the table is not the caller's to see.
    pub async fn table_policy_list(
        &self,
        ctx: &Ctx,
        table_id: Uuid,
        paging: &Paging<i64>,
    ) -> Result<Page<TablePolicyRow>> {
        let rows = self.transaction(ctx, async |conn| {
            table_::table
                .find(table_id)
                .select(table_::id)
                .first::<Uuid>(conn)
                .await
                .or_not_found("table", table_id)?;
            let rows = table_policy::table
                .filter(table_policy::table_id.eq(table_id))
                .filter(table_policy::version.lt(paging.after.unwrap_or(i64::MAX)))
                .order(table_policy::version.desc())
                .limit(paging.limit())
                .select(TablePolicyRow::as_select())
                .load(conn)
                .await?;
            Ok(rows)
        });
        let bytes = |row: &TablePolicyRow| row.policy.to_string().len();
        paging.page_within(rows.await?, bytes, |row| Ok(row.version))
    }

    /// Sets the rules of a table of the caller's tenant, as a new version. `fits` judges whether they fit
    /// the table's schema, which does not change meanwhile, and the schema of the parent that they name:
    /// another live table of the same dataset and tenant.
    ///
    /// ABORTED where another version than the expected one is the newest, ARCHIVED where the table or
    /// anything above it is.
    pub async fn table_policy_set(
        &self,
        ctx: &Ctx,
        new: NewTablePolicy,
        replay: Option<Replay>,
        fits: impl Fn(&Value, Option<&Value>) -> Result<()> + Send + Sync,
    ) -> Result<TablePolicyRow> {
        let NewTablePolicy {
            table_id,
            ref policy,
            ref parent,
            expected_version,
            validate_only,
        } = new;
        let replay = replay.filter(|_| !validate_only);
        self.transaction(ctx, async |conn| {
            let versions = || table_policy::table.filter(table_policy::table_id.eq(table_id));
            if Replay::begin(replay.as_ref(), ctx, table_id, conn)
                .await?
                .is_some()
            {
                // The key stands for the table; the version that the first run made has these rules.
                let first = versions()
                    .filter(table_policy::policy.eq(policy.clone()))
                    .order(table_policy::version.desc())
                    .select(TablePolicyRow::as_select())
                    .first(conn)
                    .await;
                return first.or_not_found("table_policy", table_id);
            }
            let row = table::lock(table_id, conn).await?;
            let parent: Option<Value> = match parent {
                None => None,
                Some(name) => {
                    let of_dataset = table_::table
                        .filter(table_::dataset_id.eq(row.dataset_id))
                        .filter(table_::tenant_id.eq(row.tenant_id))
                        .filter(table_::name.eq(name))
                        .filter(table_::id.ne(table_id))
                        .filter(table_::archived_at.is_null());
                    of_dataset.select(table_::schema).first(conn).await.optional()?
                }
            };
            fits(&row.schema, parent.as_ref())?;
            let newest = versions()
                .select(diesel::dsl::max(table_policy::version))
                .first::<Option<i64>>(conn)
                .await?
                .unwrap_or_default();
            if expected_version.is_some_and(|expected| expected != newest) {
                return Err(Error::etag_mismatch("table_policy", table_id)
                    .with("version", newest)
                    .into());
            }
            if validate_only {
                conn.batch_execute("SAVEPOINT before").await?;
            }
            let set = diesel::insert_into(table_policy::table)
                .values((
                    table_policy::table_id.eq(table_id),
                    table_policy::version.eq(newest + 1),
                    table_policy::tenant_id.eq(ctx.tenant_id()),
                    table_policy::policy.eq(policy.clone()),
                    table_policy::created_by.eq(ctx.user_id()),
                ))
                .returning(TablePolicyRow::as_returning())
                .get_result(conn)
                .await?;
            if validate_only {
                conn.batch_execute("ROLLBACK TO SAVEPOINT before").await?;
            }
            Ok(set)
        })
        .await
    }
}
