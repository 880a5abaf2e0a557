use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::upload_request::Part;
use datacovey_storage::read::{ByteSource, Piece};
use datacovey_storage::{ObjectPath, layout};
use datacovey_types::{Ctx, new_id};
use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::Transfer;
use crate::domain::options::{ImportOptions, Uploaded, stored};
use crate::domain::settings::Settings;
use crate::domain::upload::{Upload, check_total, checksum_mismatch, parse_sha256};

/// How much is read at a time to compute the checksum of staged content.
const HASH_BYTES: u64 = 8 << 20;

/// Takes content from `messages` until they end; what is committed stays, however they end.
pub(crate) async fn upload(
    transfer: &Transfer,
    ctx: &Ctx,
    mut messages: impl Stream<Item = std::result::Result<pb::UploadRequest, Status>> + Unpin + Send,
) -> Result<pb::UploadResponse> {
    let start = match messages.next().await {
        Some(Ok(pb::UploadRequest {
            part: Some(Part::Start(start)),
        })) => start,
        Some(Err(status)) => return Err(broken(status)),
        _ => return Err(Error::invalid_field("start", "the first message must be `start`")),
    };
    let job_id = Uuid::try_parse(&start.import_job_id)
        .map_err(|_| Error::invalid_field("start.import_job_id", "is no UUID"))?;
    let settings = Settings::parse(start.settings.unwrap_or_default())?;
    let state = transfer.database.import_run_upload_state(ctx, job_id).await?;
    if state.finished || state.ended {
        return Err(
            Error::wrong_state("the upload is finished, or the import has ended").on("import_job", job_id),
        );
    }
    let committed = u64::try_from(state.committed_bytes).map_err(Error::internal)?;
    let limits = &transfer.limits;
    let upload = Upload::start(
        start.offset,
        committed,
        limits.chunk_bytes,
        limits.max_upload_bytes,
    )?;
    Uploading {
        transfer,
        ctx,
        job_id,
        settings,
        upload,
        underway: None,
    }
    .run(messages)
    .await
}

struct Uploading<'a> {
    transfer: &'a Transfer,
    ctx: &'a Ctx,
    job_id: Uuid,
    settings: Settings,
    upload: Upload,
    /// The chunk that is committed while the next one comes.
    underway: Option<AbortOnDropHandle<Result<usize>>>,
}

