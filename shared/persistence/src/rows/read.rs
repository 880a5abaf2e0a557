//! Reads: rows as they come, and how many there are, in one snapshot.

use std::pin::Pin;

use bytes::Bytes;
use datacovey_error::Error;
use datacovey_proto::internal::rows::v1::{CountMode, RowFormat, SelectRequest};
use datacovey_rest::{Error as RestError, Relation, Relations};
use datacovey_types::Ctx;
use futures::stream::{self, Stream, StreamExt as _};
use futures::{TryStreamExt as _, join};
use tokio::task::unconstrained;
use tokio_postgres::Row;

use super::cursor::{self, Reading};
use super::error::RowsError;
use super::link::{Mode, Ready, Transaction};
use super::select::{Page, Source, write_page, write_select};
use super::sql::Sql;
use crate::Database;

/// What is read at once at most, in one round trip; of more, only as much is held as is on its way.
const AT_ONCE_ROWS: usize = 1000;
const AT_ONCE_BYTES: usize = 4 << 20;
/// Rows go on together up to this many bytes.
pub(super) const BATCH_BYTES: usize = 512 << 10;

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
    /// Reads rows: few of them at once, many as the stream is taken, in one transaction, which ends with it.
    pub async fn rows_select(
        &self,
        ctx: &Ctx,
        request: &SelectRequest,
    ) -> Result<(RowHeader, RowBatches), RowsError> {
        let relation = relation(&request.relation)?;
        let source = Source::root(relation, &request.selections)?;
        let asked = Asked {
            source: &source,
            request,
        };
        // Before a connection is taken, which a request that names what there is not has no need of.
        let (select, total) = (asked.select_at_once()?, asked.total()?);
        let (mut transaction, prelude) = self.rows_begin(ctx, self.role(), Mode::Read).await?;
        let read = asked.at_once(&mut transaction, &prelude, &select, total.as_ref());
        match read.await? {
            Some((header, rows)) => Ok((header, stream::iter(batches(rows)).map(Ok).boxed())),
            None => {
                transaction.begins_again();
                let (header, reading) = cursor::open(transaction, &prelude, asked).await?;
                Ok((header, stream::try_unfold(reading, Reading::next).boxed()))
            }
        }
    }
}

/// A request, and what it reads from.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    source: &'a Source<'a>,
    pub(super) request: &'a SelectRequest,
}

