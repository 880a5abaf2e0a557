//! Rows of a result as messages of ReadResults.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::read_results_response::Part;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;
use prost_types::Struct;

use super::convert::output_column;
use crate::domain::json;
use crate::domain::output;
use crate::domain::request::ResultFormat;
use crate::domain::result_file::IpcStream;
use crate::flow::download_results::Measure;
use crate::flow::read_results::Rows;

/// Values that become JSON at a time.
const CELLS_PER_MESSAGE: usize = 16_384;
/// Bytes of one message of JSON, names included, unless a single row has more.
const BYTES_PER_MESSAGE: usize = 1 << 20;

/// The messages of a result: a header, then its rows in the format asked for.
pub(super) fn messages(
    schema: &SchemaRef,
    total_rows: i64,
    format: ResultFormat,
    rows: impl Stream<Item = Result<Rows>> + Send + 'static,
) -> impl Stream<Item = Result<pb::ReadResultsResponse>> + Send + 'static {
    let columns = output::columns(schema).into_iter().map(output_column).collect();
    let header = message(Part::Header(pb::ResultHeader { columns, total_rows }), 0, 0);
    let rows = match format {
        ResultFormat::Json => rows.map_ok(json_messages).try_flatten().boxed(),
        ResultFormat::ArrowIpc => arrow_messages(schema, rows).boxed(),
    };
    stream::once(std::future::ready(Ok(header))).chain(rows)
}

/// The messages of a file, which begin with what is known of the whole.
pub(super) fn file_messages(
    measure: &Measure,
    offset: u64,
    parts: impl Stream<Item = Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = Result<pb::DownloadResultsResponse>> + Send + 'static {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let total_bytes = number(measure.total_bytes);
    let (mut at, mut sha256) = (offset, Some(measure.sha256.clone()));
    parts.map_ok(move |data| {
        let offset = number(at);
        at += data.len() as u64;
        pb::DownloadResultsResponse {
            offset,
            data,
            total_bytes,
            sha256: sha256.take().unwrap_or_default(),
        }
    })
}

fn json_messages(rows: Rows) -> impl Stream<Item = Result<pb::ReadResultsResponse>> {
    let step = (CELLS_PER_MESSAGE / rows.batch.num_columns().max(1)).max(1);
    let pieces = stream::iter((0..rows.batch.num_rows()).step_by(step)).map(move |first| {
        let part = rows.batch.slice(first, step.min(rows.batch.num_rows() - first));
        let objects = json::rows(&part).map_err(Error::internal)?;
        let messages = bounded(objects, rows.start + first as u64);
        Ok::<_, Error>(stream::iter(messages.into_iter().map(Ok)))
    });
    pieces.try_flatten()
}

/// Rows that follow each other, as messages of bounded size.
fn bounded(rows: Vec<Struct>, start: u64) -> Vec<pb::ReadResultsResponse> {
    let (mut messages, mut next, mut bytes, mut at) = (Vec::new(), Vec::new(), 0, start);
    let mut send = |rows: Vec<Struct>| {
        let count = rows.len();
        if count > 0 {
            messages.push(message(Part::JsonRows(pb::JsonRows { rows }), at, count));
            at += count as u64;
        }
    };
    for row in rows {
        let size = row.encoded_len();
        if bytes + size > BYTES_PER_MESSAGE {
            send(std::mem::take(&mut next));
            bytes = 0;
        }
        bytes += size;
        next.push(row);
    }
    send(next);
    messages
}

fn arrow_messages(
    schema: &SchemaRef,
    rows: impl Stream<Item = Result<Rows>> + Send + 'static,
) -> impl Stream<Item = Result<pb::ReadResultsResponse>> + Send + 'static {
    let writer = IpcStream::new(schema).map_err(Error::internal);
    stream::try_unfold(
        (Some(writer), Box::pin(rows), 0),
        |(writer, mut rows, end)| async move {
            // The writer ends the stream with itself.
            let Some(writer) = writer else { return Ok(None) };
            let mut writer = writer?;
            match rows.next().await {
                Some(next) => {
                    let next = next?;
                    let bytes = writer.write(&next.batch).map_err(Error::internal)?;
                    let count = next.batch.num_rows();
                    let sent = message(Part::ArrowIpc(bytes.into()), next.start, count);
                    Ok(Some((sent, (Some(Ok(writer)), rows, next.start + count as u64))))
                }
                None => {
                    let bytes = writer.finish().map_err(Error::internal)?;
                    Ok(Some((
                        message(Part::ArrowIpc(bytes.into()), end, 0),
                        (None, rows, end),
                    )))
                }
            }
        },
    )
}

fn message(part: Part, row_offset: u64, row_count: usize) -> pb::ReadResultsResponse {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    pb::ReadResultsResponse {
        part: Some(part),
        row_offset: number(row_offset),
        row_count: number(row_count as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch, StringArray};
    use arrow::ipc::reader::StreamReader;

    use super::*;

    fn rows(start: u64, count: i64) -> Rows {
        let n = Arc::new(Int64Array::from_iter_values(0..count));
        Rows {
            start,
            batch: RecordBatch::try_from_iter([("n", n as _)]).unwrap(),
        }
    }

    async fn sent(format: ResultFormat, parts: Vec<Rows>) -> Vec<pb::ReadResultsResponse> {
        let schema = rows(0, 0).batch.schema();
        let parts = stream::iter(parts.into_iter().map(Ok));
        messages(&schema, 42, format, parts).try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn json_goes_in_pieces_that_say_where_to_resume() {
        let sent = sent(ResultFormat::Json, vec![rows(7, 20_000)]).await;
        assert!(matches!(&sent[0].part, Some(Part::Header(header)) if header.total_rows == 42));
        let places: Vec<_> = sent[1..].iter().map(|it| (it.row_offset, it.row_count)).collect();
        assert_eq!(places, [(7, 16_384), (16_391, 3616)]);
        let Some(Part::JsonRows(first)) = &sent[2].part else {
            panic!("{:?}", sent[2].part)
        };
        assert_eq!(first.rows.len(), 3616);
    }

    #[tokio::test]
    async fn json_of_long_rows_goes_in_small_messages() {
        let texts: StringArray = (0..64).map(|_| Some("x".repeat(100_000))).collect();
        let batch = RecordBatch::try_from_iter([("n", Arc::new(texts) as _)]).unwrap();
        let sent = sent(ResultFormat::Json, vec![Rows { start: 5, batch }]).await;
        let mut at = 5;
        for message in &sent[1..] {
            assert!(message.encoded_len() < 2 * BYTES_PER_MESSAGE);
            assert_eq!(message.row_offset, at);
            at += message.row_count;
        }
        assert_eq!(at, 69);
    }

    #[tokio::test]
    async fn arrow_is_one_stream_even_of_no_rows() {
        for parts in [vec![], vec![rows(5, 3), rows(8, 2)]] {
            let count: usize = parts.iter().map(|it| it.batch.num_rows()).sum();
            let sent = sent(ResultFormat::ArrowIpc, parts).await;
            let bytes: Vec<u8> = sent[1..]
                .iter()
                .flat_map(|it| match &it.part {
                    Some(Part::ArrowIpc(bytes)) => bytes.to_vec(),
                    other => panic!("{other:?}"),
                })
                .collect();
            let read = StreamReader::try_new(bytes.as_slice(), None).unwrap();
            assert_eq!(read.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), count);
        }
    }
}
