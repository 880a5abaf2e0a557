use datacovey_auth::authorize;
use datacovey_error::{Error, Kind, Result};
use datacovey_jobs::{Job, JobFailure, Work};
use datacovey_persistence::{ImportCommit, JobKind, NewFile, TableFileRow, TableVersionRow};
use datacovey_storage::read::{Piece, read_import};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::unique::UniqueProof;
use datacovey_storage::write::{TableWriter, Written, WrittenFile};
use datacovey_storage::{ObjectPath, layout};
use datacovey_types::Permission;
use serde_json::Value;

use super::project_keys::project_keys;
use super::rejections::Rejections;
use super::upload::staged;
use crate::Transfer;
use crate::domain::failure::{of_content, of_schema, too_many_rows};
use crate::domain::options::{ImportOptions, Mode, stored};
use crate::domain::progress::Progress;

/// How often an import proves uniqueness anew because another one came between.
const COMMIT_ATTEMPTS: u32 = 5;

/// The work on imports: staged bytes to checked batches to table files to a version.
#[derive(Debug)]
pub(crate) struct ImportWork(Transfer);

impl ImportWork {
    pub(crate) fn new(transfer: &Transfer) -> Self {
        Self(transfer.clone())
    }
}

impl Work for ImportWork {
    const KIND: JobKind = JobKind::Import;

    async fn run(&self, job: Job) -> Result<(), JobFailure> {
        // The creator may have lost its role since it created the job.
        authorize(&job.ctx, Permission::EditDatasets)?;
        let transfer = &self.0;
        let options: ImportOptions =
            stored(&job.options).ok_or_else(|| Error::internal("the options of an import are unreadable"))?;
        let table = transfer
            .worker_database
            .table_get(&job.ctx, job.parent_id)
            .await?;
        let schema = TableSchema::parse(&table.schema).map_err(|violations| of_schema(&violations))?;
        let import = Import {
            transfer,
            job: &job,
            options,
            schema,
        };
        let (written, progress) = import.write().await?;
        import.commit(table.schema, written, progress).await
    }
}

struct Import<'a> {
    transfer: &'a Transfer,
    job: &'a Job,
    options: ImportOptions,
    schema: TableSchema,
}

