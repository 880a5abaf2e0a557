use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};

use crate::DbRole;
use crate::failure::Failure;
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

pub(crate) type Pool = deadpool::managed::Pool<Connector>;
pub(crate) type Pooled = Object<Connector>;

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

impl Connector {
    pub(crate) fn pool(
        mut address: Address,
        role: DbRole,
        options: &PoolOptions,
    ) -> Result<Pool, deadpool::managed::BuildError> {
        address.config.application_name(role.as_str());
        address.config.connect_timeout(options.acquire_timeout);
        Pool::builder(Self { address, role })
            .max_size(options.max_connections)
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts {
                wait: Some(options.acquire_timeout),
                create: Some(options.acquire_timeout),
                recycle: None,
            })
            .runtime(Runtime::Tokio1)
            .build()
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

pub(crate) async fn acquire(pool: &Pool) -> Result<Pooled, Failure> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(failure) => failure,
        PoolError::Timeout(TimeoutType::Wait) => Failure::Answer(
            datacovey_error::Error::overloaded("all database connections are busy; retry")
                .caused_by(error.to_string()),
        ),
        other => Failure::unreachable(other.to_string()),
    })
}
