//! DoPut: the rows of a caller as the content of an import, which takes effect wholly or not at all.

use arrow_flight::PutResult;
use bytes::{BufMut as _, Bytes, BytesMut};
use datacovey_error::{Error, Result};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_types::Ctx;
use futures::{StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use prost::Message as _;
use serde_json::json;
use tonic::body::Body;
use tonic::{Code, Status};

use super::asked::Target;
use super::from_flight::{Fault, FromFlight};
use super::importing::{Importing, PART_BYTES, answered};
use super::jobs::{WAIT, failed, of_transfer};
use super::{Flight, caller, streamed};
use crate::body::trailers;

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
                ended = import.task() => return answered(ended),
            };
            match next {
                Some(Ok(bytes)) => {
                    if let Err(fault) = reader.take(bytes, &mut content) {
                        return Err(import.given_up(of_fault(fault)).await);
                    }
                }
                Some(Err(status)) => return Err(import.broken_off(broken(status)).await),
                None => break,
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
            request_id: target.request_id,
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
