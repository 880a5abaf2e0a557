//! Tables: their names and schemas.

use chrono::NaiveDateTime;
use datacovey_error::{Error, Result};
use datacovey_list::{Field, Fields, Kind, Listing, Page, check_etag};
use datacovey_types::{Ctx, new_id};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection as _};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::idempotency::Replay;
use super::lifecycle::lifecycle;
use crate::failure::{Failure, OrNotFound as _};
use crate::pipeline::answer;
use crate::schema::{dataset, project_participant, table_, table_policy, table_version};
use crate::{Conn, Database, listing};

/// A table of a dataset.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = table_, check_for_backend(diesel::pg::Pg))]
pub struct TableRow {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub dataset_id: Uuid,
    pub name: String,
    pub schema: Value,
    pub created_at: Option<NaiveDateTime>,
    pub archived_at: Option<NaiveDateTime>,
}

/// A table to make; the schema has been checked by the rules of schemas.
#[derive(Clone, Debug)]
pub struct NewTable {
    pub dataset_id: Uuid,
    pub name: String,
    pub schema: Value,
}

/// What to change; none leaves a column as it is.
#[derive(Clone, Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = table_)]
pub struct TableChanges {
    pub dataset_id: Option<Uuid>,
    pub name: Option<String>,
    pub schema: Option<Value>,
}

/// Which tables a list has; none means of all.
#[derive(Clone, Debug, Default)]
pub struct TableScope {
    pub dataset_id: Option<Uuid>,
    pub project_id: Option<Uuid>,
    pub show_archived: bool,
}

/// What lists of tables are filtered and ordered by.
pub const TABLE_FIELDS: Fields = Fields {
    relation: "table",
    all: &[
        ID,
        Field::new("tenant_id", Kind::Id),
        Field::new("dataset_id", Kind::Id),
        Field::new("name", Kind::Text),
        Field::optional("created_at", Kind::Time),
        Field::optional("archived_at", Kind::Time),
    ],
    sortable: &["id", "name", "created_at"],
    key: ID,
};
const ID: Field = Field::new("id", Kind::Id);

/// A new schema in the midst of what depends on the old one, as its transaction sees it.
#[derive(Debug)]
pub struct SchemaChange<'a> {
    pub before: &'a Value,
    pub after: &'a Value,
    /// Whether the table has a version, be it an empty one.
    pub holds_data: bool,
    /// The newest privacy rules.
    pub policy: Option<&'a Value>,
}

/// The rules of schemas that the database does not know.
pub type SchemaRule = fn(&SchemaChange<'_>) -> Result<()>;

lifecycle!(
    table_,
    "table",
    TableRow,
    table_archive,
    table_restore,
    table_delete
);

impl Database {
    /// Creates a table of the caller's tenant in a dataset, which may be another tenant's.
    ///
    /// NOT_FOUND for a dataset that the tenant does not see, PERMISSION_DENIED where it may not
    /// contribute, ARCHIVED where anything above is, ALREADY_EXISTS where the name is taken.
    pub async fn table_create(&self, ctx: &Ctx, new: NewTable, replay: Option<Replay>) -> Result<TableRow> {
        let id = new_id();
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            insert(ctx, id, &new, conn).await
        })
        .await
    }

    /// What [`Self::table_create`] would do, all checks included; nothing is made.
    pub async fn table_try_create(&self, ctx: &Ctx, new: NewTable) -> Result<TableRow> {
        self.transaction(ctx, async |conn| {
            conn.batch_execute("SAVEPOINT before").await?;
            let row = insert(ctx, new_id(), &new, conn).await?;
            conn.batch_execute("ROLLBACK TO SAVEPOINT before").await?;
            Ok(row)
        })
        .await
    }

    /// NOT_FOUND where the table is not there or not the caller's to see.
    pub async fn table_get(&self, ctx: &Ctx, id: Uuid) -> Result<TableRow> {
        let query = table_::table.find(id).select(TableRow::as_select());
        answer(self.fetch_one(ctx, query).await.or_not_found("table", id))
    }

    /// The tables that the caller's tenant sees.
    pub async fn table_list(
        &self,
        ctx: &Ctx,
        scope: &TableScope,
        listing: &Listing,
    ) -> Result<Page<TableRow>> {
        let page = || {
            let mut query = table_::table
                .select(TableRow::as_select())
                .filter(listing::rows(listing))
                .order(listing::sorting(listing))
                .limit(listing.limit())
                .into_boxed::<Pg>();
            if let Some(dataset_id) = scope.dataset_id {
                query = query.filter(table_::dataset_id.eq(dataset_id));
            }
            if let Some(project_id) = scope.project_id {
                let of_project = dataset::table
                    .filter(dataset::project_id.eq(project_id))
                    .select(dataset::id);
                query = query.filter(table_::dataset_id.eq_any(of_project));
            }
            if !scope.show_archived {
                query = query.filter(table_::archived_at.is_null());
            }
            query
        };
        let rows = self.transaction(ctx, async |conn| {
            if scope.dataset_id.is_some() || scope.project_id.is_some() {
                return Ok(page().load(conn).await?);
            }
            // Apart, as the datasets are listed and for the same reason.
            let own = page()
                .filter(table_::tenant_id.eq(ctx.tenant_id()))
                .load(conn)
                .await?;
            let datasets = project_participant::table
                .inner_join(dataset::table.on(dataset::project_id.eq(project_participant::project_id)))
                .filter(project_participant::tenant_id.eq(ctx.tenant_id()))
                .filter(project_participant::is_active)
                .select(dataset::id);
            let shared = page()
                .filter(table_::dataset_id.eq_any(datasets))
                .filter(table_::tenant_id.ne(ctx.tenant_id()));
            Ok(listing.merge(own, shared.load::<TableRow>(conn).await?)?)
        });
        listing.page_within(rows.await?, |row| message_bytes(&row.schema))
    }

    /// Changes a table of the caller's tenant. `rule` judges a changed schema together with the data and
    /// the policy that depend on it; an import that commits at the same time comes before or after.
    ///
    /// ABORTED where `etag` is not that of its present state, WRONG_STATE for a move to another dataset
    /// while it holds data or a policy.
    pub async fn table_update(
        &self,
        ctx: &Ctx,
        id: Uuid,
        etag: &str,
        changes: TableChanges,
        replay: Option<Replay>,
        rule: SchemaRule,
    ) -> Result<TableRow> {
        self.transaction(ctx, async |conn| {
            if let Some(first) = Replay::begin(replay.as_ref(), ctx, id, conn).await? {
                return find(first, conn).await;
            }
            let before = lock(id, conn).await?;
            check_etag(etag, &before, "table", id)?;
            if changes == TableChanges::default() {
                return Ok(before);
            }
            let after = diesel::update(table_::table.find(id))
                .set(changes.clone())
                .returning(TableRow::as_returning())
                .get_result(conn)
                .await?;
            if after.schema != before.schema {
                check_schema_change(&before, &after, rule, conn).await?;
            }
            Ok(after)
        })
        .await
    }
}

