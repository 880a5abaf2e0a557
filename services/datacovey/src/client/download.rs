use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use datacovey_proto::transfer::v1::{
    CreateExportJobRequest, DownloadRequest, DownloadTarget, ExportJob, JobState, WatchExportJobRequest,
    create_export_job_request,
};
use tokio::io::AsyncWriteExt as _;
use tokio_stream::StreamExt as _;

use super::patience::Patience;
use super::upload::{error_text, file_format};
use super::{Client, OnProgress};

/// Of a new file, before the process's mask, as anywhere.
const READABLE: u32 = 0o666;

impl Client {
    /// Exports a table to a file, which appears whole or not at all.
    pub async fn export_file(
        &self,
        table_id: &str,
        path: &Path,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<ExportJob> {
        let format = file_format(path)?;
        let job = self
            .exports()
            .create_export_job(CreateExportJobRequest {
                table_id: table_id.to_owned(),
                format: format.into(),
                target: Some(create_export_job_request::Target::Download(DownloadTarget {})),
                request_id: uuid::Uuid::now_v7().to_string(),
                ..CreateExportJobRequest::default()
            })
            .await?
            .into_inner();
        let job = self.follow_export(&job.id).await?;
        // Beside the target, where it can be moved from; gone by itself unless it is.
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let beside = tempfile::Builder::new()
            .prefix(".datacovey-")
            .suffix(".part")
            .permissions(Permissions::from_mode(READABLE))
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let file = beside.reopen()?.into();
        self.download(&job.id, file, on_progress).await?;
        beside
            .persist(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(job)
    }

    async fn download(
        &self,
        job_id: &str,
        mut file: tokio::fs::File,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<()> {
        let request = DownloadRequest {
            export_job_id: job_id.to_owned(),
            offset: 0,
        };
        let mut pieces = self.exports().download(request).await?.into_inner();
        let mut done = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            file.write_all(&piece.data).await?;
            done += piece.data.len() as u64;
            on_progress(done, Some(piece.total_bytes.unsigned_abs()));
        }
        file.sync_all().await?;
        Ok(())
    }

    async fn follow_export(&self, job_id: &str) -> anyhow::Result<ExportJob> {
        let mut patience = Patience::default();
        let job = loop {
            match self.watch_export(job_id, &mut patience).await {
                Ok(job) => break job,
                Err(status) => patience.after(status.into()).await?,
            }
        };
        if job.state() == JobState::Failed {
            bail!("the export failed: {}", error_text(job.error.as_ref()));
        }
        Ok(job)
    }

    /// The export when it has ended, however it did.
    async fn watch_export(&self, job_id: &str, patience: &mut Patience) -> Result<ExportJob, tonic::Status> {
        let request = WatchExportJobRequest {
            id: job_id.to_owned(),
        };
        let mut states = self.exports().watch_export_job(request).await?.into_inner();
        while let Some(job) = states.next().await.transpose()? {
            patience.restore();
            if matches!(job.state(), JobState::Completed | JobState::Failed) {
                return Ok(job);
            }
        }
        Err(tonic::Status::unavailable(format!(
            "the service stopped telling about the export {job_id} before its end; ask again with its id"
        )))
    }
}
