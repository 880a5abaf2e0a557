//! Transactions over the driver itself: it tells SQLSTATEs, takes values without types and sends a statement
//! that nobody has prepared in one piece.

use std::pin::Pin;

use datacovey_error::Error;
use datacovey_types::Ctx;
use futures::TryStreamExt as _;
use tokio_postgres::{Client, Row, RowStream, Statement};

use super::error::RowsError;
use super::sql::Sql;
use super::statements::Statements;
use crate::failure::Failure;
use crate::pool::{Link, Pooled};
use crate::tls::Address;
use crate::{Database, DbRole};

/// A connection for rows.
#[derive(Debug)]
pub(crate) struct RowLink {
    client: Client,
    statements: Statements,
}

impl Link for RowLink {
    async fn connect(address: &Address) -> Result<Self, Failure> {
        let (client, connection) = address.connect().await.map_err(Failure::unreachable)?;
        // Ends by itself with the connection.
        tokio::spawn(connection);
        Ok(Self {
            client,
            statements: Statements::default(),
        })
    }

    async fn run(&self, statements: &str) -> Result<(), Failure> {
        self.client
            .batch_execute(statements)
            .await
            .map_err(Failure::unreachable)
    }

    fn is_broken(&mut self) -> bool {
        self.client.is_closed()
    }
}

/// A transaction of the caller's tenant. One that is dropped takes no effect, and its connection is closed.
pub(super) struct Transaction {
    pooled: Pooled<RowLink>,
    /// The role in the database that it acts as.
    pub(super) role: DbRole,
}

/// A statement, and what its connection has prepared it as, if it has.
pub(super) struct Ready<'a> {
    sql: &'a Sql,
    statement: Option<Statement>,
}

/// How a transaction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// All statements see the same rows.
    Read,
    Write,
}

impl Database {
    /// A connection, and what has to be sent on it before anything else.
    pub(super) async fn rows_begin(
        &self,
        ctx: &Ctx,
        role: DbRole,
        mode: Mode,
    ) -> Result<(Transaction, String), RowsError> {
        // Once before the wait, so that nobody waits for a no.
        self.prelude_as(role, Some(ctx))?;
        let mut pooled = self.rows.acquire(ctx.deadline).await?;
        let mut prelude = self.prelude_as(role, Some(ctx))?;
        if mode == Mode::Read {
            let read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL cursor_tuple_fraction = 1";
            prelude = prelude.replacen("BEGIN", read, 1);
        }
        pooled.in_transaction = true;
        Ok((Transaction { pooled, role }, prelude))
    }
}

impl Transaction {
    fn client(&self) -> &Client {
        &self.pooled.connection.client
    }

    pub(super) async fn run(&self, statements: &str) -> Result<(), RowsError> {
        Ok(self.client().batch_execute(statements).await?)
    }

    pub(super) async fn execute(&self, sql: &Sql) -> Result<u64, RowsError> {
        let parameters = sql.parameters()?;
        Ok(self.client().execute_typed(&sql.text, &parameters).await?)
    }

    pub(super) async fn rows(&self, sql: &Sql) -> Result<Vec<Row>, RowsError> {
        Ok(self.stream(sql).await?.try_collect().await?)
    }

    /// The rows as they come; the driver holds back the server while nobody takes them.
    pub(super) async fn stream(&self, sql: &Sql) -> Result<Pin<Box<RowStream>>, RowsError> {
        self.ready(sql).await?.stream(self).await
    }

    /// As [`Self::rows`], of a statement that is worth no preparation.
    pub(super) async fn rows_once(&self, sql: &Sql) -> Result<Vec<Row>, RowsError> {
        Ok(self.stream_once(sql).await?.try_collect().await?)
    }

    /// As [`Self::stream`], of a statement that is worth no preparation.
    pub(super) async fn stream_once(&self, sql: &Sql) -> Result<Pin<Box<RowStream>>, RowsError> {
        let statement = None;
        Ready { sql, statement }.stream(self).await
    }

    /// A statement that is sent as soon as its rows are asked for.
    pub(super) async fn ready<'a>(&self, sql: &'a Sql) -> Result<Ready<'a>, RowsError> {
        let statement = self.pooled.connection.statements.get(self.client(), sql).await?;
        Ok(Ready { sql, statement })
    }

    /// The one value of a statement.
    pub(super) async fn value<T>(&self, sql: &Sql) -> Result<T, RowsError>
    where
        T: for<'a> tokio_postgres::types::FromSql<'a>,
    {
        self.ready(sql).await?.value(self).await
    }

    /// In which zone times with a zone are shown, from here on.
    pub(super) async fn set_timezone(&self, name: &str) -> Result<(), RowsError> {
        if name.is_empty() {
            return Ok(());
        }
        let mut sql = Sql::new("SELECT set_config('TimeZone', ");
        sql.value(name).push(", true)");
        self.execute(&sql).await.map(drop)
    }

    pub(super) async fn commit(mut self) -> Result<(), RowsError> {
        self.run("SELECT; COMMIT").await?;
        self.has_ended();
        Ok(())
    }

    /// Notes that nothing is open on the connection.
    pub(super) fn has_ended(&mut self) {
        self.pooled.in_transaction = false;
    }

    /// Notes that another transaction is about to begin on the connection.
    pub(super) fn begins_again(&mut self) {
        self.pooled.in_transaction = true;
    }

    /// Takes everything back; a connection on which that fails is dropped.
    pub(super) async fn roll_back(mut self) {
        if self.run("ROLLBACK").await.is_ok() {
            self.has_ended();
        }
    }
}

impl Ready<'_> {
    /// The rows as they come.
    pub(super) async fn stream(self, on: &Transaction) -> Result<Pin<Box<RowStream>>, RowsError> {
        let parameters = self.sql.parameters()?;
        let stream = match &self.statement {
            Some(statement) => {
                let values = parameters.iter().map(|(it, _)| *it);
                on.client().query_raw(statement, values).await?
            }
            None => on.client().query_typed_raw(&self.sql.text, parameters).await?,
        };
        Ok(Box::pin(stream))
    }

    /// The one value of the statement.
    pub(super) async fn value<T>(self, on: &Transaction) -> Result<T, RowsError>
    where
        T: for<'a> tokio_postgres::types::FromSql<'a>,
    {
        let rows: Vec<_> = self.stream(on).await?.try_collect().await?;
        let row = rows
            .first()
            .ok_or_else(|| Error::internal("a statement of one value has no row"))?;
        Ok(row.try_get(0)?)
    }
}
