use datacovey_persistence::{Database, DbRole, PoolOptions};
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};
use uuid::Uuid;

use crate::server::{Created, Server};

/// A database of one test; it is dropped with the value.
#[derive(Debug)]
pub struct TestDatabase(Created);

impl TestDatabase {
    /// A database with all migrations.
    pub async fn new() -> Self {
        Self(Server::get().await.create(true).await)
    }

    /// A database without any relation.
    pub async fn empty() -> Self {
        Self(Server::get().await.create(false).await)
    }

    /// As services open it, which are no superusers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// As the superuser of the server.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.0.admin_url
    }

    /// As a service opens it.
    pub async fn open(&self, role: DbRole) -> Database {
        Database::open(self.url(), role, PoolOptions::default())
            .await
            .expect("a pool")
    }

    /// A connection as the superuser: for rows, and for what only the server knows.
    pub async fn sql(&self) -> Sql {
        let (client, connection) = tokio_postgres::connect(self.admin_url(), NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        client.batch_execute("SET TIME ZONE 'UTC'").await.expect("UTC");
        Sql { client }
    }

    /// A connection as one role, of no tenant yet.
    pub async fn sql_as(&self, role: &str) -> Sql {
        let sql = self.sql().await;
        sql.run(&format!("SET ROLE {role}")).await.expect("a role");
        sql
    }

    /// A connection as one role for a tenant and one of its users.
    pub async fn sql_for(&self, role: &str, tenant_id: Uuid, user_id: Uuid) -> Sql {
        let sql = self.sql_as(role).await;
        sql.act_for(tenant_id, user_id).await;
        sql
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A test has one only after the server was there.
        let name = std::mem::take(&mut self.0.name);
        if let Some(server) = Server::started() {
            server.drop_later(name);
        }
    }
}

/// A plain connection for statements as text.
#[derive(Debug)]
pub struct Sql {
    client: Client,
}

impl Sql {
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sets whom the session acts for, until it is set again.
    pub async fn act_for(&self, tenant_id: Uuid, user_id: Uuid) {
        self.run(&format!(
            "SET datacovey.tenant = '{tenant_id}'; SET datacovey.\"user\" = '{user_id}'"
        ))
        .await
        .expect("settings");
    }

    /// Runs statements; answers the rows that the last one changed.
    pub async fn run(&self, sql: &str) -> Result<u64, Error> {
        let messages = self.client.simple_query(sql).await?;
        let counts = messages.iter().filter_map(|it| match it {
            SimpleQueryMessage::CommandComplete(count) => Some(*count),
            _ => None,
        });
        Ok(counts.last().unwrap_or_default())
    }

    /// The rows of one statement as text; NULL is an empty text.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        let messages = self.client.simple_query(sql).await?;
        let rows = messages.iter().filter_map(|it| match it {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or_default().to_owned())
                    .collect(),
            ),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The first column of the rows of one statement.
    pub async fn column(&self, sql: &str) -> Result<Vec<String>, Error> {
        Ok(self
            .rows(sql)
            .await?
            .into_iter()
            .filter_map(|row| row.into_iter().next())
            .collect())
    }

    /// The one value of a statement that has one.
    pub async fn value(&self, sql: &str) -> Result<String, Error> {
        Ok(self.column(sql).await?.pop().expect("a row"))
    }
}
