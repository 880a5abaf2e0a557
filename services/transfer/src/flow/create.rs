use datacovey_error::{Error, ErrorReason, Result, Violation};
use datacovey_persistence::{ExportJob, ImportJob, NewExportJob, NewImportJob, NewRun, Replay, TableRow};
use datacovey_server::current_traceparent;
use datacovey_storage::external::Target;
use datacovey_storage::schema::TableSchema;
use datacovey_storage::{Compression, Format};
use datacovey_types::Ctx;
use tokio::time::timeout;
use uuid::Uuid;

use super::input;
use crate::Transfer;
use crate::domain::external::refusal;
use crate::domain::options::{Csv, ExportOptions, ImportOptions, Mode};

/// An import as it was asked for.
#[derive(Debug)]
pub(crate) struct WantedImport {
    pub(crate) table_id: Uuid,
    pub(crate) options: ImportOptions,
    pub(crate) validate_only: bool,
    pub(crate) replay: Option<Replay>,
}

/// An export as it was asked for.
#[derive(Debug)]
pub(crate) struct WantedExport {
    pub(crate) table_id: Uuid,
    /// The newest if none.
    pub(crate) version: Option<i64>,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    /// All if empty.
    pub(crate) columns: Vec<String>,
    pub(crate) csv: Option<Csv>,
    /// Where the file goes; none if it is to be downloaded.
    pub(crate) uri: Option<String>,
    pub(crate) overwrite: bool,
    pub(crate) replay: Option<Replay>,
}

/// Creates an import, or only says that it could be created: then none.
pub(crate) async fn create_import(
    transfer: &Transfer,
    ctx: &Ctx,
    wanted: WantedImport,
) -> Result<Option<ImportJob>> {
    let table = own_table(transfer, ctx, wanted.table_id).await?;
    let run = import_run(transfer, ctx, &table, &wanted.options).await?;
    if wanted.validate_only {
        check_not_archived(transfer, ctx, &table).await?;
        return Ok(None);
    }
    let new = NewImportJob {
        table_id: table.id,
        options: run.options,
        awaits_content: run.awaits_content,
        traceparent: run.traceparent,
        max_open: transfer.limits.open_per_tenant.into(),
    };
    transfer
        .database
        .import_job_create(ctx, new, wanted.replay)
        .await
        .map(Some)
}

/// What an import into a table of the caller's does, if it can be done.
pub(super) async fn import_run(
    transfer: &Transfer,
    ctx: &Ctx,
    table: &TableRow,
    options: &ImportOptions,
) -> Result<NewRun> {
    let schema = schema(table)?;
    if let Some(csv) = options.csv.as_ref().filter(|csv| !csv.header) {
        check_columns("csv.columns", &csv.columns, &schema)?;
    }
    if options.mode == Mode::EmptyOnly {
        let latest = transfer.database.table_version_latest(ctx, table.id).await?;
        if latest.is_some_and(|version| version.rows > 0) {
            return Err(Error::wrong_state("the table holds rows already").on("table", table.id));
        }
    }
    if let Some(uri) = &options.uri {
        input::check(transfer, ctx, uri).await?;
    }
    Ok(NewRun {
        options: serde_json::to_value(options).map_err(Error::internal)?,
        awaits_content: options.uri.is_none(),
        traceparent: current_traceparent(),
    })
}

/// Creates an export of a version that is pinned by it.
pub(crate) async fn create_export(
    transfer: &Transfer,
    ctx: &Ctx,
    mut wanted: WantedExport,
) -> Result<ExportJob> {
    let replay = wanted.replay.take();
    let table = own_table(transfer, ctx, wanted.table_id).await?;
    let run = export_run(transfer, ctx, &table, wanted).await?;
    let new = NewExportJob {
        table_id: table.id,
        options: run.options,
        traceparent: run.traceparent,
        max_open: transfer.limits.open_per_tenant.into(),
    };
    transfer.database.export_job_create(ctx, new, replay).await
}

