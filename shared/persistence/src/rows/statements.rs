//! Statements that a connection has prepared: under row-level security it takes the server longer to plan one
//! than to run it.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use tokio_postgres::{Client, Statement};

use super::error::RowsError;
use super::sql::Sql;

/// Statements of a connection at most; those go that were used the longest ago.
const MOST: NonZero<usize> = NonZero::new(200).expect("is not 0");
/// Longer ones say their values in so many words that they hardly come again.
const MAX_BYTES: usize = 16 << 10;

/// The texts that came on a connection, and from their second time on what they are prepared as: that takes a
/// round trip, which who comes once shall not wait for.
#[derive(Debug)]
pub(super) struct Statements(Mutex<LruCache<String, Option<Statement>>>);

impl Default for Statements {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl Statements {
    /// The prepared statement, if there is one or is to be one.
    pub(super) async fn get(&self, client: &Client, sql: &Sql) -> Result<Option<Statement>, RowsError> {
        if sql.text.len() > MAX_BYTES {
            return Ok(None);
        }
        match self.seen(&sql.text) {
            Some(Some(statement)) => return Ok(Some(statement)),
            Some(None) => {}
            None => return Ok(None),
        }
        let types: Vec<_> = sql.parameters()?.into_iter().map(|(_, it)| it).collect();
        let statement = client.prepare_typed(&sql.text, &types).await?;
        self.texts().put(sql.text.clone(), Some(statement.clone()));
        Ok(Some(statement))
    }

    /// What is known of a text. From now on it is.
    fn seen(&self, text: &str) -> Option<Option<Statement>> {
        let mut texts = self.texts();
        let known = texts.get(text).cloned();
        if known.is_none() {
            texts.put(text.to_owned(), None);
        }
        known
    }

    fn texts(&self) -> std::sync::MutexGuard<'_, LruCache<String, Option<Statement>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
