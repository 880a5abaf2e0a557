use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_proto::transfer::v1::upload_request::Part;
use datacovey_server::error_of_peer;
use datacovey_types::Ctx;
use futures::{FutureExt as _, StreamExt as _};
use http::header::{CACHE_CONTROL, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::Instrument as _;

use super::sent::{Piece, check_encoding, piece, sha256};
use super::settings::settings;
use super::{Services, UPLOAD_COMPLETE, UPLOAD_LIMIT, UPLOAD_OFFSET, caller, refuse};

/// Content of one message.
const MESSAGE_BYTES: usize = 1 << 20;
/// Messages that wait for the other side.
const AHEAD: usize = 2;
/// Who sends nothing for so long has gone, and may come back.
const IDLE: Duration = Duration::from_secs(120);

/// `PUT`: takes content, all of it or the part that `Content-Range` says. What was received stays, however
/// the request ends. Its query string says what the import does with it, if it is the part that ends it.
pub(super) async fn put(
    State(services): State<Services>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let taken = async {
        let ctx = caller(request.extensions())?;
        let (head, body) = request.into_parts();
        check_encoding(&head.headers)?;
        let piece = piece(&head.headers)?;
        let sha256 = sha256(&head.headers, piece)?;
        let put = Put {
            services,
            ctx,
            id,
            settings: settings(head.uri.query())?,
            sha256,
        };
        match piece {
            Piece::Ask { total } => put.ask(total, body).await,
            piece => put.take(piece, body).await,
        }
    };
    taken.await.map_or_else(refuse, |offset| offset.answer())
}

/// `HEAD`: how far the upload is.
pub(super) async fn head(
    State(services): State<Services>,
    Path(id): Path<String>,
    request: Parts,
) -> Response {
    let told = async {
        let ctx = caller(&request.extensions)?;
        upload_offset(&services, &ctx, &id).await
    };
    match told.await {
        Ok(found) => {
            let mut response = StatusCode::OK.into_response();
            let headers = response.headers_mut();
            let offset = Offset::new(found.committed_bytes, found.finished);
            offset.write(headers);
            if let Some(left) = found.expires_at.and_then(|it| seconds_until(&it))
                && let Ok(value) = HeaderValue::try_from(format!("max-age={left}"))
            {
                headers.insert(UPLOAD_LIMIT, value);
            }
            response
        }
        Err(error) => refuse(error),
    }
}

fn seconds_until(time: &prost_types::Timestamp) -> Option<u64> {
    let time = std::time::SystemTime::try_from(*time).ok()?;
    let left = time.duration_since(std::time::SystemTime::now()).ok()?;
    Some(left.as_secs())
}

async fn upload_offset(services: &Services, ctx: &Ctx, id: &str) -> Result<pb::GetUploadOffsetResponse> {
    let request = pb::GetUploadOffsetRequest {
        import_job_id: id.to_owned(),
    };
    let mut imports = ImportServiceClient::new(services.transfer.on_behalf_of(ctx));
    let found = imports.get_upload_offset(request).await;
    Ok(found.map_err(of_transfer)?.into_inner())
}

fn of_transfer(status: Status) -> Error {
    error_of_peer("transfer", status)
}

/// One upload, or a part of one.
struct Put {
    services: Services,
    ctx: Ctx,
    id: String,
    settings: pb::UploadSettings,
    sha256: Option<String>,
}

type Call = JoinHandle<Result<pb::UploadResponse, Status>>;

impl Put {
    /// Says how far the upload is, and completes it if it is all there.
    async fn ask(self, total: Option<u64>, body: Body) -> Result<Offset> {
        let mut body = body.into_data_stream();
        while let Some(data) = body.next().await {
            if !data.map_err(broken)?.is_empty() {
                let why = "says that there is no content, and there is";
                return Err(Error::invalid_field("content-range", why));
            }
        }
        let found = upload_offset(&self.services, &self.ctx, &self.id).await?;
        let offset = Offset::new(found.committed_bytes, found.finished);
        if found.finished || total != Some(offset.committed) {
            return Ok(offset);
        }
        let (messages, call) = self.call(offset.committed);
        let _ = messages.send(self.finish(offset.committed)).await;
        drop(messages);
        ended(call).await
    }

    /// Passes the body on, piece by piece.
    async fn take(self, piece: Piece, body: Body) -> Result<Offset> {
        let (messages, mut call) = self.call(piece.start());
        let mut body = body.into_data_stream();
        let mut at = piece.start();
        loop {
            let next = tokio::select! {
                next = timeout(IDLE, body.next()) => next,
                // It is over before the content is: the answer says why.
                response = &mut call => return answered(response),
            };
            let data = match next {
                Err(_) => return gone(messages, call, Error::deadline_exceeded()).await,
                Ok(Some(Err(error))) => return gone(messages, call, broken(error)).await,
                Ok(Some(Ok(data))) => data,
                Ok(None) => break,
            };
            at += data.len() as u64;
            if let Piece::Part { end, .. } = piece
                && at > end
            {
                let why = Error::invalid_field("content-range", "says less content than there is");
                return gone(messages, call, why).await;
            }
            if send(&messages, data).await.is_none() {
                return ended(call).await;
            }
        }
        let is_last = match piece {
            Piece::Part { end, .. } if at < end => {
                let why = Error::invalid_field("content-range", "says more content than there is");
                return gone(messages, call, why).await;
            }
            Piece::Part { end, total, .. } => total == Some(end),
            Piece::Whole | Piece::Ask { .. } => true,
        };
        if is_last {
            let _ = messages.send(self.finish(at)).await;
        }
        drop(messages);
        ended(call).await
    }

    fn finish(&self, total: u64) -> pb::UploadRequest {
        message(Part::Finish(pb::UploadFinish {
            total_bytes: i64::try_from(total).unwrap_or(i64::MAX),
            sha256: self.sha256.clone(),
        }))
    }

    /// Begins an upload at the service. It is a task of its own: should our caller leave, the stream ends
    /// like any other, and what has come so far is kept.
    fn call(&self, offset: u64) -> (mpsc::Sender<pb::UploadRequest>, Call) {
        let (messages, receiver) = mpsc::channel(AHEAD);
        let start = message(Part::Start(pb::UploadStart {
            import_job_id: self.id.clone(),
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
            settings: Some(self.settings.clone()),
        }));
        let stream = futures::stream::iter([start]).chain(ReceiverStream::new(receiver));
        let mut imports = ImportServiceClient::new(self.services.transfer.on_behalf_of(&self.ctx));
        let call = async move { imports.upload(stream).await.map(tonic::Response::into_inner) };
        (messages, tokio::spawn(call.in_current_span()))
    }
}

fn message(part: Part) -> pb::UploadRequest {
    pb::UploadRequest { part: Some(part) }
}

/// None if nobody takes it any more.
async fn send(messages: &mpsc::Sender<pb::UploadRequest>, mut data: Bytes) -> Option<()> {
    while !data.is_empty() {
        let now = data.split_to(data.len().min(MESSAGE_BYTES));
        messages.send(message(Part::Data(now))).await.ok()?;
    }
    Some(())
}

async fn ended(call: Call) -> Result<Offset> {
    answered(call.await)
}

fn answered(response: Result<Result<pb::UploadResponse, Status>, tokio::task::JoinError>) -> Result<Offset> {
    let response = response.map_err(Error::internal)?.map_err(of_transfer)?;
    Ok(Offset::new(response.committed_bytes, response.finished))
}

/// Keeps what has come, and says why there is no more of it.
async fn gone(messages: mpsc::Sender<pb::UploadRequest>, call: Call, why: Error) -> Result<Offset> {
    drop(messages);
    // What the service has to say of what came is more to the point.
    let kept = ended(call).map(|it| it.map(|_| ())).await;
    kept.and(Err(why))
}

fn broken(error: axum::Error) -> Error {
    Error::invalid_field(
        "",
        "the body of the request ended too early; ask for the offset and go on",
    )
    .caused_by(error)
}

/// How far an upload is.
#[derive(Clone, Copy, Debug)]
struct Offset {
    committed: u64,
    finished: bool,
}

impl Offset {
    fn new(committed_bytes: i64, finished: bool) -> Self {
        Self {
            committed: u64::try_from(committed_bytes).unwrap_or_default(),
            finished,
        }
    }

    fn write(self, headers: &mut HeaderMap) {
        let complete = if self.finished { "?1" } else { "?0" };
        headers.insert(UPLOAD_OFFSET, self.committed.into());
        headers.insert(UPLOAD_COMPLETE, HeaderValue::from_static(complete));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }

    /// 200 where the content is complete, else 308 and, as of other uploads that go so, the range that is
    /// there.
    fn answer(self) -> Response {
        let Self { committed, finished } = self;
        let status = match finished {
            true => StatusCode::OK,
            false => StatusCode::PERMANENT_REDIRECT,
        };
        let body = json!({ "committed_bytes": committed, "finished": finished });
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        self.write(headers);
        if let Some(last) = committed.checked_sub(1).filter(|_| !finished)
            && let Ok(range) = HeaderValue::try_from(format!("bytes=0-{last}"))
        {
            headers.insert(RANGE, range);
        }
        response
    }
}
