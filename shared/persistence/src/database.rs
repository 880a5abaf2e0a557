use std::fmt;
use std::time::{Duration, Instant};

use datacovey_error::Error;
use datacovey_types::{Ctx, Scope};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use futures::future::{BoxFuture, join};

use crate::failure::Failure;
use crate::pool::{Pool, PoolOptions, PoolUsage, Pooled};
use crate::rows::RowLink;
use crate::tls::Address;
use crate::{DbRole, StartError, metrics, migrate};

/// What the statements of a transaction are sent on: `query.load(conn)`.
///
/// It is shared, so that statements which do not need each other's answer can be sent together:
/// `futures::try_join!(a.load(&mut &*conn), b.load(&mut &*conn))`.
pub type Conn<'a> = &'a AsyncPgConnection;

/// How often a transaction is run that loses races with others, or whose connection was dead.
pub(crate) const ATTEMPTS: u32 = 5;

/// The one way to the database, as one role of it.
///
/// There is no connection without a [`Ctx`]: every statement runs in a transaction that acts for a
/// tenant, whose rows are all it sees.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// Speaks of rows whose shape a request decides; a driver of its own, which tells SQLSTATEs.
    pub(crate) rows: Pool<RowLink>,
    role: DbRole,
    statement_timeout: Duration,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What runs in a transaction: an async closure. It may run more than once, so it changes nothing
/// outside of the database.
///
/// A bound of its own because the future of an `AsyncFn` cannot be required to be `Send` otherwise.
pub trait Body<C, R>: AsyncFn(C) -> R + Fn(C) -> <Self as Body<C, R>>::Future {
    type Future: Future<Output = R>;
}

impl<F, C, R, Fut> Body<C, R> for F
where
    F: AsyncFn(C) -> R + Fn(C) -> Fut,
    Fut: Future<Output = R>,
{
    type Future = Fut;
}

impl Database {
    /// Opens a pool, and one connection to see that the database is there, lets us work as `role`
    /// and has at least the schema that this program knows.
    pub async fn open(url: &str, role: DbRole, options: PoolOptions) -> Result<Self, StartError> {
        let address = Address::parse(url)?;
        metrics::describe();
        // Opened as they are needed: a service that nobody asks for rows by REST has none of them.
        let most = options.max_connections;
        let rows = Pool::new(address.clone(), role, &options, most.div_ceil(2)).map_err(StartError::Pool)?;
        let pool = Pool::new(address, role, &options, most).map_err(StartError::Pool)?;
        metrics::may_open(role, most + most.div_ceil(2));
        let mut pooled = pool.acquire(None).await.map_err(StartError::connect)?;
        migrate::check_schema(&mut pooled.connection).await?;
        drop(pooled);
        Ok(Self {
            pool,
            rows,
            role,
            statement_timeout: options.statement_timeout,
        })
    }

    #[must_use]
    pub fn role(&self) -> DbRole {
        self.role
    }

    /// Whether the database answers: for readiness.
    pub async fn ping(&self) -> Result<(), Error> {
        let answer = async {
            let mut pooled = self.pool.acquire(None).await?;
            pooled.connection.batch_execute("SELECT").await?;
            Ok::<_, Failure>(())
        };
        answer.await.map_err(Failure::into_error)
    }

    /// How much of the pool is used now.
    #[must_use]
    pub fn pool_usage(&self) -> PoolUsage {
        self.pool.usage()
    }

    /// Runs `body` in a transaction of the caller's tenant and commits what it did.
    ///
    /// What makes the transaction the tenant's travels with the first statement, so it costs no
    /// round trip. A transaction that loses a race (serialization failure, deadlock) runs again.
    ///
    /// The future is boxed so that its being `Send` is settled here: seen from outside, a closure
    /// that borrows from its caller is not general enough for the compiler.
    pub fn transaction<'a, T, F>(&'a self, ctx: &'a Ctx, body: F) -> BoxFuture<'a, Result<T, Error>>
    where
        F: for<'r, 'c> Body<&'r mut Conn<'c>, Result<T, Failure>, Future: Send> + Send + Sync + 'a,
        T: Send + 'a,
    {
        Box::pin(self.run(ctx, body))
    }

