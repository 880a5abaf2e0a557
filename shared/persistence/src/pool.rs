use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use diesel_async::pooled_connection::PoolableConnection as _;
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

/// Makes connections that work as one role, and throws away those that were left in the middle of
/// a transaction: a future that is dropped half-way leaves nothing open behind it.
pub(crate) struct Connector {
    address: Address,
    role: DbRole,
}

/// The connections of one role; clones share them.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: deadpool::managed::Pool<Connector>,
    role: DbRole,
    acquire_timeout: Duration,
    queue: Arc<Queue>,
}

/// A connection that is lent.
pub(crate) struct Pooled {
    object: Object<Connector>,
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
pub(crate) struct Connected {
    pub(crate) connection: AsyncPgConnection,
    /// Set from the first statement of a transaction until its end is confirmed.
    pub(crate) in_transaction: bool,
    /// Statements that this connection has prepared: these are sent without waiting for anything.
    pub(crate) prepared: HashSet<TypeId>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("in_transaction", &self.in_transaction)
            .finish_non_exhaustive()
    }
}

impl Deref for Pooled {
    type Target = Connected;

    fn deref(&self) -> &Connected {
        &self.object
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connected {
        &mut self.object
    }
}

impl Pool {
    pub(crate) fn new(
        mut address: Address,
        role: DbRole,
        options: &PoolOptions,
    ) -> Result<Self, deadpool::managed::BuildError> {
        address.config.application_name(role.as_str());
        address.config.connect_timeout(options.acquire_timeout);
        let connections = deadpool::managed::Pool::builder(Connector { address, role })
            .max_size(options.max_connections)
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()?;
        metrics::may_open(role, options.max_connections);
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
    pub(crate) async fn acquire(&self, deadline: Option<Instant>) -> Result<Pooled, Failure> {
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

    async fn wait(&self, deadline: Option<Instant>) -> Result<Object<Connector>, PoolError<Failure>> {
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
    ) -> Result<Object<Connector>, PoolError<Failure>> {
        let left = deadline.map_or(Duration::MAX, |it| it.saturating_duration_since(Instant::now()));
        let timeouts = Timeouts {
            wait: Some(wait.min(left)),
            create: Some(self.acquire_timeout.min(left)),
            recycle: None,
        };
        self.connections.timeout_get(&timeouts).await
    }
}

impl Manager for Connector {
    type Type = Connected;
    type Error = Failure;

    async fn create(&self) -> Result<Connected, Failure> {
        let mut connection = self.address.connect_diesel().await?;
        // The role of the session is the service's from the start; each transaction says it again, so
        // that a pooler between us and the server cannot lend us somebody else's session.
        let setup = format!(
            "SET ROLE {}; SET search_path = public; SET idle_in_transaction_session_timeout = '60s'",
            self.role
        );
        connection.batch_execute(&setup).await?;
        Ok(Connected {
            connection,
            in_transaction: false,
            prepared: HashSet::new(),
        })
    }

    async fn recycle(&self, connected: &mut Connected, _: &Metrics) -> RecycleResult<Failure> {
        if connected.in_transaction || connected.connection.is_broken() {
            return Err(RecycleError::message("closed, or left within a transaction"));
        }
        Ok(())
    }
}
