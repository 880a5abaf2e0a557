use datacovey_auth::authorize;
use datacovey_error::{Error, Result};
use datacovey_jobs::{Job, JobFailure, Work};
use datacovey_persistence::{ExportJob, JobKind};
use datacovey_storage::external::{ExternalError, Target};
use datacovey_storage::read::{Piece, read_table_files};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::write::{CopyError, ExportWriter, WriteError};
use datacovey_storage::{Format, ObjectPath, Store, layout};
use datacovey_types::{Ctx, Permission, TransferJobStatus};
use tokio_util::task::AbortOnDropHandle;

use super::create::gone;
use super::import::old_piece;
use crate::Transfer;
use crate::domain::external::{failure, refusal};
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
        if options.uri.is_some() && job.lease.attempt > 1 {
            // What an earlier attempt announced may be there until this one has come to an end.
            let earlier = database.export_job_get(&job.ctx, job.lease.job_id).await?;
            let earlier = earlier.run.and_then(|run| run.progress);
            progress.result = Progress::stored(earlier.as_ref()).result;
        }
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
        let sealed = writer.seal().await.map_err(|error| self.failed(error))?;
        let exported = sealed.exported();
        progress.rows_done = exported.rows;
        progress.result = Some(ExportResult {
            path: self.target.is_none().then(|| self.path.to_string()),
            size_bytes: exported.size_bytes,
            sha256: exported.sha256.clone(),
        });
        let (database, report) = (&transfer.worker_database, progress.report()?);
        if self.target.is_some() {
            // The next renewal of the lease writes what was reported last.
            job.progress.report(report.clone());
            database
                .export_announce(&job.ctx, &job.lease, report.clone())
                .await?;
        }
        sealed.appear().await.map_err(|error| self.failed(error))?;
        if let Err(error) = database.export_complete(&job.ctx, &job.lease, report).await {
            self.undo(&transfer, &job).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// Takes a file away that belongs to an export that was cancelled in the last moment. If another
    /// attempt goes on, the file is its own. What cannot be done now is done by the sweep.
    async fn undo(&self, transfer: &Transfer, job: &Job) {
        if self.target.is_none() {
            return;
        }
        let found = transfer
            .worker_database
            .export_job_get(&job.ctx, job.lease.job_id);
        let undone = match found.await {
            Ok(found) if found.job.status == TransferJobStatus::Failed.as_str() => {
                take_back(transfer, &job.ctx, &found).await
            }
            Ok(_) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = undone {
            tracing::warn!(%error, "the file of a cancelled export is left to the sweep");
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

/// Takes the file at a URI away that an export announced which then failed. One that has been put in its place
/// since stays, and so does whatever is where the tenant may no longer write.
pub(super) async fn take_back(transfer: &Transfer, ctx: &Ctx, export: &ExportJob) -> Result<()> {
    let Some(run) = &export.run else { return Ok(()) };
    let announced = Progress::stored(run.progress.as_ref()).result;
    let uri = stored::<ExportOptions>(&run.options).and_then(|options| options.uri);
    let (Some(announced), Some(uri)) = (announced, uri) else {
        return Ok(());
    };
    let attempt = (run.job_id, run.attempt);
    let Ok(target) = Target::find(&transfer.allowed, run.tenant_id, &uri, true, attempt) else {
        tracing::warn!(%uri, "the file of a failed export may be where its tenant may no longer write");
        return Ok(());
    };
    // Of a later export the file may be the very same.
    let database = &transfer.worker_database;
    if database.export_uri_is_taken(ctx, &uri, run.job_id).await? {
        return Ok(());
    }
    let removed = target.remove_this(announced.size_bytes, &announced.sha256);
    removed.await.map_err(refusal)
}