    async fn run<T, F>(&self, ctx: &Ctx, body: F) -> Result<T, Error>
    where
        F: for<'r, 'c> Body<&'r mut Conn<'c>, Result<T, Failure>, Future: Send> + Send + Sync,
        T: Send,
    {
        let mut attempt = 1;
        loop {
            let (mut pooled, prelude) = self.begin(Some(ctx)).await.map_err(Failure::into_error)?;
            let failure = match attempt_once(&mut pooled, &prelude, &body).await {
                Ok(done) => return Ok(done),
                Err(Outcome::Unknown(failure)) => return Err(failure.into_error()),
                Err(Outcome::Nothing(failure)) => failure,
            };
            drop(pooled);
            let reason = if failure.lost_a_race() {
                "race"
            } else if failure.lost_the_connection() {
                "connection"
            } else {
                return Err(failure.into_error());
            };
            if attempt == ATTEMPTS {
                return Err(failure.into_error());
            }
            metrics::runs_again(self.role, reason);
            tracing::debug!(attempt, cause = ?failure, "the transaction runs again");
            tokio::time::sleep(backoff(attempt)).await;
            attempt += 1;
        }
    }

    /// A connection, and what makes a transaction on it the caller's. Fails where the role is not for
    /// this caller, or there is none before its deadline.
    pub(crate) async fn begin(&self, ctx: Option<&Ctx>) -> Result<(Pooled, String), Failure> {
        // Once before the wait, so that nobody waits for a no; the time that is left comes after it.
        self.prelude(ctx)?;
        let pooled = self.pool.acquire(ctx.and_then(|it| it.deadline)).await?;
        Ok((pooled, self.prelude(ctx)?))
    }

    /// What makes a transaction the caller's, as one message. Fails where the deadline has passed already, or
    /// the role is not for this caller.
    pub(crate) fn prelude(&self, ctx: Option<&Ctx>) -> Result<String, Error> {
        self.prelude_as(self.role, ctx)
    }

    /// The same as another role, which the login must be granted too. Ids and numbers only, so nothing needs
    /// quoting.
    pub(crate) fn prelude_as(&self, role: DbRole, ctx: Option<&Ctx>) -> Result<String, Error> {
        if role == DbRole::Backfill && !ctx.is_some_and(|it| it.principal.scopes.contains(Scope::Backfill)) {
            return Err(Error::permission_denied(
                "writing rows as plain data needs the scope \"backfill\"",
            ));
        }
        let mut timeout = self.statement_timeout;
        if let Some(deadline) = ctx.and_then(|it| it.deadline) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::deadline_exceeded());
            }
            timeout = timeout.min(left);
        }
        let mut prelude = format!(
            "BEGIN; SET LOCAL ROLE {role}; SET LOCAL timezone = 'UTC'; SET LOCAL statement_timeout = {}",
            timeout.as_millis().max(1)
        );
        if let Some(ctx) = ctx {
            prelude.push_str(&format!(
                "; SET LOCAL datacovey.tenant = '{}'; SET LOCAL datacovey.\"user\" = '{}'",
                ctx.tenant_id(),
                ctx.user_id()
            ));
            // The one role whose policies know the platform.
            if role == DbRole::Identity && ctx.principal.scopes.contains(Scope::Platform) {
                prelude.push_str("; SET LOCAL datacovey.platform = 'on'");
            }
        }
        Ok(prelude)
    }
}

/// What is known of a transaction that failed.
enum Outcome {
    /// Nothing of it took effect.
    Nothing(Failure),
    /// The connection was lost while it committed.
    Unknown(Failure),
}

async fn attempt_once<T, F>(pooled: &mut Pooled, prelude: &str, body: &F) -> Result<T, Outcome>
where
    F: for<'r, 'c> Body<&'r mut Conn<'c>, Result<T, Failure>, Future: Send> + Sync,
    T: Send,
{
    pooled.in_transaction = true;
    let done = {
        let connection = &pooled.connection;
        let mut shared = connection;
        let mut begin = connection;
        // Polled in this order: the prelude is on its way before the body sends anything.
        let (begun, done) = join(begin.batch_execute(prelude), body(&mut shared)).await;
        begun.map_err(Failure::from).and(done)
    };
    let end = match &done {
        // The first fails where a statement of `body` did and `body` went on: COMMIT alone would roll
        // back and say that it is done.
        Ok(_) => "SELECT; COMMIT",
        Err(failure) if failure.lost_the_connection() => return done.map_err(Outcome::Nothing),
        Err(_) => "ROLLBACK",
    };
    match (pooled.connection.batch_execute(end).await, done) {
        (Ok(()), done) => {
            pooled.in_transaction = false;
            done.map_err(Outcome::Nothing)
        }
        (Err(_), Err(failure)) => Err(Outcome::Nothing(failure)),
        (Err(error), Ok(_)) => {
            let failure = Failure::from(error);
            if failure.lost_the_connection() {
                Err(Outcome::Unknown(failure))
            } else {
                Err(Outcome::Nothing(failure))
            }
        }
    }
}

/// Short and spread out, so that those who met do not meet again.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let ceiling = 4_u64 << attempt.min(6);
    Duration::from_millis(rand::random_range(1..=ceiling))
}
