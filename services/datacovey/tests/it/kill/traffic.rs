//! Callers that import and export without end, and make every call again that did not go through: with its
//! request id where it would create something, from the committed offset where it sends content.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datacovey::client::{Begun, Client, is_transient};
use datacovey_proto::transfer::v1::{
    CancelExportJobRequest, CancelImportJobRequest, CreateExportJobRequest, CreateImportJobRequest,
    DownloadTarget, ExportJob, FileFormat, GetImportJobRequest, ImportJob, JobState, UploadSource,
    WaitExportJobRequest, WaitImportJobRequest, create_export_job_request, create_import_job_request,
};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status};
use uuid::Uuid;

use super::contents::{Held, csv};
use super::ledger::{Exported, Imported, Ledger};

/// By when a call has an answer, which may be that it is to be made again.
const ANSWER: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) table: String,
    /// The folder that the tenant's bucket is.
    pub(super) lake: PathBuf,
    /// For files that are uploaded.
    pub(super) folder: PathBuf,
    pub(super) random: StdRng,
    pub(super) ledger: Arc<Ledger>,
}

impl Caller {
    pub(super) async fn import_until(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.import().await;
        }
    }

    pub(super) async fn export_until(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.export().await;
        }
    }

    async fn import(&mut self) {
        let number = self.ledger.next();
        // Some take long enough to be hit in any of their parts.
        let most = if self.random.random_bool(0.15) {
            20_000
        } else {
            1_500
        };
        let lines = self.random.random_range(1..=most);
        let (name, content) = (format!("{number}.csv"), csv(number, lines));
        let file = self.folder.join(&name);
        let source = if self.random.random_bool(0.4) {
            let folder = self.lake.join("in");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(&name), &content).unwrap();
            create_import_job_request::Source::Uri(format!("s3://lake/in/{name}"))
        } else {
            std::fs::write(&file, &content).unwrap();
            create_import_job_request::Source::Upload(UploadSource {})
        };
        let is_uploaded = matches!(source, create_import_job_request::Source::Upload(_));
        let request = CreateImportJobRequest {
            table_id: self.table.clone(),
            source: Some(source),
            request_id: Uuid::now_v7().to_string(),
            ..CreateImportJobRequest::default()
        };
        let regret = self.regret();
        let kills = self.ledger.kills();
        let imports = || self.client.imports();
        let created = again(|| {
            let (mut imports, request) = (imports(), request.clone());
            async move { imports.create_import_job(request).await }
        });
        let id = created.await.id;
        let end = async {
            if is_uploaded {
                self.finish(&id, &file).await
            } else {
                self.imported(&id).await
            }
        };
        let cancel = async {
            let Some(after) = regret else { return };
            sleep(after).await;
            let request = CancelImportJobRequest {
                id: id.clone(),
                request_id: Uuid::now_v7().to_string(),
            };
            again(|| {
                let (mut imports, request) = (imports(), request.clone());
                async move { imports.cancel_import_job(request).await }
            })
            .await;
        };
        let (job, ()) = tokio::join!(end, cancel);
        let _ = std::fs::remove_file(file);
        let imported = Imported {
            number,
            lines: lines.unsigned_abs(),
            job,
            under_fire: self.ledger.kills() > kills,
        };
        self.ledger.imports.lock().unwrap().push(imported);
    }

    /// Uploads, goes on where that breaks off, and waits for the end.
    async fn finish(&self, id: &str, file: &std::path::Path) -> ImportJob {
        loop {
            let nothing = |_, _| {};
            let finished = self.client.finish_import(id, file, &nothing, &nothing).await;
            let Err(error) = finished else {
                return finished.unwrap();
            };
            if !is_transient(&error) {
                // What was cancelled takes no more content.
                let request = GetImportJobRequest { id: id.to_owned() };
                let job = again(|| {
                    let (mut imports, request) = (self.client.imports(), request.clone());
                    async move { imports.get_import_job(request).await }
                });
                let job = job.await;
                assert!(is_over(job.state()), "{error:#}: {job:?}");
                return job;
            }
        }
    }

    async fn imported(&self, id: &str) -> ImportJob {
        let request = WaitImportJobRequest {
            id: id.to_owned(),
            timeout: seconds(10),
        };
        loop {
            let waited = again(|| {
                let (mut imports, request) = (self.client.imports(), request.clone());
                async move { imports.wait_import_job(request).await }
            });
            let job = waited.await;
            if is_over(job.state()) {
                return job;
            }
        }
    }

    async fn export(&mut self) {
        let number = self.ledger.next();
        let (format, ending) = if self.random.random_bool(0.5) {
            (FileFormat::Csv, "csv")
        } else {
            (FileFormat::Parquet, "parquet")
        };
        let is_downloaded = self.random.random_bool(0.5);
        let target = if is_downloaded {
            create_export_job_request::Target::Download(DownloadTarget {})
        } else {
            create_export_job_request::Target::Uri(format!("s3://lake/out/{number}.{ending}"))
        };
        let request = CreateExportJobRequest {
            table_id: self.table.clone(),
            format: format.into(),
            target: Some(target),
            request_id: Uuid::now_v7().to_string(),
            ..CreateExportJobRequest::default()
        };
        let regret = self.regret();
        let kills = self.ledger.kills();
        let exports = || self.client.exports();
        let created = again(|| {
            let (mut exports, request) = (exports(), request.clone());
            async move { exports.create_export_job(request).await }
        });
        let id = created.await.id;
        let cancel = async {
            let Some(after) = regret else { return };
            sleep(after).await;
            let request = CancelExportJobRequest {
                id: id.clone(),
                request_id: Uuid::now_v7().to_string(),
            };
            again(|| {
                let (mut exports, request) = (exports(), request.clone());
                async move { exports.cancel_export_job(request).await }
            })
            .await;
        };
        let (job, ()) = tokio::join!(exported(&self.client, &id), cancel);
        let download = if is_downloaded && job.state() == JobState::Completed {
            Some(Held::read(format, &self.download(&job).await))
        } else {
            None
        };
        let exported = Exported {
            job,
            download,
            under_fire: self.ledger.kills() > kills,
        };
        self.ledger.exports.lock().unwrap().push(exported);
    }

    async fn download(&self, job: &ExportJob) -> Vec<u8> {
        loop {
            let mut file = Vec::new();
            let downloaded = self.client.download(job, Begun::default(), &mut file, &|_, _| {});
            match downloaded.await {
                Ok(()) => return file,
                Err(error) => assert!(is_transient(&error), "{error:#}"),
            }
        }
    }

    /// After which time a job is cancelled, if it is to be.
    fn regret(&mut self) -> Option<Duration> {
        let after = Duration::from_millis(self.random.random_range(0..1500));
        self.random.random_bool(0.1).then_some(after)
    }
}

/// An export when it has ended, however long that takes.
pub(super) async fn exported(client: &Client, id: &str) -> ExportJob {
    let request = WaitExportJobRequest {
        id: id.to_owned(),
        timeout: seconds(10),
    };
    loop {
        let waited = again(|| {
            let (mut exports, request) = (client.exports(), request.clone());
            async move { exports.wait_export_job(request).await }
        });
        let job = waited.await;
        if is_over(job.state()) {
            return job;
        }
    }
}

fn is_over(state: JobState) -> bool {
    matches!(state, JobState::Completed | JobState::Failed)
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

/// Makes a call until it goes through.
pub(super) async fn again<T, C>(mut call: impl FnMut() -> C) -> T
where
    C: Future<Output = Result<Response<T>, Status>>,
{
    loop {
        let answer = timeout(ANSWER, call()).await.expect("a call is stuck");
        match answer {
            Ok(answer) => return answer.into_inner(),
            Err(status) => {
                let passes = status.code() == Code::ResourceExhausted || is_transient(&status.clone().into());
                assert!(passes, "{status:?}");
                sleep(PAUSE).await;
            }
        }
    }
}
