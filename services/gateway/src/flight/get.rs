//! DoGet: the rows of a job, as its service sends them, in other frames.

use arrow_flight::Ticket;
use bytes::Bytes;
use datacovey_error::{Error, Kind, Result};
use datacovey_proto::query::v1::ResultFileFormat;
use datacovey_types::Ctx;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use http::{Request, Response};
use http_body::Frame;
use tonic::body::Body;
use tonic::codec::Codec as _;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use super::asked::{Asked, Job};
use super::to_flight::{IpcPieces, Piece, framed};
use super::{Flight, caller, streamed};
use crate::body::trailers;
use crate::content::offer::{Of, Offer};

pub(super) async fn answer(flight: Flight, request: Request<Body>) -> Response<Body> {
    let begun = async {
        let ctx = caller(&request)?;
        let ticket = ticket(request, flight.max_message_bytes).await?;
        let done = flight.done(&ctx, Asked::of_ticket(&ticket.ticket)?).await?;
        Ok::<_, Status>(flight.rows(&ctx, &done.job).await?)
    };
    match begun.await {
        Ok(rows) => streamed(frames(rows)),
        Err(status) => status.into_http(),
    }
}

/// The one message of the request.
async fn ticket(request: Request<Body>, max_message_bytes: usize) -> Result<Ticket, Status> {
    let decoder = ProstCodec::<Ticket, Ticket>::default().decoder();
    let mut messages = Streaming::new_request(decoder, request.into_body(), None, Some(max_message_bytes));
    let first = messages.message().await?;
    first.ok_or_else(|| Error::invalid_field("ticket", "is required").into())
}

/// The rows of a job as an Arrow IPC stream that is taken apart as it comes.
pub(super) struct Rows {
    content: BoxStream<'static, Result<Bytes>>,
    pieces: IpcPieces,
    /// Bytes of the content that are not taken apart yet.
    bytes: Bytes,
}

impl Flight {
    /// Opens the rows of a job that is done.
    pub(super) async fn rows(&self, ctx: &Ctx, job: &Job) -> Result<Rows> {
        let offer = Offer {
            services: self.services.clone(),
            ctx: ctx.clone(),
            id: job.id().to_owned(),
            of: match job {
                Job::Export(_) => Of::Export,
                Job::Query(_) => Of::Result(ResultFileFormat::Arrow),
            },
        };
        Ok(Rows {
            content: offer.open(0).await?.data,
            pieces: IpcPieces::new(),
            bytes: Bytes::new(),
        })
    }
}

impl Rows {
    /// The next piece; none when the stream has ended as one does.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            let piece = self.pieces.next(&mut self.bytes).map_err(Error::internal)?;
            if piece.is_some() || self.pieces.has_ended() {
                return Ok(piece);
            }
            let more = self.content.next().await.transpose()?;
            self.bytes = more.ok_or_else(|| Error::internal("an Arrow stream ended too early"))?;
        }
    }
}

/// The messages, and the status that ends them.
fn frames(rows: Rows) -> impl Stream<Item = Frame<Bytes>> + Send {
    stream::unfold(Some(rows), |rows| async {
        let mut rows = rows?;
        let framed = match rows.next().await {
            Ok(Some(piece)) => framed(piece).map(Some).map_err(Error::internal),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        Some(match framed {
            Ok(Some(bytes)) => (Frame::data(bytes), Some(rows)),
            Ok(None) => (Frame::trailers(trailers(&Status::ok(""))), None),
            Err(error) => {
                // Trailers carry no cause to the layer that logs.
                if error.kind() == Kind::Internal {
                    let cause = std::error::Error::source(&error);
                    tracing::error!(cause, "a stream ended by a fault of ours");
                }
                (Frame::trailers(trailers(&error.into())), None)
            }
        })
    })
}
