use std::collections::BTreeSet;

use datacovey_error::{Error, Result};
use datacovey_persistence::{Replay, SeenVersion, TableFileRow};
use datacovey_storage::schema::TableSchema;
use datacovey_types::Ctx;
use uuid::Uuid;

use super::create::{own_table, schema};
use crate::Transfer;

/// A version that is to be the newest again.
#[derive(Debug)]
pub(crate) struct WantedRestore {
    pub(crate) table_id: Uuid,
    pub(crate) version: i64,
    pub(crate) replay: Option<Replay>,
}

/// Makes an earlier version the newest again: a new version of the same files.
pub(crate) async fn restore(transfer: &Transfer, ctx: &Ctx, wanted: WantedRestore) -> Result<SeenVersion> {
    let WantedRestore {
        table_id,
        version,
        replay,
    } = wanted;
    let database = &transfer.database;
    if let Some(first) = database.replayed(ctx, replay.as_ref()).await? {
        return database.table_version_restored(ctx, first).await;
    }
    let table = own_table(transfer, ctx, table_id).await?;
    let columns = schema(&table)?;
    let files = database.table_file_list(ctx, table_id, version).await?;
    check_columns(&columns, version, &files)?;
    database
        .table_version_restore(ctx, table_id, version, table.schema, replay)
        .await
}

/// While a table holds data its schema is only loosened, and what was written once fits it. This catches what
/// came by another way.
fn check_columns(schema: &TableSchema, version: i64, files: &[TableFileRow]) -> Result<()> {
    let held = files
        .iter()
        .filter_map(|file| file.statistics.as_object())
        .flat_map(|columns| columns.keys());
    let gone: BTreeSet<_> = held.filter(|name| schema.index_of(name).is_none()).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = gone.into_iter().map(String::as_str).collect();
    Err(Error::wrong_state(format!(
        "version {version} has columns that the schema of the table has no more: {}; add them to it to restore the version",
        names.join(", ")
    )))
}
