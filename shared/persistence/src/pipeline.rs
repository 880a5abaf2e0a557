//! A transaction of one statement, sent in one piece.
//!
//! `BEGIN` and the settings, the statement, and `COMMIT` go out together and come back together: one
//! round trip. The one danger is a statement that has to be prepared first: its preparation would be
//! sent, then `COMMIT`, and the statement itself after it. So a connection remembers what it has
//! prepared, and the first run of a statement on a connection waits before it commits.

use std::any::TypeId;

use datacovey_error::Error;
use datacovey_types::Ctx;
use diesel::pg::Pg;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel_async::methods::LoadQuery;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use futures::future::{BoxFuture, join, join3};
use tokio::task::unconstrained;

use crate::database::{ATTEMPTS, Conn, backoff};
use crate::failure::Failure;
use crate::pool::Pooled;
use crate::{Database, metrics};

/// As in a transaction: `SELECT` fails where the statement did, so that `COMMIT` is never reached.
const END: &str = "SELECT; COMMIT";

impl Database {
    /// Runs one statement in a transaction of the caller's tenant: one round trip.
    ///
    /// One that loses a race with others runs again. One whose connection is lost does not: it may
    /// have taken effect.
    ///
    /// Boxed for the same reason as [`Database::transaction`].
    pub(crate) fn fetch<'a, Q, U>(&'a self, ctx: &'a Ctx, query: Q) -> BoxFuture<'a, Result<Vec<U>, Failure>>
    where
        Q: Statement + for<'q, 'c> LoadQuery<'q, Conn<'c>, U>,
        U: Send + 'static,
    {
        Box::pin(self.send_until_won(Some(ctx), query))
    }

    /// The same before there is a tenant, for doors that find one.
    pub(crate) fn fetch_without_tenant<Q, U>(&self, query: Q) -> BoxFuture<'_, Result<Vec<U>, Failure>>
    where
        Q: Statement + for<'q, 'c> LoadQuery<'q, Conn<'c>, U>,
        U: Send + 'static,
    {
        Box::pin(self.send_until_won(None, query))
    }

    async fn send_until_won<Q, U>(&self, ctx: Option<&Ctx>, query: Q) -> Result<Vec<U>, Failure>
    where
        Q: Statement + for<'q, 'c> LoadQuery<'q, Conn<'c>, U>,
        U: Send,
    {
        let mut attempt = 1;
        loop {
            let (pooled, prelude) = self.begin(ctx).await?;
            match send(pooled, &prelude, query.clone()).await {
                Err(failure) if failure.lost_a_race() && attempt < ATTEMPTS => {
                    metrics::runs_again(self.role(), "race");
                    tracing::debug!(attempt, cause = ?failure, "the statement runs again");
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    /// The one row of a statement; [`diesel::result::Error::NotFound`] where there is none.
    pub(crate) async fn fetch_one<Q, U>(&self, ctx: &Ctx, query: Q) -> Result<U, Failure>
    where
        Q: Statement + for<'q, 'c> LoadQuery<'q, Conn<'c>, U>,
        U: Send + 'static,
    {
        self.fetch(ctx, query)
            .await?
            .into_iter()
            .next()
            .ok_or(Failure::Database(diesel::result::Error::NotFound))
    }
}

/// A statement whose text does not depend on its values, so that it can be prepared once.
pub(crate) trait Statement: AsQuery + QueryId + Clone + Send + Sync + 'static {
    /// Names the prepared statement; none where each run makes its own.
    fn prepared_as(&self) -> Option<TypeId>;
}

impl<Q> Statement for Q
where
    Q: AsQuery + QueryId + Clone + Send + Sync + 'static,
    Q::Query: QueryFragment<Pg> + QueryId,
{
    fn prepared_as(&self) -> Option<TypeId> {
        let query = self.clone().as_query();
        let is_kept = query.is_safe_to_cache_prepared(&Pg).unwrap_or(false);
        is_kept.then(<Q::Query as QueryId>::query_id).flatten()
    }
}

async fn send<Q, U>(mut pooled: Pooled, prelude: &str, query: Q) -> Result<Vec<U>, Failure>
where
    Q: Statement + for<'q, 'c> LoadQuery<'q, Conn<'c>, U>,
    U: Send,
{
    let name = query.prepared_as();
    let is_prepared = name.is_some_and(|it| pooled.prepared.contains(&it));
    pooled.in_transaction = true;
    let (ended, rows) = {
        let connection = &pooled.connection;
        let (mut begin, mut shared, mut end) = (connection, connection, connection);
        let begin = begin.batch_execute(prelude);
        // Without a budget: a statement that the runtime made wait for its turn would be overtaken.
        let statement = unconstrained(query.load::<U>(&mut shared));
        if is_prepared {
            let (begun, rows, ended) = join3(begin, statement, end.batch_execute(END)).await;
            (ended, begun.and(rows))
        } else {
            let (begun, rows) = join(begin, statement).await;
            let rows = begun.and(rows);
            let last = if rows.is_ok() { END } else { "ROLLBACK" };
            (end.batch_execute(last).await, rows)
        }
    };
    // After a failed statement `END` fails, too, and leaves the transaction open: the pool drops the
    // connection unless it can be rolled back.
    match (rows, ended) {
        (Ok(rows), Ok(())) => {
            pooled.in_transaction = false;
            pooled.prepared.extend(name);
            Ok(rows)
        }
        (Ok(_), Err(error)) => Err(error.into()),
        (Err(error), ended) => {
            let failure = Failure::from(error);
            if !failure.lost_the_connection()
                && (!is_prepared && ended.is_ok()
                    || pooled.connection.batch_execute("ROLLBACK").await.is_ok())
            {
                pooled.in_transaction = false;
            }
            Err(failure)
        }
    }
}

/// What the end of a store function makes of a failure.
pub(crate) fn answer<T>(result: Result<T, Failure>) -> Result<T, Error> {
    result.map_err(Failure::into_error)
}