impl Import<'_> {
    /// Reads the staged content and writes what passes under a path of this attempt.
    async fn write(&self) -> Result<(Written, Progress), JobFailure> {
        let Self {
            transfer,
            job,
            options,
            schema,
        } = self;
        let database = &transfer.worker_database;
        let source = staged(transfer, database, &job.ctx, job.lease.job_id).await?;
        let mut progress = Progress {
            bytes_total: Some(source.size_bytes()),
            ..Progress::default()
        };
        job.progress.report(report(&progress)?);
        let mut rejections = Rejections::start(database, job, options.max_bad_records).await?;
        let keys = if schema.needs_keys() {
            Some(project_keys(transfer, &job.ctx, job.parent_id).await?)
        } else {
            None
        };
        let folder = layout::table_attempt(
            job.ctx.tenant_id(),
            job.parent_id,
            job.lease.job_id,
            job.lease.attempt,
        );
        let mut batches = read_import(source, options.read(), schema);
        let mut writer = TableWriter::start(
            transfer.store.clone(),
            folder,
            schema.clone(),
            keys,
            transfer.limits.write.clone(),
        );
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(of_content)?;
            rejections.add(batch.rejected).await?;
            progress.rows_done += batch.batch.num_rows() as u64;
            if progress.rows_done > transfer.limits.max_import_rows {
                return Err(too_many_rows(transfer.limits.max_import_rows));
            }
            progress.rows_rejected = rejections.records();
            progress.bytes_done = batch.bytes_read;
            writer.write(batch.batch).await.map_err(Error::from)?;
            job.progress.report(report(&progress)?);
        }
        rejections.flush().await?;
        let written = writer.finish().await.map_err(Error::from)?;
        progress.bytes_done = progress.bytes_total.unwrap_or(progress.bytes_done);
        Ok((written, progress))
    }

    /// Proves uniqueness over old and new files and makes the version visible; anew where another
    /// import came between.
    async fn commit(
        &self,
        used_schema: Value,
        written: Written,
        progress: Progress,
    ) -> Result<(), JobFailure> {
        let Self {
            transfer,
            job,
            options,
            ..
        } = self;
        let Written { files, unique, .. } = written;
        let mut first_proof = Some(unique);
        for attempt in 1.. {
            let (base_version, unique_columns) = match options.mode {
                Mode::Append => self.prove_appended(first_proof.take(), &files).await?,
                // Nothing that was there before counts.
                Mode::Replace | Mode::EmptyOnly => (
                    None,
                    self.proof(first_proof.take(), &files)
                        .await?
                        .finish()
                        .await
                        .map_err(Error::from)?,
                ),
            };
            let commit = ImportCommit {
                used_schema: used_schema.clone(),
                base_version,
                mode: options.mode.as_str().to_owned(),
                unique_columns,
                files: files.iter().map(new_file).collect(),
                progress: Some(report(&progress)?),
            };
            match transfer
                .worker_database
                .import_commit(&job.ctx, &job.lease, commit)
                .await
            {
                Err(error) if error.kind() == Kind::Aborted && attempt < COMMIT_ATTEMPTS => {}
                ended => return Ok(ended.map(|_version| ())?),
            }
        }
        Ok(())
    }

    /// The version that the rows are appended to, where anything rests on it, and the columns that are unique over both.
    async fn prove_appended(
        &self,
        proof: Option<UniqueProof>,
        files: &[WrittenFile],
    ) -> Result<(Option<i64>, Vec<String>)> {
        let Self {
            transfer,
            job,
            schema,
            ..
        } = self;
        let database = &transfer.worker_database;
        let base = database.table_version_latest(&job.ctx, job.parent_id).await?;
        let version = base.as_ref().map_or(0, |base| base.version);
        let mut proof = self.proof(proof, files).await?;
        if let Some(TableVersionRow {
            unique_columns,
            rows: 1..,
            ..
        }) = &base
        {
            proof.keep_only(unique_columns);
            let kept = database.table_file_list(&job.ctx, job.parent_id, version).await?;
            proof = proof
                .add_files(&transfer.store, kept.iter().map(old_piece).collect(), schema)
                .await?;
        }
        let unique_columns = proof.finish().await?;
        // Where nothing is said to be unique, any version may have come between.
        Ok(((!unique_columns.is_empty()).then_some(version), unique_columns))
    }

    /// The proof that holds the new rows; read again from their files where it was used up.
    async fn proof(&self, proof: Option<UniqueProof>, files: &[WrittenFile]) -> Result<UniqueProof> {
        let Self { transfer, schema, .. } = self;
        match proof {
            Some(proof) => Ok(proof),
            None => {
                let pieces = files.iter().map(|file| Piece {
                    path: file.path.clone(),
                    size_bytes: file.size_bytes,
                });
                let proof = UniqueProof::new(schema, &transfer.limits.write.unique);
                Ok(proof.add_files(&transfer.store, pieces.collect(), schema).await?)
            }
        }
    }
}

fn report(progress: &Progress) -> Result<Value> {
    serde_json::to_value(progress).map_err(Error::internal)
}

fn new_file(file: &WrittenFile) -> NewFile {
    let [rows, bytes] = [file.rows, file.size_bytes].map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    NewFile {
        path: file.path.to_string(),
        format: "parquet".to_owned(),
        rows,
        bytes,
        checksum: file.sha256.clone(),
        statistics: file.statistics.clone(),
    }
}

/// A file of the table that is there already.
pub(super) fn old_piece(file: &TableFileRow) -> Piece {
    let size_bytes = u64::try_from(file.bytes).unwrap_or_default();
    Piece {
        path: ObjectPath::from(file.path.as_str()),
        size_bytes,
    }
}
