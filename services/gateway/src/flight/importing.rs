//! The import that DoPut makes, beside the call that it is made for.
//!
//! Where the call names a `request_id`, a repeat finds the import of the first call: one that waits for the
//! rest of its content gets it, of one that has all the rows are passed over. So what broke off is kept, as
//! that of any other upload, until it expires; without a `request_id` nobody could come back for it.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use datacovey_error::{Error, ErrorReason, Result};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_proto::transfer::v1::upload_request::Part;
use datacovey_server::PeerChannel;
use datacovey_types::Ctx;
use futures::{Stream, StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument as _;

use super::jobs::of_transfer;
use crate::services::Services;

/// Content of one message to the transfer service.
pub(super) const PART_BYTES: usize = 256 * 1024;
/// Messages that wait for the other side.
const AHEAD: usize = 4;
/// The time that is left to give up an import whose caller has gone.
const CANCEL_WITHIN: Duration = Duration::from_secs(30);

/// An import that is sent its content. It is a task of its own: should our caller leave, it comes to an end
/// nevertheless.
pub(super) struct Importing {
    content: mpsc::Sender<Sent>,
    /// Cancelled where the content is wrong, and no repeat would mend it.
    wrong: CancellationToken,
    task: JoinHandle<Result<String>>,
}

enum Sent {
    Content(Bytes),
    End,
}

impl Importing {
    pub(super) fn begin(services: Services, ctx: Ctx, request: pb::CreateImportJobRequest) -> Self {
        let (content, receiver) = mpsc::channel(AHEAD);
        let wrong = CancellationToken::new();
        let task = import(services, ctx, request, receiver, wrong.clone());
        Self {
            content,
            wrong,
            task: tokio::spawn(task.in_current_span()),
        }
    }

    /// Ends with the id of the import, once it has all of its content.
    pub(super) const fn task(&mut self) -> &mut JoinHandle<Result<String>> {
        &mut self.task
    }

    /// False if nobody takes it any more.
    pub(super) async fn send(&self, content: BytesMut) -> bool {
        let mut content = content.freeze();
        while !content.is_empty() {
            let part = content.split_to(content.len().min(PART_BYTES));
            if self.content.send(Sent::Content(part)).await.is_err() {
                return false;
            }
        }
        true
    }

    pub(super) async fn finish(&self) -> bool {
        self.content.send(Sent::End).await.is_ok()
    }

    pub(super) async fn ended(self) -> Result<String, Status> {
        drop(self.content);
        answered(self.task.await)
    }

    /// The content is wrong: waits until nothing of it is left.
    pub(super) async fn given_up(self, why: Status) -> Status {
        self.wrong.cancel();
        self.broken_off(why).await
    }

    /// There is no more content: waits until what came is kept, or nothing of it is left.
    pub(super) async fn broken_off(self, why: Status) -> Status {
        drop(self.content);
        let _ = self.task.await;
        why
    }
}

pub(super) fn answered(ended: Result<Result<String>, JoinError>) -> Result<String, Status> {
    Ok(ended.map_err(Error::internal)??)
}

/// Creates an import, or finds that of an earlier call, and uploads its content. Where that does not come to
/// its end it is cancelled, unless a repeat may go on with it.
async fn import(
    services: Services,
    mut ctx: Ctx,
    request: pb::CreateImportJobRequest,
    mut content: mpsc::Receiver<Sent>,
    wrong: CancellationToken,
) -> Result<String> {
    let is_keyed = !request.request_id.is_empty();
    let mut jobs = ImportServiceClient::new(services.transfer.on_behalf_of(&ctx));
    let job = jobs.create_import_job(request).await.map_err(of_transfer)?;
    let job = job.into_inner();
    let mut offset = 0;
    if is_keyed {
        match upload_left(&mut jobs, &job).await? {
            Some(committed) => offset = committed,
            None if job.state() == pb::JobState::Failed => return Ok(job.id),
            None => {
                // The caller sends all the same, and would take an answer before the end for a failure.
                while let Some(Sent::Content(_)) = content.recv().await {}
                return Ok(job.id);
            }
        }
    }
    let id = job.id;
    let why = match jobs.upload(messages(id.clone(), offset, content)).await {
        Ok(response) if response.get_ref().finished => return Ok(id),
        Ok(_) => Error::cancelled("the stream was broken off"),
        Err(status) => of_transfer(status),
    };
    if is_keyed {
        if let ErrorReason::WrongOffset | ErrorReason::WrongState = why.reason() {
            let what = "another call with this request_id is under way; repeat this one when it has ended";
            return Err(Error::conflict(what).caused_by(why));
        }
        if why.reason() == ErrorReason::ChecksumMismatch {
            ctx.deadline = Some(Instant::now() + CANCEL_WITHIN);
            cancel(&services, &ctx, &id).await;
            let what = "the rows are not those that an earlier call with this request_id began with; nothing is \
                        imported, send them with another request_id";
            return Err(Error::invalid_field("flight_descriptor.cmd.request_id", what).caused_by(why));
        }
        let may_go_on = why.is_transient()
            || matches!(
                why.reason(),
                ErrorReason::Cancelled | ErrorReason::DeadlineExceeded
            );
        if may_go_on && !wrong.is_cancelled() {
            return Err(why);
        }
    }
    // The deadline may be why.
    ctx.deadline = Some(Instant::now() + CANCEL_WITHIN);
    match cancel(&services, &ctx, &id).await {
        // The end was taken, and only the answer lost.
        Some(pb::JobState::Completed) => Ok(id),
        _ => Err(why),
    }
}

/// From where on an import has not got its content; none if it has all.
async fn upload_left(
    jobs: &mut ImportServiceClient<PeerChannel>,
    job: &pb::ImportJob,
) -> Result<Option<u64>> {
    if job.state() != pb::JobState::Pending {
        return Ok(None);
    }
    let request = pb::GetUploadOffsetRequest {
        import_job_id: job.id.clone(),
    };
    let found = jobs.get_upload_offset(request).await.map_err(of_transfer)?;
    let found = found.into_inner();
    let committed = u64::try_from(found.committed_bytes).unwrap_or_default();
    Ok((!found.finished).then_some(committed))
}

/// How the import has ended; none where it cannot be cancelled now.
async fn cancel(services: &Services, ctx: &Ctx, id: &str) -> Option<pb::JobState> {
    let mut jobs = ImportServiceClient::new(services.transfer.on_behalf_of(ctx));
    let request = pb::CancelImportJobRequest {
        id: id.to_owned(),
        ..Default::default()
    };
    match jobs.cancel_import_job(request).await {
        Ok(job) => Some(job.get_ref().state()),
        Err(status) => {
            tracing::warn!(import_job = id, %status, "an import that was broken off waits until its upload expires");
            None
        }
    }
}

/// The messages of an upload, which goes on at `offset`. What is before that is passed over, and compared by
/// the checksum of all.
fn messages(
    id: String,
    offset: u64,
    content: mpsc::Receiver<Sent>,
) -> impl Stream<Item = pb::UploadRequest> + Send {
    let start = Part::Start(pb::UploadStart {
        import_job_id: id,
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        settings: None,
    });
    let sha256 = (offset > 0).then(Sha256::new);
    let parts = stream::unfold(
        (content, 0_u64, sha256),
        move |(mut content, mut at, mut sha256)| async move {
            loop {
                let part = match content.recv().await? {
                    Sent::Content(mut data) => {
                        if let Some(sha256) = &mut sha256 {
                            sha256.update(&data);
                        }
                        let known = offset.saturating_sub(at).min(data.len() as u64);
                        at += data.len() as u64;
                        let data = data.split_off(usize::try_from(known).unwrap_or(usize::MAX));
                        if data.is_empty() {
                            continue;
                        }
                        Part::Data(data)
                    }
                    Sent::End => Part::Finish(pb::UploadFinish {
                        // Where less came than is there already, the checksum says so.
                        total_bytes: i64::try_from(at.max(offset)).unwrap_or(i64::MAX),
                        sha256: sha256.clone().map(|it| hex::encode(it.finalize())),
                    }),
                };
                return Some((part, (content, at, sha256)));
            }
        },
    );
    let parts = stream::once(std::future::ready(start)).chain(parts);
    parts.map(|part| pb::UploadRequest { part: Some(part) })
}
