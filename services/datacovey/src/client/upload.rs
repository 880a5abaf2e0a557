use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_proto::transfer::v1::{
    CancelImportJobRequest, CreateImportJobRequest, FileFormat, GetUploadOffsetRequest,
    GetUploadOffsetResponse, ImportJob, ImportMode, JobState, UploadFinish, UploadRequest, UploadSource,
    UploadStart, WatchImportJobRequest, create_import_job_request, upload_request,
};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic_types::StatusExt as _;

use super::content::Content;
use super::form::FileForm;
use super::patience::Patience;
use super::{Client, OnProgress};

/// Messages read ahead of the network.
const PIECES_AHEAD: usize = 8;
/// How long giving an import up may take.
const CANCEL: Duration = Duration::from_secs(5);

/// How a file is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What its name does not say.
    pub form: FileForm,
    pub mode: ImportMode,
    /// Texts of a CSV file that stand for no value, besides the empty one.
    pub null_values: Vec<String>,
    pub max_bad_records: u32,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            form: FileForm::default(),
            mode: ImportMode::Append,
            null_values: Vec::new(),
            max_bad_records: 0,
        }
    }
}

impl ImportOptions {
    /// The form of a file of this name.
    pub(crate) fn form_of(&self, path: &Path) -> FileForm {
        let mut form = self.form.or_by_name(path);
        match form.format {
            FileFormat::Csv => {}
            // Whoever says how the CSV is written says that it is CSV.
            FileFormat::Unspecified if !self.null_values.is_empty() => {}
            _ => return form,
        }
        let null_values = null_values(&self.null_values);
        form.csv.get_or_insert_default().null_values = null_values;
        form
    }
}

/// None where nothing is asked for beyond what the service takes by itself, which is the empty text.
fn null_values(besides_empty: &[String]) -> Vec<String> {
    if besides_empty.is_empty() {
        return Vec::new();
    }
    let mut texts = vec![String::new()];
    texts.extend(besides_empty.iter().filter(|text| !text.is_empty()).cloned());
    texts
}

impl Client {
    /// Imports one file: creates the job, uploads with resumption, follows it to its end. An import that
    /// does not come to its end is cancelled: it would count among the tenant's open ones.
    pub async fn import_file(
        &self,
        table_id: &str,
        path: &Path,
        options: &ImportOptions,
        on_upload: OnProgress<'_>,
        on_import: OnProgress<'_>,
    ) -> anyhow::Result<ImportJob> {
        let job = self.create_import(table_id, path, options).await?;
        let ended = self.finish_import(&job.id, path, on_upload, on_import).await;
        if ended.is_err() {
            self.cancel_import(job.id).await;
        }
        let job = ended?;
        if job.state() == JobState::Failed {
            bail!("the import failed: {}", error_text(job.error.as_ref()));
        }
        Ok(job)
    }

    /// Creates the import of one file, which is to be uploaded.
    pub async fn create_import(
        &self,
        table_id: &str,
        path: &Path,
        options: &ImportOptions,
    ) -> anyhow::Result<ImportJob> {
        let form = options.form_of(path);
        let job = self
            .imports()
            .create_import_job(CreateImportJobRequest {
                table_id: table_id.to_owned(),
                source: Some(create_import_job_request::Source::Upload(UploadSource {})),
                format: form.format.into(),
                compression: form.compression.into(),
                mode: options.mode.into(),
                max_bad_records: options.max_bad_records.into(),
                csv: form.csv,
                request_id: uuid::Uuid::now_v7().to_string(),
                ..CreateImportJobRequest::default()
            })
            .await?;
        Ok(job.into_inner())
    }

    /// Uploads what an import does not have yet of a file, and follows it to its end, however that is.
    pub async fn finish_import(
        &self,
        job_id: &str,
        path: &Path,
        on_upload: OnProgress<'_>,
        on_import: OnProgress<'_>,
    ) -> anyhow::Result<ImportJob> {
        let total = tokio::fs::metadata(path)
            .await
            .with_context(|| format!("cannot read {}", path.display()))?
            .len();
        self.upload_file(job_id, path, total, on_upload).await?;
        self.follow_import(job_id, on_import).await
    }

    /// What cannot be cancelled expires by itself.
    pub async fn cancel_import(&self, id: String) {
        let request = CancelImportJobRequest {
            id,
            ..CancelImportJobRequest::default()
        };
        let _ = tokio::time::timeout(CANCEL, self.imports().cancel_import_job(request)).await;
    }