/// At least the bytes that a schema takes as a `google.protobuf.Struct`.
pub(super) fn message_bytes(schema: &Value) -> usize {
    // Tags and lengths of a value and of the field or list that it is in.
    const AROUND: usize = 12;
    AROUND
        + match schema {
            Value::Null | Value::Bool(_) | Value::Number(_) => 9,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(message_bytes).sum(),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| AROUND + name.len() + message_bytes(member))
                .sum(),
        }
}

async fn insert(ctx: &Ctx, id: Uuid, new: &NewTable, conn: &mut Conn<'_>) -> Result<TableRow, Failure> {
    let row = diesel::insert_into(table_::table)
        .values((
            table_::id.eq(id),
            table_::tenant_id.eq(ctx.tenant_id()),
            table_::dataset_id.eq(new.dataset_id),
            table_::name.eq(new.name.clone()),
            table_::schema.eq(new.schema.clone()),
        ))
        .returning(TableRow::as_returning())
        .get_result(conn)
        .await?;
    Ok(row)
}

async fn check_schema_change(
    before: &TableRow,
    after: &TableRow,
    rule: SchemaRule,
    conn: &mut Conn<'_>,
) -> Result<(), Failure> {
    let versions = table_version::table.filter(table_version::table_id.eq(after.id));
    let holds_data = diesel::select(diesel::dsl::exists(versions))
        .get_result::<bool>(conn)
        .await?;
    let policy = table_policy::table
        .filter(table_policy::table_id.eq(after.id))
        .order(table_policy::version.desc())
        .select(table_policy::policy)
        .first::<Value>(conn)
        .await
        .optional()?;
    let change = SchemaChange {
        before: &before.schema,
        after: &after.schema,
        holds_data,
        policy: policy.as_ref(),
    };
    Ok(rule(&change)?)
}

async fn find(id: Uuid, conn: &mut Conn<'_>) -> Result<TableRow, Failure> {
    table_::table
        .find(id)
        .select(TableRow::as_select())
        .first(conn)
        .await
        .or_not_found("table", id)
}

/// The row, locked for a change of it or of its policy. One that the caller sees and does not own is
/// PERMISSION_DENIED.
pub(super) async fn lock(id: Uuid, conn: &mut Conn<'_>) -> Result<TableRow, Failure> {
    let own = table_::table
        .find(id)
        .select(TableRow::as_select())
        .for_no_key_update()
        .first(conn)
        .await;
    match own.optional()? {
        Some(row) => Ok(row),
        None => {
            find(id, conn).await?;
            Err(Error::permission_denied("the table belongs to another tenant").into())
        }
    }
}
