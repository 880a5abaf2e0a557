use std::collections::{BTreeMap, BTreeSet};

use datacovey_auth::authorize;
use datacovey_error::{Error, Kind, Result};
use datacovey_jobs::{Job, JobFailure, Work};
use datacovey_persistence::{ImportCommit, JobKind, NewFile, TableFileRow};
use datacovey_storage::keys::ProjectKeys;
use datacovey_storage::known::KnownValues;
use datacovey_storage::read::{BatchStream, Piece};
use datacovey_storage::schema::TableSchema;
use datacovey_storage::unique::{Repeat, UniqueProof};
use datacovey_storage::write::{TableWriter, Written, WrittenFile};
use datacovey_storage::{ObjectPath, layout};
use datacovey_types::Permission;
use serde_json::Value;
use uuid::Uuid;

use super::discard::discard_upload;
use super::input::{Input, InputFile};
use super::project_keys::project_keys;
use super::rejections::Rejections;
use super::turns::Turns;
use crate::Transfer;
use crate::domain::failure::{
    RecordPlace, not_unique, of_schema, repeated, too_many_rows, too_many_to_be_unique,
};
use crate::domain::options::{ImportOptions, Mode, stored};
use crate::domain::progress::Progress;

/// How often an import proves uniqueness anew because another one came between.
const COMMIT_ATTEMPTS: u32 = 5;

/// Memory for the identities of files that imports are compared with, in bytes: of 4 million values.
const KNOWN_BYTES: usize = 64 << 20;

/// The work on imports: staged bytes to checked batches to table files to a version.
#[derive(Debug)]
pub(crate) struct ImportWork {
    transfer: Transfer,
    known: KnownValues,
    turns: Turns,
}

impl ImportWork {
    pub(crate) fn new(transfer: &Transfer) -> Self {
        Self {
            transfer: transfer.clone(),
            known: KnownValues::new(KNOWN_BYTES),
            turns: Turns::default(),
        }
    }
}

impl Work for ImportWork {
    const KIND: JobKind = JobKind::Import;

    async fn run(&self, job: Job) -> Result<(), JobFailure> {
        // The creator may have lost its role since it created the job.
        authorize(&job.ctx, Permission::EditDatasets)?;
        let Self {
            transfer,
            known,
            turns,
        } = self;
        let options: ImportOptions =
            stored(&job.options).ok_or_else(|| Error::internal("the options of an import are unreadable"))?;
        let table = transfer
            .worker_database
            .table_get(&job.ctx, job.parent_id)
            .await?;
        let schema = TableSchema::parse(&table.schema).map_err(|violations| of_schema(&violations))?;
        let keys = if schema.needs_keys() {
            Some(project_keys(transfer, &job.ctx, job.parent_id).await?)
        } else {
            None
        };
        let import = Import {
            transfer,
            known,
            turns,
            job: &job,
            options,
            schema,
            keys,
        };
        let (written, progress) = import.write().await?;
        import.commit(table.schema, written, progress).await
    }

    async fn ended(&self, job_id: Uuid) {
        discard_upload(&self.transfer.store, job_id).await;
    }
}

struct Import<'a> {
    transfer: &'a Transfer,
    known: &'a KnownValues,
    turns: &'a Turns,
    job: &'a Job,
    options: ImportOptions,
    schema: TableSchema,
    /// None where nothing of the table is keyed.
    keys: Option<ProjectKeys>,
}

