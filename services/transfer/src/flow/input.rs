use std::time::Duration;

use datacovey_error::{Error, Result};
use datacovey_jobs::{Job, JobFailure};
use datacovey_storage::external::{ExternalError, Source};
use datacovey_storage::read::{
    BatchStream, ByteSource, Detected, ReadError, ReadLimits, detect, read_import,
};
use datacovey_storage::schema::TableSchema;
use datacovey_types::Ctx;
use tokio::time::timeout;

use super::upload::staged;
use crate::Transfer;
use crate::domain::external::{failure, refusal};
use crate::domain::failure::of_content;
use crate::domain::options::ImportOptions;

/// How long a caller waits for a store of others before a job is created.
pub(super) const LOOK_WITHIN: Duration = Duration::from_secs(15);

/// The content of an import: what was uploaded, or the files that a URI names.
#[derive(Debug)]
pub(super) enum Input {
    Uploaded(ByteSource),
    Named(Source),
}

/// One file of the content.
#[derive(Debug)]
pub(super) struct InputFile {
    /// Its URI; none of an upload.
    pub(super) uri: Option<String>,
    pub(super) bytes: ByteSource,
}

impl Input {
    /// What the import is to read, as it is now.
    pub(super) async fn open(
        transfer: &Transfer,
        job: &Job,
        options: &ImportOptions,
    ) -> Result<Self, JobFailure> {
        match &options.uri {
            None => {
                let database = &transfer.worker_database;
                let staged = staged(transfer, database, &job.ctx, job.lease.job_id).await?;
                Ok(Self::Uploaded(staged))
            }
            // What may be read may have changed since the job was created.
            Some(uri) => Source::find(&transfer.allowed, job.ctx.tenant_id(), uri)
                .await
                .map(Self::Named)
                .map_err(failure),
        }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        match self {
            Self::Uploaded(bytes) => bytes.size_bytes(),
            Self::Named(source) => source.size_bytes(),
        }
    }

    /// The files, one after the other.
    pub(super) fn files(&self) -> Box<dyn Iterator<Item = InputFile> + Send + '_> {
        match self {
            Self::Uploaded(bytes) => Box::new(std::iter::once(InputFile {
                uri: None,
                bytes: bytes.clone(),
            })),
            Self::Named(source) => Box::new(source.files().iter().map(|file| InputFile {
                uri: Some(file.uri.clone()),
                bytes: source.read(file),
            })),
        }
    }
}

impl InputFile {
    /// What the file is, as was said or as its content tells.
    pub(super) async fn find_out(&self, options: &ImportOptions) -> Result<Detected, JobFailure> {
        let (format, compression) = (options.format, options.compression);
        detect(self.bytes.clone(), format, compression, self.uri.as_deref())
            .await
            .map_err(|error| self.failed(error))
    }

    /// The batches of the file, which is what was found.
    pub(super) fn read(
        &self,
        transfer: &Transfer,
        options: &ImportOptions,
        found: Detected,
        schema: &TableSchema,
    ) -> BatchStream {
        let limits = ReadLimits {
            unpacked_bytes: transfer.limits.max_upload_bytes,
            line_bytes: transfer.limits.max_line_bytes,
        };
        read_import(self.bytes.clone(), options.form(found), limits, schema.clone())
    }

    /// What stopped the reading of this file.
    pub(super) fn failed(&self, error: ReadError) -> JobFailure {
        match (error, &self.uri) {
            (ReadError::Store(error), Some(uri)) => failure(ExternalError::of(uri, error)),
            (ReadError::Content { line, reason }, Some(uri)) => of_content(ReadError::Content {
                line,
                reason: format!("{uri}: {reason}"),
            }),
            (error, None) => of_content(error),
        }
    }
}

/// Looks, for a caller, whether there is anything at a URI, and not too much.
pub(super) async fn check(transfer: &Transfer, ctx: &Ctx, uri: &str) -> Result<()> {
    let found = timeout(LOOK_WITHIN, Source::find(&transfer.allowed, ctx.tenant_id(), uri));
    let source = found
        .await
        .map_err(|_| Error::unavailable("the store of the URI"))?
        .map_err(refusal)?;
    let most = transfer.limits.max_upload_bytes;
    if source.size_bytes() > most {
        let what = format!(
            "the files have {} bytes; {most} may be imported at once",
            source.size_bytes()
        );
        return Err(Error::too_large(what));
    }
    Ok(())
}
