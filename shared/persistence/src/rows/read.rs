//! Reads: rows as they come, and how many there are, in one snapshot.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use datacovey_error::Error;
use datacovey_proto::internal::rows::v1::{CountMode, RowFormat, SelectRequest};
use datacovey_rest::{Error as RestError, Relation, Relations};
use datacovey_types::Ctx;
use futures::stream::{self, Stream, StreamExt as _};
use futures::{TryStreamExt as _, join};
use tokio::task::unconstrained;
use tokio_postgres::{Row, RowStream};

use super::error::RowsError;
use super::link::{Mode, Transaction};
use super::select::{Page, Source, write_page, write_select};
use super::sql::Sql;
use crate::Database;

/// Rows of the first look: if there are no more, the answer is complete.
const FIRST_ROWS: usize = 256;
/// Rows that the server is asked for at once from then on. It sends them as they are taken.
const NEXT_ROWS: usize = 4096;
/// Rows go on together up to this many bytes.
const BATCH_BYTES: usize = 512 << 10;

/// What is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowHeader {
    /// Names of the members of each row, in order.
    pub columns: Vec<String>,
    /// All rows of the filter, if they were counted.
    pub total_rows: Option<i64>,
    /// How many rows are to come.
    pub rows: i64,
}

/// Rows together, at most a mebibyte unless one row is larger.
pub type RowBatches = Pin<Box<dyn Stream<Item = Result<Vec<Bytes>, RowsError>> + Send>>;

impl Database {
    /// Reads rows. They are read as the stream is taken, in one transaction, which ends with it.
    pub async fn rows_select(
        &self,
        ctx: &Ctx,
        request: &SelectRequest,
    ) -> Result<(RowHeader, RowBatches), RowsError> {
        let relation = relation(&request.relation)?;
        let source = Source::root(relation, &request.selections)?;
        let page = Page {
            filter: request.filter.as_ref(),
            places: None,
            order: &request.order,
            limit: request.limit,
            offset: request.offset,
        };
        let mut declare = Sql::new("DECLARE page NO SCROLL CURSOR FOR ");
        write_select(&mut declare, &source, page, request.format())?;
        let fetch = Sql::new(&format!("FETCH FORWARD {FIRST_ROWS} FROM page"));

        let (transaction, prelude) = self.rows_begin(ctx, self.role(), Mode::Read).await?;
        let first = {
            // Sent in this order and in one piece. Without a budget: one that the runtime made wait for its
            // turn would be overtaken.
            let (begun, zone, declared, first) = unconstrained(async {
                join!(
                    transaction.run(&prelude),
                    transaction.set_timezone(&request.timezone),
                    transaction.execute(&declare),
                    transaction.rows(&fetch)
                )
            })
            .await;
            begun.and(zone).and(declared.map(drop)).and(first)
        };
        let first = match first {
            Ok(first) => first,
            Err(error) => {
                transaction.roll_back().await;
                return Err(error);
            }
        };
        let counted = count_all(&transaction, &source, request, first.len()).await;
        let (total_rows, rows) = match counted {
            Ok(counted) => counted,
            Err(error) => {
                transaction.roll_back().await;
                return Err(error);
            }
        };
        if request.singular && rows != 1 {
            transaction.roll_back().await;
            return Err(RestError::not_singular(rows.unsigned_abs()).into());
        }
        let header = RowHeader {
            columns: source.outputs.iter().map(|it| it.name.clone()).collect(),
            total_rows,
            rows,
        };
        let is_whole = first.len() < FIRST_ROWS;
        let format = request.format();
        let reading = Reading {
            transaction: Some(transaction),
            format,
            first: Some(texts(first, format)?),
            fetched: None,
            is_whole,
        };
        Ok((header, stream::try_unfold(reading, Reading::next).boxed()))
    }
}

/// The relation of that name.
pub(super) fn relation(name: &str) -> Result<&'static Relation, RowsError> {
    let found = Relations::contract().get(name);
    found.ok_or_else(|| Error::not_found("relation", name).into())
}