/// What an export of a table of the caller's does, if it can be done.
pub(super) async fn export_run(
    transfer: &Transfer,
    ctx: &Ctx,
    table: &TableRow,
    wanted: WantedExport,
) -> Result<NewRun> {
    let schema = schema(table)?;
    check_columns("columns", &wanted.columns, &schema)?;
    let table_version = match wanted.version {
        // Before its first import a table is at version 0, which can be exported: it has no rows.
        None | Some(0) => {
            let latest = transfer.database.table_version_latest(ctx, table.id).await?;
            latest
                .filter(|_| wanted.version.is_none())
                .map_or(0, |version| version.version)
        }
        Some(version) => {
            let row = transfer
                .database
                .table_version_get(ctx, table.id, version)
                .await?;
            if row.swept_at.is_some() {
                return Err(gone(version));
            }
            version
        }
    };
    let columns = if wanted.columns.is_empty() {
        schema
            .columns()
            .iter()
            .map(|column| column.name.clone())
            .collect()
    } else {
        wanted.columns
    };
    let options = ExportOptions {
        format: wanted.format,
        compression: wanted.compression,
        table_version,
        columns,
        csv: wanted.csv,
        uri: wanted.uri,
        overwrite: wanted.overwrite,
    };
    if let Some(uri) = &options.uri {
        check_target(transfer, ctx, uri, options.overwrite).await?;
    }
    Ok(NewRun {
        options: serde_json::to_value(&options).map_err(Error::internal)?,
        awaits_content: false,
        traceparent: current_traceparent(),
    })
}

/// Whether a file may go to a URI, and nothing is there. Whoever works on the export looks again.
async fn check_target(transfer: &Transfer, ctx: &Ctx, uri: &str, overwrite: bool) -> Result<()> {
    let nobody = (Uuid::nil(), 0);
    let target = Target::find(&transfer.allowed, ctx.tenant_id(), uri, overwrite, nobody).map_err(refusal)?;
    let looked = timeout(input::LOOK_WITHIN, target.check_free());
    let looked = looked
        .await
        .map_err(|_| Error::unavailable("the store of the URI"))?;
    looked.map_err(refusal)
}

/// A version of which only the record is left.
pub(super) fn gone(version: i64) -> Error {
    Error::wrong_state(format!(
        "the files of version {version} are gone; ListTableVersions says how long those of others are kept"
    ))
}

/// A partner's table is seen, and for imports and exports it is none.
pub(super) async fn own_table(transfer: &Transfer, ctx: &Ctx, id: Uuid) -> Result<TableRow> {
    let table = transfer.database.table_get(ctx, id).await?;
    if table.tenant_id != ctx.tenant_id() {
        return Err(Error::not_found("table", id));
    }
    Ok(table)
}

/// What the database demands of a table that a job is created for.
async fn check_not_archived(transfer: &Transfer, ctx: &Ctx, table: &TableRow) -> Result<()> {
    if table.archived_at.is_some() {
        return Err(Error::archived("table", table.id));
    }
    let dataset = transfer.database.dataset_get(ctx, table.dataset_id).await?;
    if dataset.archived_at.is_some() {
        return Err(Error::archived("dataset", dataset.id));
    }
    let project = transfer.database.project_get(ctx, dataset.project_id).await?;
    if project.archived_at.is_some() {
        return Err(Error::archived("project", project.id));
    }
    Ok(())
}

/// The columns, or every keyword that the import does not know, by its path.
pub(super) fn schema(table: &TableRow) -> Result<TableSchema> {
    TableSchema::parse(&table.schema).map_err(|violations| {
        let named = violations.into_iter().map(|it| {
            let field = format!("table.schema{}", it.path.strip_prefix('$').unwrap_or(&it.path));
            Violation::new(field, it.reason).of(ErrorReason::InvalidSchema)
        });
        Error::violated(
            ErrorReason::InvalidSchema,
            "the schema of the table",
            named.collect::<Vec<_>>(),
        )
    })
}

/// Names of columns of the table, each once.
fn check_columns(field: &str, names: &[String], schema: &TableSchema) -> Result<()> {
    let mut violations = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if schema.index_of(name).is_none() {
            violations.push(Violation::new(field, format!("the table has no column {name:?}")));
        } else if names[..index].contains(name) {
            violations.push(Violation::new(
                field,
                format!("the column {name:?} is named twice"),
            ));
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::invalid(violations))
    }
}
