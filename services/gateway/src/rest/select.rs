//! Rows that are read: in pieces as they come, so that no more than a few of them are ever held here.

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use datacovey_error::Error;
use datacovey_proto::internal::rows::v1::row_service_client::RowServiceClient;
use datacovey_proto::internal::rows::v1::select_response::Part;
use datacovey_proto::internal::rows::v1::{SelectHeader, SelectRequest, SelectResponse};
use datacovey_rest::{Answering, Error as RestError, Outcome, RowWriter};
use datacovey_server::{Peer, error_of_peer};
use datacovey_types::Ctx;
use http::header::CONTENT_RANGE;
use tonic::Streaming;

use super::answer;
use super::refusal::Refused;

/// Answers up to this are sent as a whole, with their length; an error within is told as one.
const WHOLE_BYTES: usize = 1 << 20;

/// Batches have a MiB, but one row alone may have more.
pub(super) const MAX_MESSAGE_BYTES: usize = 512 << 20;

/// Has a service read rows.
pub(super) async fn run(
    peer: &Peer,
    ctx: &Ctx,
    asked: SelectRequest,
    answering: &Answering,
) -> Result<Response, Refused> {
    let (limit, offset, singular) = (asked.limit, asked.offset, asked.singular);
    let mut rows = Rows::open(peer, ctx, asked).await?;
    if answering.is_head() {
        let count = match rows.header.rows.and_then(|it| u64::try_from(it).ok()) {
            Some(count) => count,
            None => rows.count().await?,
        };
        let answer = answering.answer_rows(&rows.outcome(count))?;
        return Ok(answer::whole(answer));
    }
    let mut writer = RowWriter::new(answering.media(), &rows.header.columns);
    let mut begin = BytesMut::new();
    let mut count = 0;
    let is_whole = loop {
        let Some(batch) = rows.next().await? else {
            writer.end(&mut begin);
            break true;
        };
        count += batch.len() as u64;
        write(&mut writer, &batch, &mut begin);
        if begin.len() > WHOLE_BYTES {
            break false;
        }
    };
    if is_whole {
        if singular && count != 1 {
            return Err(RestError::not_singular(count).into());
        }
        let answer = answering.answer_rows(&rows.outcome(count))?;
        return Ok(answer::with_body(answer, Body::from(begin.freeze())));
    }
    let expected = expected(&rows.header, limit, offset);
    let mut answer = answering.answer_rows(&rows.outcome(expected.unwrap_or(count)))?;
    if expected.is_none() {
        // How far it goes is not known when it must be said.
        answer.headers.remove(CONTENT_RANGE);
    }
    let body = Body::from_stream(streamed(begin.freeze(), rows, writer));
    Ok(answer::with_body(answer, body))
}

/// The rows that have come, and those yet to come. An error ends the body before its end, which tells the
/// caller that it has not got all.
fn streamed(
    begin: Bytes,
    rows: Rows,
    writer: RowWriter,
) -> impl futures::Stream<Item = Result<Bytes, Error>> + Send {
    let rest = futures::stream::try_unfold(Some((rows, writer)), |state| async {
        let Some((mut rows, mut writer)) = state else {
            return Ok(None);
        };
        let mut piece = BytesMut::new();
        let next = match rows.take().await? {
            Some(batch) => {
                write(&mut writer, &batch, &mut piece);
                Some((rows, writer))
            }
            None => {
                writer.end(&mut piece);
                None
            }
        };
        Ok(Some((piece.freeze(), next)))
    });
    futures::StreamExt::chain(futures::stream::once(std::future::ready(Ok(begin))), rest)
}

fn write(writer: &mut RowWriter, batch: &[Bytes], body: &mut BytesMut) {
    body.reserve(batch.iter().map(|it| it.len() + 4).sum());
    for row in batch {
        writer.row(row, body);
    }
}

/// How many rows come in all, if that is known before they have come.
fn expected(header: &SelectHeader, limit: Option<i64>, offset: i64) -> Option<u64> {
    let of_total = |total: i64| {
        total
            .saturating_sub(offset)
            .clamp(0, limit.unwrap_or(i64::MAX).max(0))
    };
    let rows = header.rows.or_else(|| header.total_rows.map(of_total));
    rows.and_then(|it| u64::try_from(it).ok())
}

/// An answer of Select: its header, and then its rows.
struct Rows {
    peer: &'static str,
    header: SelectHeader,
    parts: Streaming<SelectResponse>,
}

impl Rows {
    async fn open(peer: &Peer, ctx: &Ctx, asked: SelectRequest) -> Result<Self, Refused> {
        let name = peer.audience();
        let refused = |status| Refused::of_peer(name, status);
        let channel = peer.on_behalf_of(ctx);
        let mut service = RowServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut parts = service.select(asked).await.map_err(refused)?.into_inner();
        match parts.message().await.map_err(refused)?.and_then(|it| it.part) {
            Some(Part::Header(header)) => Ok(Self {
                peer: name,
                header,
                parts,
            }),
            _ => Err(Error::internal(format!("{name} answered rows without a header")).into()),
        }
    }

    fn outcome(&self, rows: u64) -> Outcome {
        Outcome {
            rows,
            total: self.header.total_rows.and_then(|it| u64::try_from(it).ok()),
            ..Outcome::default()
        }
    }

    /// The next rows; an error is one that can still be answered.
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, Refused> {
        let next = self.parts.message().await;
        let next = next.map_err(|status| Refused::of_peer(self.peer, status))?;
        Ok(self.rows(next)?)
    }

    /// The next rows of an answer that has begun.
    async fn take(&mut self) -> Result<Option<Vec<Bytes>>, Error> {
        let next = self.parts.message().await;
        let next = next.map_err(|status| error_of_peer(self.peer, status))?;
        self.rows(next)
    }

    fn rows(&self, part: Option<SelectResponse>) -> Result<Option<Vec<Bytes>>, Error> {
        match part.map(|it| it.part) {
            None => Ok(None),
            Some(Some(Part::Batch(batch))) => Ok(Some(batch.rows)),
            Some(_) => Err(Error::internal(format!(
                "{} answered rows with a second header",
                self.peer
            ))),
        }
    }

    async fn count(&mut self) -> Result<u64, Refused> {
        let mut count = 0;
        while let Some(batch) = self.next().await? {
            count += batch.len() as u64;
        }
        Ok(count)
    }
}