    async fn upload_file(
        &self,
        job_id: &str,
        path: &Path,
        total: u64,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<()> {
        let mut patience = Patience::default();
        let mut file = Content::open(path, total).await?;
        let mut furthest = 0;
        loop {
            let state = match self.upload_offset(job_id).await {
                Ok(state) => state,
                Err(status) => {
                    patience.after(status.into()).await?;
                    continue;
                }
            };
            if state.finished {
                return Ok(());
            }
            let offset = u64::try_from(state.committed_bytes).unwrap_or_default();
            if offset > furthest {
                furthest = offset;
                patience.restore();
            }
            match self.upload_from(job_id, &mut file, offset, on_progress).await {
                Ok(()) => return Ok(()),
                Err(error) => patience.after(of_upload(error, path)).await?,
            }
        }
    }

    async fn upload_offset(&self, job_id: &str) -> Result<GetUploadOffsetResponse, tonic::Status> {
        let request = GetUploadOffsetRequest {
            import_job_id: job_id.to_owned(),
        };
        Ok(self.imports().get_upload_offset(request).await?.into_inner())
    }

    async fn upload_from(
        &self,
        job_id: &str,
        file: &mut Content,
        offset: u64,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<()> {
        // Before the call, for the service waits for none that says nothing.
        file.seek(offset, on_progress).await?;
        let (pieces, stream) = tokio::sync::mpsc::channel(PIECES_AHEAD);
        let mut imports: ImportServiceClient<_> = self.imports();
        let start = UploadStart {
            import_job_id: job_id.to_owned(),
            offset: offset.try_into()?,
            settings: None,
        };
        let read = async move {
            // A closed channel means that the call has ended; its answer says why.
            if pieces
                .send(part(upload_request::Part::Start(start)))
                .await
                .is_err()
            {
                return anyhow::Ok(());
            }
            while let Some(piece) = file.next(on_progress).await? {
                if pieces
                    .send(part(upload_request::Part::Data(piece.into())))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
            let finish = UploadFinish {
                total_bytes: file.at().try_into()?,
                sha256: Some(file.sha256()),
            };
            let _ = pieces.send(part(upload_request::Part::Finish(finish))).await;
            Ok(())
        };
        let (read, sent) = tokio::join!(read, imports.upload(ReceiverStream::new(stream)));
        sent?;
        read
    }

    /// The import when it has ended, however it did.
    async fn follow_import(&self, job_id: &str, on_progress: OnProgress<'_>) -> anyhow::Result<ImportJob> {
        let mut patience = Patience::default();
        loop {
            match self.watch_import(job_id, on_progress, &mut patience).await {
                Ok(job) => return Ok(job),
                Err(status) => patience.after(status.into()).await?,
            }
        }
    }

    async fn watch_import(
        &self,
        job_id: &str,
        on_progress: OnProgress<'_>,
        patience: &mut Patience,
    ) -> Result<ImportJob, tonic::Status> {
        let request = WatchImportJobRequest {
            id: job_id.to_owned(),
        };
        let mut states = self.imports().watch_import_job(request).await?.into_inner();
        while let Some(job) = states.next().await.transpose()? {
            patience.restore();
            if let Some(progress) = &job.progress {
                on_progress(
                    progress.bytes_done.unsigned_abs(),
                    progress.bytes_total.map(i64::unsigned_abs),
                );
            }
            if matches!(job.state(), JobState::Completed | JobState::Failed) {
                return Ok(job);
            }
        }
        Err(tonic::Status::unavailable(format!(
            "the service stopped telling about the import {job_id} before its end; ask again with its id"
        )))
    }
}

pub fn error_text(error: Option<&datacovey_proto::transfer::v1::JobError>) -> String {
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

/// Says of content that is not the file's in which of two ways that comes about.
fn of_upload(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let reason = error
        .downcast_ref::<tonic::Status>()
        .and_then(|status| Some(status.get_details_error_info()?.reason));
    if reason.as_deref() != Some("CHECKSUM_MISMATCH") {
        return error;
    }
    error.context(format!(
        "what has arrived is not what {} holds: it changed while it was uploaded, or was damaged on the way; \
         nothing is imported, begin again without --resume",
        path.display()
    ))
}

fn part(part: upload_request::Part) -> UploadRequest {
    UploadRequest { part: Some(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_that_is_not_the_file_is_told_with_what_to_do() {
        use datacovey_error::{Error, ErrorReason, Violation};
        let violation = Violation::new("finish.sha256", "is another").of(ErrorReason::ChecksumMismatch);
        let mismatch = Error::violated(ErrorReason::ChecksumMismatch, "the request", vec![violation]);
        let error = of_upload(tonic::Status::from(mismatch).into(), Path::new("a.csv"));
        let told = crate::report::of(&error);
        assert!(
            told.contains("what a.csv holds") && told.contains("is another"),
            "{told}"
        );
        assert!(!super::super::is_transient(&error));
        let away = of_upload(tonic::Status::unavailable("away").into(), Path::new("a.csv"));
        assert_eq!(away.to_string(), tonic::Status::unavailable("away").to_string());
    }

    #[test]
    fn the_empty_text_stands_for_no_value_whatever_else_does() {
        let texts =
            |given: &[&str]| null_values(&given.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(texts(&["NA", "-"]), ["", "NA", "-"]);
        assert_eq!(texts(&["", "NA"]), ["", "NA"]);
        assert!(texts(&[]).is_empty());
    }
}