/// How many rows pass the filter, if that was asked, and how many are to come.
async fn count_all(
    transaction: &Transaction,
    source: &Source<'_>,
    request: &SelectRequest,
    first: usize,
) -> Result<(Option<i64>, i64), RowsError> {
    let (limit, offset) = (request.limit, request.offset.max(0));
    // The planner's estimate is of statistics over the rows of all tenants, so nobody is told it: counts are exact
    // however they are asked for.
    let total = match request.count() {
        CountMode::Unspecified => None,
        _ => Some(count(transaction, source, request, None, 0).await?),
    };
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    let rows = match total {
        _ if first < FIRST_ROWS as i64 => first,
        Some(total) => total
            .saturating_sub(offset)
            .clamp(0, limit.unwrap_or(i64::MAX).max(0)),
        None => count(transaction, source, request, limit, offset).await?,
    };
    Ok((total, rows))
}

async fn count(
    transaction: &Transaction,
    source: &Source<'_>,
    request: &SelectRequest,
    limit: Option<i64>,
    offset: i64,
) -> Result<i64, RowsError> {
    let mut sql = Sql::new("SELECT count(*) FROM (SELECT");
    source.write_rows(&mut sql, request.filter.as_ref(), true)?;
    write_page(&mut sql, limit, offset);
    sql.push(") AS one_row");
    transaction.value(&sql).await
}

/// The rows of a statement, each in its format.
pub(super) fn texts(rows: Vec<Row>, format: RowFormat) -> Result<Vec<Bytes>, RowsError> {
    rows.iter().map(|it| text(it, format)).collect()
}

fn text(row: &Row, format: RowFormat) -> Result<Bytes, RowsError> {
    let text: &str = row.try_get(0)?;
    let text = match format {
        // The parentheses that the database puts round a row.
        RowFormat::Csv => text
            .strip_prefix('(')
            .and_then(|it| it.strip_suffix(')'))
            .unwrap_or(text),
        _ => text,
    };
    Ok(Bytes::copy_from_slice(text.as_bytes()))
}

/// A read that goes on.
struct Reading {
    /// None once it has ended.
    transaction: Option<Transaction>,
    format: RowFormat,
    first: Option<Vec<Bytes>>,
    /// What the server was asked for last, and how many rows of it have come.
    fetched: Option<(Pin<Box<RowStream>>, usize)>,
    is_whole: bool,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Reading {
    /// The next rows, and what is left to read.
    async fn next(mut self) -> Result<Option<(Vec<Bytes>, Self)>, RowsError> {
        if let Some(mut first) = self.first.take()
            && !first.is_empty()
        {
            let rest = first.split_off(within_batch(&first));
            self.first = (!rest.is_empty()).then_some(rest);
            return Ok(Some((first, self)));
        }
        let Some(transaction) = &self.transaction else {
            return Ok(None);
        };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while !self.is_whole && bytes < BATCH_BYTES {
            let (rows, taken) = match &mut self.fetched {
                Some(fetched) => (&mut fetched.0, &mut fetched.1),
                None => {
                    let fetch = Sql::new(&format!("FETCH FORWARD {NEXT_ROWS} FROM page"));
                    let fetched = self.fetched.insert((transaction.stream(&fetch).await?, 0));
                    (&mut fetched.0, &mut fetched.1)
                }
            };
            match rows.try_next().await? {
                Some(row) => {
                    *taken += 1;
                    let row = text(&row, self.format)?;
                    bytes += row.len();
                    batch.push(row);
                }
                None => {
                    self.is_whole = *taken < NEXT_ROWS;
                    self.fetched = None;
                }
            }
        }
        if self.is_whole
            && let Some(transaction) = self.transaction.take()
        {
            transaction.commit().await?;
        }
        if batch.is_empty() {
            Ok(None)
        } else {
            Ok(Some((batch, self)))
        }
    }
}

/// How many of the rows go on together.
fn within_batch(rows: &[Bytes]) -> usize {
    let mut bytes = 0;
    let fits = |it: &&Bytes| {
        bytes += it.len();
        bytes <= BATCH_BYTES
    };
    rows.iter().take_while(fits).count().max(1)
}
