//! DoPut: the rows of a caller as the content of an import, which takes effect wholly or not at all.

use std::time::{Duration, Instant};

use arrow_flight::PutResult;
use bytes::{BufMut as _, Bytes, BytesMut};
use datacovey_error::{Error, Result};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_proto::transfer::v1::upload_request::Part;
use datacovey_types::Ctx;
use futures::{Stream, StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use prost::Message as _;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Instrument as _;

use super::asked::Target;
use super::from_flight::{Fault, FromFlight};
use super::jobs::{WAIT, failed, of_transfer};
use super::{Flight, caller, streamed};
use crate::body::trailers;
use crate::services::Services;

/// Content of one message to the transfer service.
const PART_BYTES: usize = 256 * 1024;
/// Messages that wait for the other side.
const AHEAD: usize = 4;
/// The time that is left to give up an import whose caller has gone.
const CANCEL_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn answer(flight: Flight, request: Request<Body>) -> Response<Body> {
    let put = async {
        let ctx = caller(&request)?;
        let id = flight.receive(&ctx, request.into_body()).await?;
        Ok::<_, Status>(flight.imported(&ctx, &id).await?)
    };
    match put.await {
        Ok(job) => streamed(stream::iter([
            Frame::data(outcome(job)),
            Frame::trailers(trailers(&Status::ok(""))),
        ])),
        Err(status) => status.into_http(),
    }
}

/// The one message of the answer, as gRPC frames it.
fn outcome(job: pb::ImportJob) -> Bytes {
    let metadata = json!({
        "import_job": job.id,
        "version": job.version,
        "rows_imported": job.rows_imported,
        "rows_rejected": job.rows_rejected,
        "ignored_columns": job.ignored_columns,
    });
    let message = PutResult {
        app_metadata: metadata.to_string().into(),
    };
    let message = message.encode_to_vec();
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    // Far below what 32 bits can say: the columns were named in a header of bounded length.
    frame.put_u32(message.len() as u32);
    frame.put_slice(&message);
    frame.freeze()
}

impl Flight {
    /// Takes what is sent as the content of an import, and gives its id once it has begun.
    async fn receive(&self, ctx: &Ctx, body: Body) -> Result<String, Status> {
        let mut body = body.into_data_stream();
        let mut reader = FromFlight::new(self.max_message_bytes);
        let mut content = BytesMut::new();
        // Whatever is wrong with the beginning leaves no import behind.
        let mut import = loop {
            let bytes = body.next().await.transpose().map_err(broken)?;
            let Some(bytes) = bytes else {
                Target::of_descriptor(reader.descriptor().map(|it| &**it))?;
                // Without a schema, which it says.
                reader.finish(&mut content).map_err(of_fault)?;
                return Err(Error::internal("a schema without content").into());
            };
            reader.take(bytes, &mut content).map_err(of_fault)?;
            if reader.has_begun() {
                let target = Target::of_descriptor(reader.descriptor().map(|it| &**it))?;
                if !content.is_empty() {
                    let request = self.import(ctx, target).await?;
                    break Importing::begin(self.services.clone(), ctx.clone(), request);
                }
            }
        };
        loop {
            if content.len() >= PART_BYTES && !import.send(content.split()).await {
                return import.ended().await;
            }
            let next = tokio::select! {
                next = body.next() => next,
                // It is over before the content is: the answer says why.
                ended = &mut import.task => return answered(ended),
            };
            let taken = match next {
                Some(Ok(bytes)) => reader.take(bytes, &mut content).map_err(of_fault),
                Some(Err(status)) => Err(broken(status)),
                None => break,
            };
            if let Err(status) = taken {
                return Err(import.given_up(status).await);
            }
        }
        if let Err(fault) = reader.finish(&mut content) {
            return Err(import.given_up(of_fault(fault)).await);
        }
        let _ = import.send(content).await && import.finish().await;
        import.ended().await
    }

    async fn import(&self, ctx: &Ctx, target: Target) -> Result<pb::CreateImportJobRequest> {
        Ok(pb::CreateImportJobRequest {
            table_id: self.table_id(ctx, &target.table).await?,
            source: Some(pb::create_import_job_request::Source::Upload(pb::UploadSource {})),
            format: pb::FileFormat::Arrow.into(),
            compression: pb::Compression::None.into(),
            mode: target.mode.into(),
            max_bad_records: target.max_bad_records,
            ..Default::default()
        })
    }

    /// Waits until an import has ended.
    async fn imported(&self, ctx: &Ctx, id: &str) -> Result<pb::ImportJob> {
        let mut jobs = ImportServiceClient::new(self.services.transfer.on_behalf_of(ctx));
        loop {
            let request = pb::WaitImportJobRequest {
                id: id.to_owned(),
                timeout: Some(WAIT),
            };
            let waited = jobs.wait_import_job(request).await;
            let job = waited.map_err(|status| of_transfer(status).with("import_job", id))?;
            let job = job.into_inner();
            match job.state() {
                pb::JobState::Completed => return Ok(job),
                pb::JobState::Failed => return Err(failed("import_job", id, job.error.unwrap_or_default())),
                _ => {}
            }
        }
    }
}

/// An import that is sent its content. It is a task of its own: should our caller leave, it is given up, and
/// nothing waits for what will never come.
struct Importing {
    content: mpsc::Sender<Sent>,
    task: JoinHandle<Result<String>>,
}

enum Sent {
    Content(Bytes),
    End,
}

impl Importing {
    fn begin(services: Services, ctx: Ctx, request: pb::CreateImportJobRequest) -> Self {
        let (content, receiver) = mpsc::channel(AHEAD);
        let task = import(services, ctx, request, receiver);
        Self {
            content,
            task: tokio::spawn(task.in_current_span()),
        }
    }

    /// False if nobody takes it any more.
    async fn send(&self, content: BytesMut) -> bool {
        let mut content = content.freeze();
        while !content.is_empty() {
            let part = content.split_to(content.len().min(PART_BYTES));
            if self.content.send(Sent::Content(part)).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn finish(&self) -> bool {
        self.content.send(Sent::End).await.is_ok()
    }

    async fn ended(self) -> Result<String, Status> {
        drop(self.content);
        answered(self.task.await)
    }

    /// Waits until nothing of it is left.
    async fn given_up(self, why: Status) -> Status {
        drop(self.content);
        let _ = self.task.await;
        why
    }
}

fn answered(ended: Result<Result<String>, tokio::task::JoinError>) -> Result<String, Status> {
    Ok(ended.map_err(Error::internal)??)
}

/// Creates an import and uploads its content; cancels it where that does not come to its end.
async fn import(
    services: Services,
    mut ctx: Ctx,
    request: pb::CreateImportJobRequest,
    content: mpsc::Receiver<Sent>,
) -> Result<String> {
    let mut jobs = ImportServiceClient::new(services.transfer.on_behalf_of(&ctx));
    let job = jobs.create_import_job(request).await.map_err(of_transfer)?;
    let id = job.into_inner().id;
    let why = match jobs.upload(messages(id.clone(), content)).await {
        Ok(response) if response.get_ref().finished => return Ok(id),
        Ok(_) => Error::cancelled("the stream was broken off"),
        Err(status) => of_transfer(status),
    };
    // The deadline may be why.
    ctx.deadline = Some(Instant::now() + CANCEL_WITHIN);
    let mut jobs = ImportServiceClient::new(services.transfer.on_behalf_of(&ctx));
    let request = pb::CancelImportJobRequest {
        id: id.clone(),
        ..Default::default()
    };
    match jobs.cancel_import_job(request).await {
        // The end was taken, and only the answer lost.
        Ok(job) if job.get_ref().state() == pb::JobState::Completed => Ok(id),
        Ok(_) => Err(why),
        Err(status) => {
            tracing::warn!(import_job = id, %status, "an import that was broken off waits until its upload expires");
            Err(why)
        }
    }
}

/// The messages of an upload.
fn messages(id: String, content: mpsc::Receiver<Sent>) -> impl Stream<Item = pb::UploadRequest> + Send {
    let start = Part::Start(pb::UploadStart {
        import_job_id: id,
        offset: 0,
    });
    let parts = stream::unfold((content, 0), |(mut content, total)| async move {
        let (part, total) = match content.recv().await? {
            Sent::Content(data) => {
                let total = total + data.len();
                (Part::Data(data), total)
            }
            Sent::End => {
                let total_bytes = i64::try_from(total).unwrap_or(i64::MAX);
                let sha256 = None;
                (Part::Finish(pb::UploadFinish { total_bytes, sha256 }), total)
            }
        };
        Some((part, (content, total)))
    });
    let parts = stream::once(std::future::ready(start)).chain(parts);
    parts.map(|part| pb::UploadRequest { part: Some(part) })
}

fn of_fault(fault: Fault) -> Status {
    match fault {
        Fault::Malformed(what) => Error::invalid_field("", what).into(),
        Fault::TooLarge(what) => Error::too_large(what).into(),
        Fault::Compressed => {
            Status::unimplemented("messages that gRPC compresses are not taken; send them as they are")
        }
    }
}

/// The request cannot be read to its end.
fn broken(status: Status) -> Status {
    match status.code() {
        // Of gRPC-Web, whose body was no base64.
        Code::InvalidArgument => status,
        _ => Error::cancelled("the stream was broken off")
            .caused_by(status)
            .into(),
    }
}
