use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};

use crate::DbRole;
use crate::failure::Failure;
use crate::metrics::{self, InUse};
use crate::queue::Queue;
use crate::tls::Address;

/// How a pool behaves.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Connections at most.
    pub max_connections: usize,
    /// How long a call waits for a free connection, and how long a new one may take.
    pub acquire_timeout: Duration,
    /// How long a statement may run where the context has no deadline.
    pub statement_timeout: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(60),
        }
    }
}

/// What a pool lends: a connection, by the driver that speaks on it.
pub(crate) trait Link: Sized + Send + Sync + 'static {
    fn connect(address: &Address) -> impl Future<Output = Result<Self, Failure>> + Send;
    /// Runs statements that have no parameters and no rows.
    fn run(&self, statements: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    fn is_broken(&mut self) -> bool;
}

impl Link for AsyncPgConnection {
    async fn connect(address: &Address) -> Result<Self, Failure> {
        address.connect_diesel().await
    }

    async fn run(&self, statements: &str) -> Result<(), Failure> {
        let mut shared = self;
        Ok(shared.batch_execute(statements).await?)
    }

    fn is_broken(&mut self) -> bool {
        PoolableConnection::is_broken(self)
    }
}

/// Makes connections that work as one role, and throws away those that were left in the middle of
/// a transaction: a future that is dropped half-way leaves nothing open behind it.
pub(crate) struct Connector<L> {
    address: Address,
    role: DbRole,
    link: PhantomData<fn() -> L>,
}

/// The connections of one role; clones share them.
pub(crate) struct Pool<L: Link = AsyncPgConnection> {
    connections: deadpool::managed::Pool<Connector<L>>,
    role: DbRole,
    acquire_timeout: Duration,
    queue: Arc<Queue>,
}

/// A connection that is lent.
pub(crate) struct Pooled<L: Link = AsyncPgConnection> {
    object: Object<Connector<L>>,
    _in_use: InUse,
}

/// How much of a pool is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    /// Connections that work for somebody.
    pub in_use: usize,
    /// Connections that there may be.
    pub max: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
}

/// A connection, and what is known of it.
pub(crate) struct Connected<L = AsyncPgConnection> {
    pub(crate) connection: L,
    /// Set from the first statement of a transaction until its end is confirmed.
    pub(crate) in_transaction: bool,
    /// Statements that this connection has prepared: these are sent without waiting for anything.
    pub(crate) prepared: HashSet<TypeId>,
}

impl<L> fmt::Debug for Connector<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl<L> fmt::Debug for Connected<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("in_transaction", &self.in_transaction)
            .finish_non_exhaustive()
    }
}

impl<L: Link> Clone for Pool<L> {
    fn clone(&self) -> Self {
        Self {
            connections: self.connections.clone(),
            role: self.role,
            acquire_timeout: self.acquire_timeout,
            queue: self.queue.clone(),
        }
    }
}

impl<L: Link> Deref for Pooled<L> {
    type Target = Connected<L>;

    fn deref(&self) -> &Connected<L> {
        &self.object
    }
}

impl<L: Link> DerefMut for Pooled<L> {
    fn deref_mut(&mut self) -> &mut Connected<L> {
        &mut self.object
    }
}

impl<L: Link> Pool<L> {
    pub(crate) fn new(
        mut address: Address,
        role: DbRole,
        options: &PoolOptions,
        max_connections: usize,
    ) -> Result<Self, deadpool::managed::BuildError> {
        address.config.application_name(role.as_str());
        address.config.connect_timeout(options.acquire_timeout);
        let connections = deadpool::managed::Pool::builder(Connector {
            address,
            role,
            link: PhantomData,
        })
        .max_size(max_connections)
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .build()?;
        Ok(Self {
            connections,
            role,
            acquire_timeout: options.acquire_timeout,
            queue: Arc::default(),
        })
    }

    pub(crate) fn usage(&self) -> PoolUsage {
        let status = self.connections.status();
        PoolUsage {
            in_use: status.size - status.available.min(status.size),
            max: status.max_size,
            waiting: self.queue.waiting(),
        }
    }

    /// Lends a connection: at once where one is free, else to those who asked first. Nobody waits
    /// beyond its deadline. Whoever has one is a caller who waits for an answer, and gets it soon
    /// even if it is no; those without (jobs, and what looks after them) wait for their turn.
    pub(crate) async fn acquire(&self, deadline: Option<Instant>) -> Result<Pooled<L>, Failure> {
        let begun = Instant::now();
        let acquired = match self.lend(Duration::ZERO, deadline).await {
            Err(PoolError::Timeout(TimeoutType::Wait)) => self.wait(deadline).await,
            at_once => at_once,
        };
        let error = match acquired {
            Ok(object) => {
                metrics::acquired(self.role, begun.elapsed());
                return Ok(Pooled {
                    object,
                    _in_use: InUse::new(self.role),
                });
            }
            Err(error) => error,
        };
        let is_over = deadline.is_some_and(|it| it <= Instant::now());
        let (reason, failure) = match error {
            PoolError::Timeout(_) if is_over => (
                "deadline",
                Failure::Answer(datacovey_error::Error::deadline_exceeded()),
            ),
            PoolError::Timeout(TimeoutType::Wait) => {
                let busy = datacovey_error::Error::overloaded("all database connections are busy; retry");
                ("busy", Failure::Answer(busy.caused_by(error.to_string())))
            }
            PoolError::Backend(failure) => ("unreachable", failure),
            other => ("unreachable", Failure::unreachable(other.to_string())),
        };
        metrics::not_acquired(self.role, reason);
        Err(failure)
    }

    async fn wait(&self, deadline: Option<Instant>) -> Result<Object<Connector<L>>, PoolError<Failure>> {
        let now = Instant::now();
        let patience = match deadline {
            Some(_) => self.queue.patience(self.acquire_timeout, now),
            None => self.acquire_timeout,
        };
        let _place = self.queue.join(self.role, now);
        self.lend(patience, deadline).await
    }

    async fn lend(
        &self,
        wait: Duration,
        deadline: Option<Instant>,
    ) -> Result<Object<Connector<L>>, PoolError<Failure>> {
        let left = deadline.map_or(Duration::MAX, |it| it.saturating_duration_since(Instant::now()));
        let timeouts = Timeouts {
            wait: Some(wait.min(left)),
            create: Some(self.acquire_timeout.min(left)),
            recycle: None,
        };
        self.connections.timeout_get(&timeouts).await
    }
}

impl<L: Link> Manager for Connector<L> {
    type Type = Connected<L>;
    type Error = Failure;

    async fn create(&self) -> Result<Connected<L>, Failure> {
        let connection = L::connect(&self.address).await?;
        // The role of the session is the service's from the start; each transaction says it again, so
        // that a pooler between us and the server cannot lend us somebody else's session.
        let setup = format!(
            "SET ROLE {}; SET search_path = public; SET idle_in_transaction_session_timeout = '60s'",
            self.role
        );
        connection.run(&setup).await?;
        Ok(Connected {
            connection,
            in_transaction: false,
            prepared: HashSet::new(),
        })
    }

    async fn recycle(&self, connected: &mut Connected<L>, _: &Metrics) -> RecycleResult<Failure> {
        if connected.in_transaction || connected.connection.is_broken() {
            return Err(RecycleError::message("closed, or left within a transaction"));
        }
        Ok(())
    }
}
