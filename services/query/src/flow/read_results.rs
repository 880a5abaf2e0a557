//! Reads a stored result from any row on, a small batch at a time.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datacovey_error::{Error, Result};
use datacovey_persistence::{QueryJobView, QueryResultRow, utc_now};
use datacovey_storage::{ObjectPath, Store, StoreError};
use datacovey_types::{Ctx, QueryJobStatus};
use futures::{Stream, stream};
use uuid::Uuid;

use crate::app::Handles;
use crate::domain::result_file::{ResultFile, TRAILER_BYTES, footer_range};

/// An open result.
#[derive(Clone, Debug)]
pub(crate) struct StoredResult {
    store: Store,
    path: ObjectPath,
    file: Arc<ResultFile>,
}

/// A result that may be read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub result: StoredResult,
    pub total_rows: i64,
}

impl Handles {
    /// Opens the result of a run of the caller's tenant.
    ///
    /// # Errors
    /// NOT_FOUND; FAILED_PRECONDITION where the run is not DONE or its result has expired;
    /// OUT_OF_RANGE where `start_row` lies behind the end.
    pub(crate) async fn open_result(&self, ctx: &Ctx, job_id: Uuid, start_row: u64) -> Result<Opened> {
        let row = readable(self.database.query_job_get(ctx, job_id).await?)?;
        let rows = u64::try_from(row.rows).map_err(Error::internal)?;
        if start_row > rows {
            return Err(Error::wrong_offset(start_row, rows));
        }
        let result = StoredResult::open(self.store.clone(), ObjectPath::from(row.path)).await?;
        Ok(Opened {
            result,
            total_rows: row.rows,
        })
    }
}

fn readable(view: QueryJobView) -> Result<QueryResultRow> {
    match view.job.status.parse() {
        Ok(QueryJobStatus::Done) => view
            .result
            .filter(|row| row.expires_at > utc_now())
            .ok_or_else(expired),
        Ok(QueryJobStatus::Error) => {
            let told = |name| {
                view.job
                    .error_result
                    .as_ref()
                    .and_then(|error| error.get(name)?.as_str())
            };
            let (reason, message) = (
                told("reason").unwrap_or("ERROR"),
                told("message").unwrap_or("no more is known"),
            );
            Err(
                Error::wrong_state(format!("the run has no result; it failed: {message}"))
                    .with("job_error", reason),
            )
        }
        _ => Err(Error::wrong_state(format!(
            "the run is {}; its result can be read when it is DONE",
            view.job.status
        ))),
    }
}

/// Rows of a result that follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Number of the first one.
    pub start: u64,
    pub batch: RecordBatch,
}

impl StoredResult {
    /// Reads the footer of a result; no row yet.
    ///
    /// # Errors
    /// UNAVAILABLE if the object store is away.
    pub(crate) async fn open(store: Store, path: ObjectPath) -> Result<Self> {
        let size = store.size_bytes(&path).await.map_err(unreadable)?;
        let trailer = store
            .get_range(&path, size.saturating_sub(TRAILER_BYTES)..size)
            .await
            .map_err(unreadable)?;
        let range = footer_range(size, &trailer).map_err(Error::internal)?;
        let footer = store.get_range(&path, range).await.map_err(unreadable)?;
        let file = ResultFile::parse(&footer).map_err(Error::internal)?;
        Ok(Self {
            store,
            path,
            file: Arc::new(file),
        })
    }

    #[must_use]
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.file.schema)
    }

    /// The rows from `start` up to and without `end`, in order.
    pub(crate) fn rows(&self, start: u64, end: u64) -> impl Stream<Item = Result<Rows>> + Send + use<> {
        let places = self
            .file
            .holding(usize::try_from(start).unwrap_or(usize::MAX))
            .to_vec();
        stream::try_unfold(
            (self.clone(), places.into_iter()),
            move |(result, mut places)| async move {
                let Some(place) = places.next() else {
                    return Ok(None);
                };
                let first = place.start as u64;
                if first >= end || start >= end {
                    return Ok(None);
                }
                let range = place.range().map_err(Error::internal)?;
                let bytes = result
                    .store
                    .get_range(&result.path, range)
                    .await
                    .map_err(unreadable)?;
                let batch = result.file.decode(&place, &bytes).map_err(Error::internal)?;
                Ok(Some((cut(first, &batch, start, end), (result, places))))
            },
        )
    }
}

/// The part of a batch, which begins with the row `first`, between two rows.
fn cut(first: u64, batch: &RecordBatch, start: u64, end: u64) -> Rows {
    let rows = batch.num_rows() as u64;
    let skip = start.saturating_sub(first).min(rows);
    let count = end.saturating_sub(first).min(rows).saturating_sub(skip);
    let slice = |value: u64| usize::try_from(value).unwrap_or(batch.num_rows());
    Rows {
        start: first + skip,
        batch: batch.slice(slice(skip), slice(count)),
    }
}

/// A result that its row points to is there until it expires; without it, it has just expired.
fn unreadable(error: StoreError) -> Error {
    match error {
        StoreError::NotFound(_) => expired(),
        error => Error::unavailable("the object store").caused_by(error),
    }
}

fn expired() -> Error {
    Error::wrong_state("the result has expired; run the query again")
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use futures::TryStreamExt as _;

    use super::*;
    use crate::domain::result_file::encode;

    async fn stored(rows: i64) -> (tempfile::TempDir, StoredResult) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let n = Arc::new(Int64Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_from_iter([("n", n as _)]).unwrap();
        let path = ObjectPath::from("result/x");
        let bytes = encode(&batch.schema(), &[batch]).unwrap();
        store.put(&path, bytes.into()).await.unwrap();
        (folder, StoredResult::open(store, path).await.unwrap())
    }

    #[tokio::test]
    async fn rows_come_from_where_they_are_asked_to_where_they_are() {
        let (_folder, result) = stored(20_000).await;
        for (start, end) in [
            (0, 20_000),
            (8191, 8193),
            (8192, 8192),
            (19_999, 30_000),
            (25_000, 30_000),
            (5, 3),
        ] {
            let rows: Vec<Rows> = result.rows(start, end).try_collect().await.unwrap();
            let numbers: Vec<u64> = rows
                .iter()
                .flat_map(|it| it.start..it.start + it.batch.num_rows() as u64)
                .collect();
            let expected: Vec<u64> = (start..end.min(20_000)).collect();
            assert_eq!(numbers, expected, "{start}..{end}");
            let values = rows.iter().flat_map(|it| {
                let column = it
                    .batch
                    .column(0)
                    .as_any()
                    .downcast_ref::<Int64Array>()
                    .unwrap()
                    .clone();
                column.values().to_vec()
            });
            assert!(
                values.eq(expected.iter().map(|number| *number as i64)),
                "{start}..{end}"
            );
        }
    }

    #[tokio::test]
    async fn a_result_that_is_gone_has_expired() {
        let (_folder, result) = stored(1).await;
        result.store.delete(&result.path).await.unwrap();
        let error = StoredResult::open(result.store, result.path).await.unwrap_err();
        assert_eq!(error.kind(), datacovey_error::Kind::FailedPrecondition);
    }
}