impl Asked<'_> {
    /// Writes the statement that gives the rows.
    pub(super) fn write_rows(&self, sql: &mut Sql, limit: Option<i64>) -> Result<(), RowsError> {
        let page = Page {
            filter: self.request.filter.as_ref(),
            places: None,
            order: &self.request.order,
            limit,
            offset: self.request.offset,
        };
        write_select(sql, self.source, page, self.request.format())
    }

    /// The statement that counts the rows of the filter, or those of the page.
    fn count(&self, of_page: bool) -> Result<Sql, RowsError> {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT");
        self.source
            .write_rows(&mut sql, self.request.filter.as_ref(), true)?;
        if of_page {
            write_page(&mut sql, self.request.limit, self.request.offset);
        }
        sql.push(") AS one_row");
        Ok(sql)
    }

    /// The statement that counts all rows of the filter, if that was asked. The planner's estimate is of
    /// statistics over the rows of all tenants, so nobody is told it: counts are exact however they are asked for.
    fn total(&self) -> Result<Option<Sql>, RowsError> {
        match self.request.count() {
            CountMode::Unspecified => Ok(None),
            _ => self.count(false).map(Some),
        }
    }

    /// The statement that gives the rows, or one more than are read at once.
    fn select_at_once(&self) -> Result<Sql, RowsError> {
        let limit = self.request.limit.unwrap_or(i64::MAX);
        let mut sql = Sql::default();
        self.write_rows(&mut sql, Some(limit.min(AT_ONCE_ROWS as i64 + 1)))?;
        Ok(sql)
    }

    /// All rows in one round trip, in a transaction that has ended by then; none if they are too many.
    async fn at_once(
        &self,
        transaction: &mut Transaction,
        prelude: &str,
        select: &Sql,
        total: Option<&Sql>,
    ) -> Result<Option<(RowHeader, Vec<Bytes>)>, RowsError> {
        let ready = async {
            let total = match total {
                Some(total) => Some(transaction.ready(total).await?),
                None => None,
            };
            Ok((transaction.ready(select).await?, total))
        };
        let (select, total) = match ready.await {
            Ok(ready) => ready,
            Err(error) => {
                transaction.has_ended();
                return Err(error);
            }
        };
        let on = &*transaction;
        // Sent in this order and in one piece. Without a budget: one that the runtime made wait for its turn
        // would be overtaken.
        let (begun, zone, rows, total, ended) = unconstrained(async {
            join!(
                on.run(prelude),
                on.set_timezone(&self.request.timezone),
                few(on, select, self.request.format()),
                async {
                    match total {
                        Some(total) => total.value(on).await.map(Some),
                        None => Ok(None),
                    }
                },
                on.run("COMMIT"),
            )
        })
        .await;
        if ended.is_ok() {
            transaction.has_ended();
        }
        begun.and(zone)?;
        let (rows, total_rows) = (rows?, total?);
        ended?;
        let Some(rows) = rows else {
            return Ok(None);
        };
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(Some((self.header_of(count, total_rows)?, rows)))
    }

    /// The header of rows, of which `all` is how many there are where that is known.
    pub(super) async fn header(
        &self,
        transaction: &Transaction,
        all: Option<usize>,
    ) -> Result<RowHeader, RowsError> {
        let total: Option<i64> = match self.total()? {
            Some(total) => Some(transaction.value(&total).await?),
            None => None,
        };
        let rows = if let Some(all) = all {
            i64::try_from(all).unwrap_or(i64::MAX)
        } else if let Some(total) = total {
            let limit = self.request.limit.unwrap_or(i64::MAX).max(0);
            total.saturating_sub(self.request.offset.max(0)).clamp(0, limit)
        } else {
            transaction.value(&self.count(true)?).await?
        };
        self.header_of(rows, total)
    }

    fn header_of(&self, rows: i64, total_rows: Option<i64>) -> Result<RowHeader, RowsError> {
        if self.request.singular && rows != 1 {
            return Err(RestError::not_singular(rows.unsigned_abs()).into());
        }
        let outputs = self.source.outputs.iter();
        Ok(RowHeader {
            columns: outputs.map(|it| it.name.clone()).collect(),
            total_rows,
            rows,
        })
    }
}

/// The rows of a statement, unless they are too many.
async fn few(
    on: &Transaction,
    select: Ready<'_>,
    format: RowFormat,
) -> Result<Option<Vec<Bytes>>, RowsError> {
    let mut stream = select.stream(on).await?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stream.try_next().await? {
        let row = text(&row, format)?;
        bytes += row.len();
        if rows.len() == AT_ONCE_ROWS || bytes > AT_ONCE_BYTES {
            return Ok(None);
        }
        rows.push(row);
    }
    Ok(Some(rows))
}

fn batches(rows: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let (mut batches, mut bytes) = (Vec::<Vec<Bytes>>::new(), 0);
    for row in rows {
        bytes += row.len();
        match batches.last_mut() {
            Some(batch) if bytes <= BATCH_BYTES => batch.push(row),
            _ => {
                bytes = row.len();
                batches.push(vec![row]);
            }
        }
    }
    batches
}

/// The relation of that name.
pub(super) fn relation(name: &str) -> Result<&'static Relation, RowsError> {
    let found = Relations::contract().get(name);
    found.ok_or_else(|| Error::not_found("relation", name).into())
}

/// The rows of a statement, each in its format.
pub(super) fn texts(rows: &[Row], format: RowFormat) -> Result<Vec<Bytes>, RowsError> {
    rows.iter().map(|it| text(it, format)).collect()
}

pub(super) fn text(row: &Row, format: RowFormat) -> Result<Bytes, RowsError> {
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
