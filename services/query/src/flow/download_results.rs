//! A stored result as a file of some format, from any byte on.
//!
//! The file is never stored: it is made again for whoever asks, and is the same each time. How long it
//! is, and its checksum, are found out by making it once, and remembered.

use std::sync::Arc;

use bytes::Bytes;
use datacovey_error::{Error, Result};
use datacovey_types::Ctx;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use moka::future::Cache;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::read_results::StoredResult;
use crate::app::Handles;
use crate::domain::result_encoder::{FileFormat, ResultEncoder};

/// Bytes of one part at most.
const PART_BYTES: usize = 1 << 20;
/// Files whose length is remembered.
const REMEMBERED: u64 = 1000;

/// What is known of the files of results.
#[derive(Clone, Debug)]
pub(crate) struct Measures(Cache<(Uuid, FileFormat), Arc<Measure>>);

/// How long a file is, and what is in it.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) total_bytes: u64,
    /// 64 hexadecimal digits.
    pub(crate) sha256: String,
}

/// A file that is sent.
pub(crate) struct Download<S> {
    pub(crate) measure: Arc<Measure>,
    /// Not empty, but where nothing is left to send.
    pub(crate) parts: S,
}

impl Measures {
    pub(crate) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Handles {
    /// The result of a run of the caller's tenant as a file, from `offset` on.
    ///
    /// # Errors
    /// As of [`Handles::open_result`]; OUT_OF_RANGE for an offset behind the end.
    pub(crate) async fn download_result(
        &self,
        ctx: &Ctx,
        job_id: Uuid,
        format: FileFormat,
        offset: u64,
    ) -> Result<Download<impl Stream<Item = Result<Bytes>> + Send + use<>>> {
        // Whether the caller may read it, and whether it is still there, is looked at each time.
        let result = self.open_result(ctx, job_id, 0).await?.result;
        let measured = self
            .measures
            .0
            .try_get_with((job_id, format), measure(&result, format));
        let measure = measured.await.map_err(of_each_that_waited)?;
        let total = measure.total_bytes;
        if offset > total {
            return Err(Error::wrong_offset(offset, total));
        }
        let nothing = stream::iter((offset == total).then(|| Ok(Bytes::new())));
        let parts = nothing.chain(from(encoded(&result, format)?, offset, total));
        Ok(Download { measure, parts })
    }
}

async fn measure(result: &StoredResult, format: FileFormat) -> Result<Arc<Measure>> {
    let mut parts = Box::pin(encoded(result, format)?);
    let (mut total_bytes, mut sha256) = (0, Sha256::new());
    while let Some(part) = parts.try_next().await? {
        total_bytes += part.len() as u64;
        sha256.update(&part);
    }
    Ok(Arc::new(Measure {
        total_bytes,
        sha256: hex::encode(sha256.finalize()),
    }))
}

/// The whole file, as it is made.
fn encoded(
    result: &StoredResult,
    format: FileFormat,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<>> {
    let encoder = ResultEncoder::new(result.schema(), format).map_err(Error::internal)?;
    let rows = Box::pin(result.rows(0, u64::MAX));
    Ok(stream::try_unfold(
        (Some(encoder), rows),
        |(encoder, mut rows)| async move {
            let Some(mut encoder) = encoder else {
                return Ok(None);
            };
            let next = rows.try_next().await?;
            // What computes for long has no place among the calls.
            let encoding = spawn_blocking(move || match next {
                Some(rows) => encoder.write(&rows.batch).map(|bytes| (bytes, Some(encoder))),
                None => encoder.finish().map(|bytes| (bytes, None)),
            });
            let (bytes, encoder) = encoding
                .await
                .map_err(Error::internal)?
                .map_err(Error::internal)?;
            Ok(Some((Bytes::from(bytes), (encoder, rows))))
        },
    ))
}

/// A file without the bytes before `offset`, in parts that a message can hold.
fn from(
    whole: impl Stream<Item = Result<Bytes>> + Send,
    offset: u64,
    total: u64,
) -> impl Stream<Item = Result<Bytes>> + Send {
    let mut skip = if offset == total { u64::MAX } else { offset };
    let left = whole.map_ok(move |mut bytes| {
        let now = bytes.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
        skip -= now as u64;
        let mut bytes = bytes.split_off(now);
        let parts = std::iter::from_fn(move || {
            let size = bytes.len().min(PART_BYTES);
            (size > 0).then(|| Ok(bytes.split_to(size)))
        });
        stream::iter(parts)
    });
    left.try_flatten()
}

/// The error of one question for each of the calls that asked it together.
fn of_each_that_waited(error: Arc<Error>) -> Error {
    Arc::try_unwrap(error).unwrap_or_else(|error| match error.is_transient() {
        true => Error::unavailable("the object store"),
        false => Error::internal(error.message().to_owned()),
    })
}