impl Uploading<'_> {
    async fn run(
        mut self,
        mut messages: impl Stream<Item = std::result::Result<pb::UploadRequest, Status>> + Unpin + Send,
    ) -> Result<pb::UploadResponse> {
        while let Some(message) = messages.next().await {
            let part = match message {
                Ok(message) => message.part,
                // What came until the connection broke is worth keeping.
                Err(status) => {
                    self.commit_rest().await?;
                    return Err(broken(status));
                }
            };
            match part {
                Some(Part::Data(data)) => {
                    if let Some(chunk) = self.upload.take(&data)? {
                        self.commit(chunk).await?;
                    }
                }
                Some(Part::Finish(finish)) => {
                    self.commit_rest().await?;
                    return self.finish(finish).await;
                }
                Some(Part::Start(_)) => {
                    return Err(Error::invalid_field("start", "only the first message is `start`"));
                }
                None => return Err(Error::invalid_field("part", "is required: start, data or finish")),
            }
        }
        self.commit_rest().await?;
        Ok(self.response(false))
    }

    async fn commit_rest(&mut self) -> Result<()> {
        if let Some(chunk) = self.upload.rest() {
            self.commit(chunk).await?;
        }
        self.arrive().await
    }

    /// Begins to commit a chunk, once the one before it is.
    async fn commit(&mut self, chunk: Vec<u8>) -> Result<()> {
        self.arrive().await?;
        let commit = commit(
            self.transfer.clone(),
            self.ctx.clone(),
            self.job_id,
            self.upload.committed(),
            chunk.into(),
        );
        self.underway = Some(AbortOnDropHandle::new(tokio::spawn(commit.in_current_span())));
        Ok(())
    }

    /// Waits until the chunk that is underway is committed.
    async fn arrive(&mut self) -> Result<()> {
        if let Some(underway) = self.underway.take() {
            let bytes = underway.await.map_err(Error::internal)??;
            self.upload.commit(bytes);
        }
        Ok(())
    }

    async fn finish(self, finish: pb::UploadFinish) -> Result<pb::UploadResponse> {
        let committed = self.upload.committed();
        check_total(finish.total_bytes, committed)?;
        let sent = finish.sha256.as_deref().map(parse_sha256).transpose()?;
        let received = match (self.upload.sha256(), &sent) {
            (Some(sha256), _) => Some(sha256),
            // A stream that went on where another ended has not seen all.
            (None, Some(_)) => Some(self.staged_sha256().await?),
            (None, None) => None,
        };
        if let (Some(sent), Some(received)) = (&sent, &received)
            && sent != received
        {
            return Err(checksum_mismatch(sent, received));
        }
        let job = self
            .transfer
            .database
            .import_job_get(self.ctx, self.job_id)
            .await?;
        let options = job
            .run
            .as_ref()
            .and_then(|run| stored::<ImportOptions>(&run.options));
        let mut options = options.ok_or_else(|| Error::wrong_state("the import takes no upload"))?;
        self.settings.clone().apply(&mut options);
        options.upload = Some(Uploaded {
            size_bytes: committed,
            sha256: received,
        });
        let options = serde_json::to_value(&options).map_err(Error::internal)?;
        let database = &self.transfer.database;
        database
            .import_run_finish_upload(self.ctx, self.job_id, finish.total_bytes, options)
            .await?;
        Ok(self.response(true))
    }

    async fn staged_sha256(&self) -> Result<String> {
        let source = staged(self.transfer, &self.transfer.database, self.ctx, self.job_id).await?;
        let mut sha256 = Sha256::new();
        let mut at = 0;
        while at < source.size_bytes() {
            let part = source.get_range(at..at + HASH_BYTES).await?;
            at += part.len() as u64;
            // Milliseconds of computing are too long for a thread that serves others.
            sha256 = tokio::task::spawn_blocking(move || sha256.chain_update(&part))
                .await
                .map_err(Error::internal)?;
        }
        Ok(hex::encode(sha256.finalize()))
    }

    fn response(&self, finished: bool) -> pb::UploadResponse {
        let committed_bytes = i64::try_from(self.upload.committed()).unwrap_or(i64::MAX);
        pb::UploadResponse {
            committed_bytes,
            finished,
        }
    }
}

/// Commits a chunk, and gives its length: the object first, and then the row that makes it part of the content.
async fn commit(transfer: Transfer, ctx: Ctx, job_id: Uuid, offset: u64, chunk: Bytes) -> Result<usize> {
    let path = layout::staging_chunk(job_id, offset, new_id());
    transfer.store.put(&path, chunk.clone()).await?;
    let [offset, bytes] = [offset, chunk.len() as u64].map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    let appended = transfer
        .database
        .upload_chunk_append(&ctx, job_id, offset, bytes, path.as_ref())
        .await;
    if let Err(error) = appended {
        // Whether the row is there is not known after a lost connection; then the sweeper decides.
        if !error.is_transient() {
            transfer.store.delete(&path).await?;
        }
        return Err(error);
    }
    Ok(chunk.len())
}

/// The committed content of an import.
pub(super) async fn staged(
    transfer: &Transfer,
    database: &datacovey_persistence::Database,
    ctx: &Ctx,
    job_id: Uuid,
) -> Result<ByteSource> {
    let chunks = database.upload_chunk_list(ctx, job_id).await?;
    let pieces = chunks.into_iter().map(|chunk| Piece {
        path: ObjectPath::from(chunk.path),
        size_bytes: u64::try_from(chunk.bytes).unwrap_or_default(),
    });
    Ok(ByteSource::new(transfer.store.clone(), pieces))
}

/// The connection broke, or carried what is no message.
fn broken(status: Status) -> Error {
    match status.code() {
        tonic::Code::InvalidArgument | tonic::Code::Internal => Error::invalid_field(
            "",
            format!("the stream is no well-formed upload: {}", status.message()),
        ),
        // What tonic says of a message longer than it may be.
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => Error::too_large(status.message()),
        _ => Error::cancelled("the upload was broken off"),
    }
    .caused_by(status)
}
