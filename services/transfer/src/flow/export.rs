use datacovey_auth::authorize;
use datacovey_error::{Error, Result};
use datacovey_jobs::{Job, JobFailure, Work};
use datacovey_persistence::JobKind;
use datacovey_storage::layout;
use datacovey_storage::read::read_table_files;
use datacovey_storage::schema::TableSchema;
use datacovey_storage::write::ExportWriter;
use datacovey_types::Permission;
use serde_json::Value;

use super::create::gone;
use super::import::old_piece;
use crate::Transfer;
use crate::domain::failure::of_schema;
use crate::domain::options::{ExportOptions, stored};
use crate::domain::progress::{ExportResult, Progress};

/// The work on exports: the files of a pinned version to one file.
#[derive(Debug)]
pub(crate) struct ExportWork(Transfer);

impl ExportWork {
    pub(crate) fn new(transfer: &Transfer) -> Self {
        Self(transfer.clone())
    }
}

impl Work for ExportWork {
    const KIND: JobKind = JobKind::Export;

    async fn run(&self, job: Job) -> Result<(), JobFailure> {
        authorize(&job.ctx, Permission::Export)?;
        let Transfer {
            worker_database: database,
            store,
            ..
        } = &self.0;
        let options: ExportOptions =
            stored(&job.options).ok_or_else(|| Error::internal("the options of an export are unreadable"))?;
        let table = database.table_get(&job.ctx, job.parent_id).await?;
        let schema = TableSchema::parse(&table.schema).map_err(|violations| of_schema(&violations))?;
        let schema = schema.select(&options.columns).map_err(columns_gone)?;
        // A job that waited keeps its version; one that was created while the version went does not.
        if options.table_version > 0 {
            let pinned = database
                .table_version_get(&job.ctx, job.parent_id, options.table_version)
                .await?;
            if pinned.swept_at.is_some() {
                return Err(gone(options.table_version).into());
            }
        }
        let files = database
            .table_file_list(&job.ctx, job.parent_id, options.table_version)
            .await?;
        let pieces: Vec<_> = files.iter().map(old_piece).collect();
        let mut progress = Progress {
            bytes_total: Some(pieces.iter().map(|it| it.size_bytes).sum()),
            ..Progress::default()
        };
        let format = options.write();
        let path = layout::result_file(
            job.ctx.tenant_id(),
            job.lease.job_id,
            job.lease.attempt,
            format.extension(),
        );
        let mut batches = read_table_files(store.clone(), pieces, schema.clone());
        let mut writer = ExportWriter::start(store, path.clone(), format, schema).map_err(Error::from)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(Error::from)?;
            progress.rows_done += batch.batch.num_rows() as u64;
            progress.bytes_done = batch.bytes_read;
            writer.write(batch.batch).await.map_err(Error::from)?;
            job.progress.report(report(&progress)?);
        }
        let exported = writer.finish().await.map_err(Error::from)?;
        progress.bytes_done = progress.bytes_total.unwrap_or_default();
        progress.result = Some(ExportResult {
            path: path.to_string(),
            size_bytes: exported.size_bytes,
            sha256: exported.sha256,
        });
        database
            .export_complete(&job.ctx, &job.lease, report(&progress)?)
            .await?;
        Ok(())
    }
}

fn columns_gone(names: Vec<String>) -> JobFailure {
    Error::wrong_state(format!("the table has no columns {} any more", names.join(", "))).into()
}

fn report(progress: &Progress) -> Result<Value> {
    serde_json::to_value(progress).map_err(Error::internal)
}
