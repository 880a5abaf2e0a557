use std::path::Path;

use anyhow::{Context as _, bail};
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_proto::transfer::v1::{
    CreateImportJobRequest, CsvOptions, FileFormat, GetUploadOffsetRequest, ImportJob, ImportMode, JobState,
    UploadFinish, UploadRequest, UploadSource, UploadStart, WatchImportJobRequest, create_import_job_request,
    upload_request,
};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::{Client, OnProgress};

/// Bytes of a message of an upload: well below the limit of a gRPC message, well above its overhead.
const PIECE_BYTES: usize = 256 * 1024;
/// Messages read ahead of the network.
const PIECES_AHEAD: usize = 8;
/// Times an upload goes on where it broke before it gives up.
const RESUMES: usize = 5;

/// How a file is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    pub mode: ImportMode,
    pub null_values: Vec<String>,
    pub max_bad_records: u32,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            mode: ImportMode::Append,
            null_values: Vec::new(),
            max_bad_records: 0,
        }
    }
}

/// The format that a file's name says.
pub fn file_format(path: &Path) -> anyhow::Result<FileFormat> {
    match path
        .extension()
        .and_then(|it| it.to_str())
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("csv") => Ok(FileFormat::Csv),
        Some("parquet") => Ok(FileFormat::Parquet),
        _ => bail!("{}: the name must end in .csv or .parquet", path.display()),
    }
}

impl Client {
    /// Imports one file: creates the job, uploads with resumption, follows it to its end.
    pub async fn import_file(
        &self,
        table_id: &str,
        path: &Path,
        options: &ImportOptions,
        on_upload: OnProgress<'_>,
        on_import: OnProgress<'_>,
    ) -> anyhow::Result<ImportJob> {
        let format = file_format(path)?;
        let total = tokio::fs::metadata(path)
            .await
            .with_context(|| format!("cannot read {}", path.display()))?
            .len();
        let csv = CsvOptions {
            null_values: options.null_values.clone(),
            ..CsvOptions::default()
        };
        let job = self
            .imports()
            .create_import_job(CreateImportJobRequest {
                table_id: table_id.to_owned(),
                source: Some(create_import_job_request::Source::Upload(UploadSource {})),
                format: format.into(),
                mode: options.mode.into(),
                max_bad_records: options.max_bad_records.into(),
                csv: (format == FileFormat::Csv).then_some(csv),
                request_id: uuid::Uuid::now_v7().to_string(),
                ..CreateImportJobRequest::default()
            })
            .await?
            .into_inner();
        self.upload_file(&job.id, path, total, on_upload).await?;
        self.follow_import(&job.id, on_import).await
    }

    async fn upload_file(
        &self,
        job_id: &str,
        path: &Path,
        total: u64,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<()> {
        for attempt in 0.. {
            let state = self
                .imports()
                .get_upload_offset(GetUploadOffsetRequest {
                    import_job_id: job_id.to_owned(),
                })
                .await?
                .into_inner();
            if state.finished {
                break;
            }
            let offset = u64::try_from(state.committed_bytes).unwrap_or_default();
            match self.upload_from(job_id, path, offset, total, on_progress).await {
                Ok(()) => break,
                Err(error) if attempt < RESUMES && is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn upload_from(
        &self,
        job_id: &str,
        path: &Path,
        offset: u64,
        total: u64,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<()> {
        let mut file = tokio::fs::File::open(path)
            .await
            .with_context(|| format!("cannot read {}", path.display()))?;
        file.seek(std::io::SeekFrom::Start(offset)).await?;
        let (pieces, stream) = tokio::sync::mpsc::channel(PIECES_AHEAD);
        let mut imports: ImportServiceClient<_> = self.imports();
        let start = UploadStart {
            import_job_id: job_id.to_owned(),
            offset: offset.try_into()?,
        };
        let read = async move {
            let mut done = offset;
            // A closed channel means that the call has ended; its answer says why.
            if pieces
                .send(part(upload_request::Part::Start(start)))
                .await
                .is_err()
            {
                return anyhow::Ok(());
            }
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                let length = file.read(&mut piece).await?;
                if length == 0 {
                    break;
                }
                piece.truncate(length);
                if pieces
                    .send(part(upload_request::Part::Data(piece.into())))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
                done += length as u64;
                on_progress(done, Some(total));
            }
            let finish = UploadFinish {
                total_bytes: done.try_into()?,
                sha256: None,
            };
            let _ = pieces.send(part(upload_request::Part::Finish(finish))).await;
            Ok(())
        };
        let (read, sent) = tokio::join!(read, imports.upload(ReceiverStream::new(stream)));
        sent?;
        read
    }

    async fn follow_import(&self, job_id: &str, on_progress: OnProgress<'_>) -> anyhow::Result<ImportJob> {
        let mut states = self
            .imports()
            .watch_import_job(WatchImportJobRequest {
                id: job_id.to_owned(),
            })
            .await?
            .into_inner();
        while let Some(job) = states.next().await {
            let job = job?;
            if let Some(progress) = &job.progress {
                on_progress(
                    progress.bytes_done.unsigned_abs(),
                    progress.bytes_total.map(i64::unsigned_abs),
                );
            }
            match job.state() {
                JobState::Completed => return Ok(job),
                JobState::Failed => bail!("the import failed: {}", error_text(job.error.as_ref())),
                _ => {}
            }
        }
        bail!("the service stopped telling about the import {job_id} before its end; ask again with its id")
    }
}

pub(super) fn error_text(error: Option<&datacovey_proto::transfer::v1::JobError>) -> String {
    error.map_or_else(
        || "no reason was given".to_owned(),
        |error| {
            let mut place = String::new();
            if let Some(line) = error.line {
                place = format!("line {line}: ");
            }
            if !error.field.is_empty() {
                place.push_str(&format!("{}: ", error.field));
            }
            format!("{place}{}", error.message)
        },
    )
}

fn part(part: upload_request::Part) -> UploadRequest {
    UploadRequest { part: Some(part) }
}

fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref::<tonic::Status>().is_some_and(|status| {
        matches!(
            status.code(),
            Code::Unavailable | Code::OutOfRange | Code::Aborted | Code::Cancelled
        )
    })
}
