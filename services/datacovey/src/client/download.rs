use std::path::Path;

use anyhow::{Context as _, bail};
use datacovey_proto::transfer::v1::{
    CreateExportJobRequest, DownloadRequest, DownloadTarget, ExportJob, JobState, WatchExportJobRequest,
    create_export_job_request,
};
use tokio::io::AsyncWriteExt as _;
use tokio_stream::StreamExt as _;

use super::upload::{error_text, file_format};
use super::{Client, OnProgress};

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
        let beside = path.with_extension("part");
        let written = self.download(&job.id, &beside, on_progress).await;
        if let Err(error) = written {
            let _ = tokio::fs::remove_file(&beside).await;
            return Err(error);
        }
        tokio::fs::rename(&beside, path)
            .await
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(job)
    }

    async fn download(&self, job_id: &str, path: &Path, on_progress: OnProgress<'_>) -> anyhow::Result<()> {
        let mut file = tokio::fs::File::create(path)
            .await
            .with_context(|| format!("cannot write {}", path.display()))?;
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
        let mut states = self
            .exports()
            .watch_export_job(WatchExportJobRequest {
                id: job_id.to_owned(),
            })
            .await?
            .into_inner();
        while let Some(job) = states.next().await {
            let job = job?;
            match job.state() {
                JobState::Completed => return Ok(job),
                JobState::Failed => bail!("the export failed: {}", error_text(job.error.as_ref())),
                _ => {}
            }
        }
        bail!("the service stopped telling about the export {job_id} before its end; ask again with its id")
    }
}