impl Import<'_> {
    /// Reads the staged content and writes what passes under a path of this attempt.
    async fn write(&self) -> Result<(Written, Progress), JobFailure> {
        let Self {
            transfer,
            job,
            options,
            schema,
            keys,
            ..
        } = self;
        let database = &transfer.worker_database;
        let input = Input::open(transfer, job, options).await?;
        let mut progress = Progress::begin(input.size_bytes());
        job.progress.report(progress.report()?);
        let mut rejections = Rejections::start(database, job, options.max_bad_records).await?;
        let folder = layout::table_attempt(
            job.ctx.tenant_id(),
            job.parent_id,
            job.lease.job_id,
            job.lease.attempt,
        );
        let mut writer = TableWriter::start(
            transfer.store.clone(),
            folder,
            schema.clone(),
            keys.clone(),
            transfer.limits.write.clone(),
        );
        for file in input.files() {
            let before = progress.bytes_done;
            let found = file.find_out(options).await?;
            progress.found.get_or_insert(found);
            job.progress.report(progress.report()?);
            let mut batches = file.read(transfer, options, found, schema, keys.as_ref());
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| file.failed(error))?;
                rejections.add(file.uri.as_deref(), batch.rejected).await?;
                // They come with the first batch of a file.
                progress.ignore(batch.ignored);
                progress.rows_done += batch.batch.num_rows() as u64;
                if progress.rows_done > transfer.limits.max_import_rows {
                    return Err(too_many_rows(transfer.limits.max_import_rows));
                }
                progress.rows_rejected = rejections.records();
                progress.bytes_done = before + batch.bytes_read;
                writer.write(batch.batch).await.map_err(Error::from)?;
                job.progress.report(progress.report()?);
            }
            progress.bytes_done = before + file.bytes.size_bytes();
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
        let _turn = self.turns.take(job.parent_id).await;
        for attempt in 1.. {
            let base = match options.mode {
                Mode::Append => self.base().await?,
                // Nothing that was there before counts.
                Mode::Replace | Mode::EmptyOnly => Base::default(),
            };
            let unique_columns = self.prove(first_proof.take(), &files, &base).await?;
            // Where nothing is said to be unique, any version may have come between.
            let base_version = base.version.filter(|_| !unique_columns.is_empty());
            let commit = ImportCommit {
                used_schema: used_schema.clone(),
                base_version,
                mode: options.mode.as_str().to_owned(),
                unique_columns,
                files: files.iter().map(new_file).collect(),
                progress: Some(progress.report()?),
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

    /// The version that rows are appended to.
    async fn base(&self) -> Result<Base> {
        let Self { transfer, job, .. } = self;
        let database = &transfer.worker_database;
        let latest = database.table_version_latest(&job.ctx, job.parent_id).await?;
        let version = latest.as_ref().map_or(0, |latest| latest.version);
        let Some(latest) = latest.filter(|it| it.rows > 0) else {
            return Ok(Base {
                version: Some(version),
                ..Base::default()
            });
        };
        let files = database.table_file_list(&job.ctx, job.parent_id, version).await?;
        Ok(Base {
            version: Some(version),
            unique_columns: Some(latest.unique_columns),
            files: files.iter().map(old_piece).collect(),
        })
    }

    /// The columns that are unique over old and new rows; fails where one that must be is not.
    async fn prove(
        &self,
        proof: Option<UniqueProof>,
        files: &[WrittenFile],
        base: &Base,
    ) -> Result<Vec<String>, JobFailure> {
        let Self { transfer, schema, .. } = self;
        let store = &transfer.store;
        let pieces: Vec<Piece> = files.iter().map(new_piece).collect();
        let mut proof = match proof {
            Some(proof) => proof,
            // Used up by an earlier attempt: read again from the files of the new rows.
            None => UniqueProof::new(schema, &transfer.limits.write.unique)
                .add_files(store, pieces.clone(), schema)
                .await
                .map_err(Error::from)?,
        };
        if let Some(unique) = &base.unique_columns {
            proof.keep_only(unique);
            // Most often nothing that is added is there already, which is known without reading it again.
            let apart = self.known.are_apart(&proof, store, &base.files, schema).await;
            if !apart.map_err(Error::from)? {
                proof = proof
                    .add_kept_files(store, base.files.clone(), schema)
                    .await
                    .map_err(Error::from)?;
            }
        }
        let proven = proof.finish().await.map_err(Error::from)?;
        if let Some(column) = proven.untold().first() {
            return Err(too_many_to_be_unique(
                column,
                transfer.limits.write.unique.max_rows,
            ));
        }
        let unique = proven.unique().to_vec();
        let repeats = proven.repeats(store, schema, &pieces, &base.files).await;
        let repeats = repeats.map_err(Error::from)?;
        if repeats.is_empty() {
            Ok(unique)
        } else {
            Err(self.refuse_repeats(repeats).await?)
        }
    }

    /// Writes down which records repeat a value. Their lines are found by reading the content again, which
    /// costs nothing where all is well.
    async fn refuse_repeats(&self, repeats: Vec<Repeat>) -> Result<JobFailure, JobFailure> {
        let Self {
            transfer,
            job,
            options,
            schema,
            keys,
            ..
        } = self;
        let input = Input::open(transfer, job, options).await?;
        let rows: BTreeSet<u64> = repeats
            .iter()
            .flat_map(|it| [Some(it.row), it.first])
            .flatten()
            .collect();
        let mut places = BTreeMap::new();
        let mut first = 0;
        for file in input.files() {
            let found = file.find_out(options).await?;
            let batches = file.read(transfer, options, found, schema, keys.as_ref());
            first = places_of(&rows, first, &file, batches, &mut places).await?;
        }
        let rejected = repeated(&repeats, &places);
        let failure = not_unique(&rejected);
        Rejections::note(&transfer.worker_database, job, &rejected).await?;
        Ok(failure)
    }
}

/// The version that an import appends to.
#[derive(Default)]
struct Base {
    /// None if nothing rests on it.
    version: Option<i64>,
    /// None if it holds no rows.
    unique_columns: Option<Vec<String>>,
    files: Vec<Piece>,
}

/// Adds where the rows come from, by the number of the row; those of the file begin at `first`. Tells
/// where those of the next one do.
async fn places_of(
    rows: &BTreeSet<u64>,
    mut first: u64,
    file: &InputFile,
    mut batches: BatchStream,
    places: &mut BTreeMap<u64, RecordPlace>,
) -> Result<u64, JobFailure> {
    while let Some(batch) = batches.next().await {
        let lines = batch.map_err(|error| file.failed(error))?.lines;
        let end = first + lines.len() as u64;
        for row in rows.range(first..end) {
            let at = usize::try_from(row - first).map_err(Error::internal)?;
            places.insert(*row, (file.uri.clone(), lines[at]));
        }
        first = end;
    }
    Ok(first)
}

pub(super) fn new_file(file: &WrittenFile) -> NewFile {
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

fn new_piece(file: &WrittenFile) -> Piece {
    Piece {
        path: file.path.clone(),
        size_bytes: file.size_bytes,
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
