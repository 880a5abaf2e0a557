//! The histories of resources: what the database's triggers wrote, the latest first. They outlive what they
//! speak of.

use chrono::NaiveDateTime;
use datacovey_error::Result;
use datacovey_list::{Field, Fields, Kind, Listing, Page};
use datacovey_types::Ctx;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::table::message_bytes;
use crate::failure::OrNotFound as _;
use crate::schema::{dataset_history, export_job_history, import_job_history, query_history, table_history};
use crate::{Database, listing};

const CHANGED_AT: Field = Field::new("changed_at", Kind::Time);
const ALL: &[Field] = &[Field::new("action", Kind::Word(ACTIONS)), CHANGED_AT];
const ACTIONS: &[(&str, &str)] = &[
    ("HISTORY_ACTION_INSERT", "INSERT"),
    ("HISTORY_ACTION_UPDATE", "UPDATE"),
    ("HISTORY_ACTION_ARCHIVE", "ARCHIVE"),
    ("HISTORY_ACTION_RESTORE", "RESTORE"),
    ("HISTORY_ACTION_DELETE", "DELETE"),
];

/// What a history is filtered by.
const fn fields(relation: &'static str) -> Fields {
    Fields {
        relation,
        all: ALL,
        sortable: &[],
        // Changes of one row queue up at its lock, so that no two are of one time.
        key: CHANGED_AT,
    }
}

/// A relation's history: its fields, its row, and the function that lists it.
macro_rules! history {
    (
        $table:ident, $of:literal, $fields:ident, $list:ident, $bytes:expr,
        $row:ident { $($column:ident: $type:ty),* $(,)? }
    ) => {
        #[doc = concat!("What the history of a ", $of, " is filtered by.")]
        pub const $fields: Fields = fields(concat!($of, "_history"));

        #[doc = concat!("A ", $of, " as it stood after a change, or before it was removed.")]
        #[derive(Clone, Debug, PartialEq, Queryable, Selectable, Serialize)]
        #[diesel(table_name = $table, check_for_backend(diesel::pg::Pg))]
        pub struct $row {
            pub id: Uuid,
            pub tenant_id: Uuid,
            $(pub $column: $type,)*
            pub created_at: Option<NaiveDateTime>,
            pub changed_at: Option<NaiveDateTime>,
            pub action: String,
        }

        impl Database {
            #[doc = concat!("The changes of a ", $of, ", the latest first. NOT_FOUND where the caller sees none.")]
            pub async fn $list(&self, ctx: &Ctx, id: Uuid, listing: &Listing) -> Result<Page<$row>> {
                let of_it = || $table::table.filter($table::id.eq(id));
                let rows = self.transaction(ctx, async |conn| {
                    let rows = of_it()
                        .filter(listing::rows(listing))
                        .order(listing::sorting(listing))
                        .limit(listing.limit())
                        .select($row::as_select())
                        .load(conn)
                        .await?;
                    if rows.is_empty() && !diesel::select(exists(of_it())).get_result::<bool>(conn).await? {
                        return Err(diesel::result::Error::NotFound).or_not_found($of, id);
                    }
                    Ok(rows)
                });
                listing.page_within(rows.await?, $bytes)
            }
        }
    };
}

history!(
    dataset_history, "dataset", DATASET_HISTORY_FIELDS, dataset_history_list, |_| 0,
    DatasetHistoryRow { project_id: Uuid, name: String, description: Option<String> }
);
history!(
    table_history,
    "table",
    TABLE_HISTORY_FIELDS,
    table_history_list,
    |row: &TableHistoryRow| message_bytes(&row.schema),
    TableHistoryRow {
        dataset_id: Uuid,
        name: String,
        schema: Value
    }
);
history!(
    query_history,
    "query",
    QUERY_HISTORY_FIELDS,
    query_history_list,
    |row: &QueryHistoryRow| row.query_text.len(),
    QueryHistoryRow {
        project_id: Uuid,
        query_text: String
    }
);
history!(
    import_job_history,
    "import_job",
    IMPORT_JOB_HISTORY_FIELDS,
    import_job_history_list,
    |_| 0,
    ImportJobHistoryRow {
        table_id: Uuid,
        status: String
    }
);
history!(
    export_job_history,
    "export_job",
    EXPORT_JOB_HISTORY_FIELDS,
    export_job_history_list,
    |_| 0,
    ExportJobHistoryRow {
        table_id: Uuid,
        status: String
    }
);
