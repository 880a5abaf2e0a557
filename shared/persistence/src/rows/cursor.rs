//! Rows that do not fit into one answer: read by a cursor, as they are taken, in a transaction that ends with them.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use datacovey_proto::internal::rows::v1::RowFormat;
use futures::{TryStreamExt as _, join};
use tokio::task::unconstrained;
use tokio_postgres::RowStream;

use super::error::RowsError;
use super::link::Transaction;
use super::read::{Asked, BATCH_BYTES, RowHeader, text, texts};
use super::sql::Sql;

/// Rows of the first look.
const FIRST_ROWS: usize = 256;
/// Rows that the server is asked for at once from then on. It sends them as they are taken.
const NEXT_ROWS: usize = 4096;

/// Begins to read, in a transaction that has not begun.
pub(super) async fn open(
    transaction: Transaction,
    prelude: &str,
    asked: Asked<'_>,
) -> Result<(RowHeader, Reading), RowsError> {
    let mut declare = Sql::new("DECLARE page NO SCROLL CURSOR FOR ");
    asked.write_rows(&mut declare, asked.request.limit)?;
    let fetch = Sql::new(&format!("FETCH FORWARD {FIRST_ROWS} FROM page"));
    let opened = async {
        // Sent in this order and in one piece. Without a budget: one that the runtime made wait for its turn
        // would be overtaken.
        let (begun, zone, declared, first) = unconstrained(async {
            join!(
                transaction.run(prelude),
                transaction.set_timezone(&asked.request.timezone),
                transaction.execute(&declare),
                transaction.rows_once(&fetch)
            )
        })
        .await;
        begun.and(zone).and(declared.map(drop))?;
        let first = first?;
        let is_whole = first.len() < FIRST_ROWS;
        let header = asked
            .header(&transaction, is_whole.then_some(first.len()))
            .await?;
        Ok((header, first, is_whole))
    };
    match opened.await {
        Ok((header, first, is_whole)) => {
            let format = asked.request.format();
            let reading = Reading {
                transaction: Some(transaction),
                format,
                first: Some(texts(&first, format)?),
                fetched: None,
                is_whole,
            };
            Ok((header, reading))
        }
        Err(error) => {
            transaction.roll_back().await;
            Err(error)
        }
    }
}

/// A read that goes on.
pub(super) struct Reading {
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
    pub(super) async fn next(mut self) -> Result<Option<(Vec<Bytes>, Self)>, RowsError> {
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
                    let fetched = self.fetched.insert((transaction.stream_once(&fetch).await?, 0));
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
