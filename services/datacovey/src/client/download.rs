use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use datacovey_proto::transfer::v1::{
    CreateExportJobRequest, DownloadRequest, DownloadTarget, ExportJob, FileFormat, JobState,
    WatchExportJobRequest, create_export_job_request,
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio_stream::StreamExt as _;

use super::form::FileForm;
use super::patience::Patience;
use super::upload::error_text;
use super::{Client, OnProgress};

/// What is exported, and how.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    pub form: FileForm,
    /// All if empty.
    pub columns: Vec<String>,
    /// The newest if none.
    pub table_version: Option<i64>,
}

impl Client {
    /// Exports a table to a file, in the format that its name says. It appears whole or not at all, in the
    /// place of what was there.
    pub async fn export_file(
        &self,
        table_id: &str,
        path: &Path,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<ExportJob> {
        let options = ExportOptions {
            form: FileForm::default().or_by_name(path),
            ..ExportOptions::default()
        };
        let job = self.create_export(table_id, options).await?;
        let job = self.follow_export(&job.id, on_progress).await?;
        let partial = Partial::of(path, &job.id);
        let downloaded = self.download_to(&job, &partial, on_progress).await;
        let kept = match downloaded {
            Ok(()) => partial.keep(true),
            Err(error) => Err(error),
        };
        if kept.is_err() {
            partial.discard();
        }
        kept.map(|()| job)
    }

    /// Creates an export that is to be downloaded.
    pub async fn create_export(&self, table_id: &str, options: ExportOptions) -> anyhow::Result<ExportJob> {
        let ExportOptions {
            form,
            columns,
            table_version,
        } = options;
        ensure!(
            form.format != FileFormat::Unspecified,
            "no format is said: name a file that ends in .csv, .ndjson, .parquet or .arrow, .gz or .zst behind the \
             first two, or say --format"
        );
        let request = CreateExportJobRequest {
            table_id: table_id.to_owned(),
            table_version,
            format: form.format.into(),
            compression: form.compression.into(),
            columns,
            csv: form.csv,
            target: Some(create_export_job_request::Target::Download(DownloadTarget {})),
            request_id: uuid::Uuid::now_v7().to_string(),
            ..CreateExportJobRequest::default()
        };
        Ok(self.exports().create_export_job(request).await?.into_inner())
    }

    /// Follows an export to its end, which must be a good one.
    pub async fn follow_export(
        &self,
        job_id: &str,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<ExportJob> {
        let mut patience = Patience::default();
        let job = loop {
            match self.watch_export(job_id, on_progress, &mut patience).await {
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
    async fn watch_export(
        &self,
        job_id: &str,
        on_progress: OnProgress<'_>,
        patience: &mut Patience,
    ) -> Result<ExportJob, tonic::Status> {
        let request = WatchExportJobRequest {
            id: job_id.to_owned(),
        };
        let mut states = self.exports().watch_export_job(request).await?.into_inner();
        while let Some(job) = states.next().await.transpose()? {
            patience.restore();
            if matches!(job.state(), JobState::Completed | JobState::Failed) {
                return Ok(job);
            }
            if let Some(progress) = &job.progress {
                let total = progress.bytes_total.map(i64::unsigned_abs);
                on_progress(progress.bytes_done.unsigned_abs(), total);
            }
        }
        Err(tonic::Status::unavailable(format!(
            "the service stopped telling about the export {job_id} before its end; ask again with its id"
        )))
    }

    /// Downloads what is missing of a file that was begun, and checks the whole.
    pub async fn download_to(
        &self,
        job: &ExportJob,
        partial: &Partial,
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", partial.path.display());
        let (file, begun) = partial.open().with_context(cannot)?;
        let mut file = tokio::io::BufWriter::new(tokio::fs::File::from_std(file));
        let downloaded = self.download(job, begun, &mut file, on_progress).await;
        // What has arrived is kept, that it need not come again.
        file.flush().await.with_context(cannot)?;
        file.get_ref().sync_all().await.with_context(cannot)?;
        downloaded.inspect_err(|error| {
            if error.is::<NotTheSame>() {
                partial.discard();
            }
        })
    }

    /// Downloads a file behind its first bytes, through every broken connection, and checks the whole.
    pub async fn download(
        &self,
        job: &ExportJob,
        mut begun: Begun,
        out: &mut (impl AsyncWrite + Unpin + Send),
        on_progress: OnProgress<'_>,
    ) -> anyhow::Result<()> {
        let total = job.size_bytes.unwrap_or_default().unsigned_abs();
        let mut patience = Patience::default();
        while begun.length < total {
            if let Err(error) = self
                .download_on(job, &mut begun, out, on_progress, &mut patience)
                .await
            {
                patience.after(error).await?;
            }
        }
        let found = hex::encode(begun.sha256.finalize());
        ensure!(begun.length == total && found == job.sha256, NotTheSame);
        Ok(())
    }

    async fn download_on(
        &self,
        job: &ExportJob,
        begun: &mut Begun,
        out: &mut (impl AsyncWrite + Unpin + Send),
        on_progress: OnProgress<'_>,
        patience: &mut Patience,
    ) -> anyhow::Result<()> {
        let request = DownloadRequest {
            export_job_id: job.id.clone(),
            offset: begun.length.try_into()?,
        };
        let mut pieces = self.exports().download(request).await?.into_inner();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            out.write_all(&piece.data).await?;
            begun.sha256.update(&piece.data);
            begun.length += piece.data.len() as u64;
            patience.restore();
            on_progress(begun.length, Some(piece.total_bytes.unsigned_abs()));
        }
        Ok(())
    }
}

/// What arrived is not the file.
#[derive(Debug)]
struct NotTheSame;

impl std::fmt::Display for NotTheSame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what arrived is not the exported file: its SHA-256 is another; export again")
    }
}

impl std::error::Error for NotTheSame {}

/// The first bytes of a file.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    length: u64,
    sha256: Sha256,
}

/// A file beside its later place, until it is whole.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// That of one export, which is found again by its id.
    #[must_use]
    pub fn of(target: &Path, job_id: &str) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        Self {
            path: target.with_file_name(format!(".{name}.{job_id}.part")),
            target: target.to_owned(),
        }
    }

    /// The file at its end, and what it holds.
    fn open(&self) -> io::Result<(std::fs::File, Begun)> {
        let mut file = std::fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        let mut begun = Begun::default();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok((file, begun));
            }
            begun.sha256.update(&buffer[..length]);
            begun.length += length as u64;
        }
    }

    /// Puts the whole file in its place; where something is, only if it may be replaced.
    pub fn keep(&self, replace: bool) -> anyhow::Result<()> {
        let kept = if replace {
            std::fs::rename(&self.path, &self.target)
        } else {
            // Unlike a renaming, it never takes the place of another.
            std::fs::hard_link(&self.path, &self.target).and_then(|()| std::fs::remove_file(&self.path))
        };
        kept.with_context(|| format!("cannot write {}", self.target.display()))
    }

    /// Takes it away; what cannot be taken away stays.
    pub fn discard(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
