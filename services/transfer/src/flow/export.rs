use datacovey_auth::authorize;
use datacovey_error::{Error, Result};
use datacovey_jobs::{Job, JobFailure, Work};
use datacovey_persistence::JobKind;
use datacovey_storage::external::{ExternalError, Target};
use datacovey_storage::read::{Piece, read_table_files};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::write::{CopyError, ExportWriter, Exported, WriteError};
use datacovey_storage::{Format, ObjectPath, Store, layout};
use datacovey_types::{Permission, TransferJobStatus};
use tokio_util::task::AbortOnDropHandle;

use super::create::gone;
use super::import::old_piece;
use crate::Transfer;
use crate::domain::external::failure;
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
        let mut progress = Progress::begin(pieces.iter().map(|it| it.size_bytes).sum());
        let destination = Destination::open(&self.0, &job, &options).await?;
        let copied = match options.format {
            Format::Parquet => destination.copy(store, &pieces, &schema, &job, &progress).await?,
            _ => None,
        };
        let writer = match copied {
            Some(writer) => writer,
            None => {
                destination
                    .encode(store, pieces, schema, &options, &job, &mut progress)
                    .await?
            }
        };
        progress.bytes_done = progress.bytes_total.unwrap_or_default();
        let (transfer, is_at_uri) = (self.0.clone(), destination.target.is_some());
        let ending = tokio::spawn(destination.end(transfer, job, writer, progress));
        // A file at a URI is seen by others as soon as it is whole: whoever is told to stop by then first
        // sees to it that it is part of a completed export, or gone.
        if is_at_uri {
            return ending.await.map_err(Error::internal)?;
        }
        AbortOnDropHandle::new(ending).await.map_err(Error::internal)?
    }
}

/// Where the file of an export goes.
#[derive(Debug)]
struct Destination {
    /// None where it is kept to be downloaded.
    target: Option<(Target, String)>,
    store: Store,
    path: ObjectPath,
}

impl Destination {
    async fn open(transfer: &Transfer, job: &Job, options: &ExportOptions) -> Result<Self, JobFailure> {
        let tenant_id = job.ctx.tenant_id();
        let attempt = (job.lease.job_id, job.lease.attempt);
        let Some(uri) = &options.uri else {
            let extension = options.form().extension();
            return Ok(Self {
                target: None,
                store: transfer.store.clone(),
                path: layout::result_file(tenant_id, attempt.0, attempt.1, &extension),
            });
        };
        // What may be written may have changed since the job was created.
        let target =
            Target::find(&transfer.allowed, tenant_id, uri, options.overwrite, attempt).map_err(failure)?;
        // On a later attempt it may be what an earlier one wrote, which shows when it is finished.
        if attempt.1 == 1 {
            target.check_free().await.map_err(failure)?;
        }
        Ok(Self {
            store: target.store(),
            path: target.path().clone(),
            target: Some((target, uri.clone())),
        })
    }

    /// Copies what is Parquet already; none if it has to be written anew.
    async fn copy(
        &self,
        store: &Store,
        pieces: &[Piece],
        schema: &TableSchema,
        job: &Job,
        progress: &Progress,
    ) -> Result<Option<ExportWriter>, JobFailure> {
        let (reporter, mut progress) = (job.progress.clone(), progress.clone());
        let tell = move |rows_done, bytes_done| {
            (progress.rows_done, progress.bytes_done) = (rows_done, bytes_done);
            // What cannot be told now is told with the next part.
            if let Ok(report) = progress.report() {
                reporter.report(report);
            }
        };
        let path = self.path.clone();
        let copied = ExportWriter::copy(store.clone(), pieces.to_vec(), &self.store, path, schema, tell);
        match copied.await {
            Ok(copied) => Ok(copied),
            Err(CopyError::Read(error)) => Err(Error::from(error).into()),
            Err(CopyError::Write(error)) => Err(self.failed(error)),
        }
    }

    /// Reads all rows and writes them in the format.
    async fn encode(
        &self,
        store: &Store,
        pieces: Vec<Piece>,
        schema: TableSchema,
        options: &ExportOptions,
        job: &Job,
        progress: &mut Progress,
    ) -> Result<ExportWriter, JobFailure> {
        let mut batches = read_table_files(store.clone(), pieces, schema.clone());
        let mut writer = ExportWriter::start(&self.store, self.path.clone(), options.form(), schema)
            .map_err(|error| self.failed(error))?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(Error::from)?;
            progress.rows_done += batch.batch.num_rows() as u64;
            progress.bytes_done = batch.bytes_read;
            let written = writer.write(batch.batch).await;
            written.map_err(|error| self.failed(error))?;
            job.progress.report(progress.report()?);
        }
        Ok(writer)
    }

    /// Makes the file appear, and the export complete.
    async fn end(
        self,
        transfer: Transfer,
        job: Job,
        writer: ExportWriter,
        mut progress: Progress,
    ) -> Result<(), JobFailure> {
        let Exported {
            rows,
            size_bytes,
            sha256,
        } = writer.finish().await.map_err(|error| self.failed(error))?;
        progress.rows_done = rows;
        progress.result = Some(ExportResult {
            path: self.target.is_none().then(|| self.path.to_string()),
            size_bytes,
            sha256,
        });
        let database = &transfer.worker_database;
        let completed = database.export_complete(&job.ctx, &job.lease, progress.report()?);
        if let Err(error) = completed.await {
            self.undo(&transfer, &job).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// Takes a file away that belongs to an export that was cancelled in the last moment. If another
    /// attempt goes on, the file is its own.
    async fn undo(&self, transfer: &Transfer, job: &Job) {
        let Some((target, uri)) = &self.target else { return };
        let (database, id) = (&transfer.worker_database, job.lease.job_id);
        let undone = match database.export_job_get(&job.ctx, id).await {
            Ok(found) if found.job.status == TransferJobStatus::Failed.as_str() => target.remove().await,
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%uri, %error, "whether the file of an export is to stay is not known");
                return;
            }
        };
        if let Err(error) = undone {
            tracing::warn!(%uri, %error, "the file of a cancelled export is left");
        }
    }

    fn failed(&self, error: WriteError) -> JobFailure {
        match (error, &self.target) {
            (WriteError::Store(error), Some((_, uri))) => failure(ExternalError::of(uri, error)),
            (error, _) => Error::from(error).into(),
        }
    }
}

fn columns_gone(names: Vec<String>) -> JobFailure {
    Error::wrong_state(format!("the table has no columns {} any more", names.join(", "))).into()
}
