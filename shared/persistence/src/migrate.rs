//! Brings a database to the schema that this program knows, and tells whether it is there.

use std::collections::BTreeSet;

use diesel::QueryableByName;
use diesel::migration::{Migration, MigrationSource as _};
use diesel::pg::Pg;
use diesel::sql_types::Text;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::failure::Failure;
use crate::tls::Address;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Makes the roles; for operators who run it themselves.
pub const BOOTSTRAP: &str = include_str!("../../../migrations/bootstrap.sql");

/// Held while migrating, so that two runs do not meet.
const LOCK: i64 = 0x6461_7461_636f_7665;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a database cannot be used, in the operator's terms.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the database URL is not valid: {0}")]
    Url(tokio_postgres::Error),
    #[error("the database URL cannot be followed: {0}")]
    Tls(String),
    #[error("the pool cannot be made: {0}")]
    Pool(deadpool::managed::BuildError),
    #[error("the database cannot be used: {0}")]
    Connect(#[source] BoxError),
    #[error("the database has no schema of DataCovey; run `datacovey migrate`")]
    Empty,
    #[error("the database's schema is older than this program: {} is missing; run `datacovey migrate`", .0.join(", "))]
    Older(Vec<String>),
    #[error(
        "the database speaks {0}, and its refusals are told apart by their words; set lc_messages to C: \
         ALTER DATABASE … SET lc_messages = 'C'"
    )]
    Language(String),
    #[error("migration {version} failed: {cause}")]
    Migration { version: String, cause: BoxError },
}

impl StartError {
    pub(crate) fn connect(failure: Failure) -> Self {
        Self::Connect(match failure {
            Failure::Unreachable(cause) => cause,
            Failure::Database(error) => Box::new(error),
            Failure::Answer(error) => Box::new(error),
        })
    }
}

/// The migrations that this program knows, oldest first, by version.
pub fn known_versions() -> Result<Vec<String>, StartError> {
    Ok(all()?.iter().map(|it| it.name().version().to_string()).collect())
}

/// Makes the roles where they are missing and runs the migrations that have not been run.
/// Answers the versions it ran.
///
/// The login of `url` needs to be a member of `datacovey_owner`, and to be allowed to create roles
/// where an operator has not made them with [`BOOTSTRAP`].
pub async fn migrate(url: &str) -> Result<Vec<String>, StartError> {
    migrate_to(url, None).await
}

/// The same, up to and with version `last`: for tests of upgrades.
pub async fn migrate_to(url: &str, last: Option<&str>) -> Result<Vec<String>, StartError> {
    let address = Address::parse(url)?;
    let mut connection = address.connect_diesel().await.map_err(StartError::connect)?;
    let lock = format!("SELECT pg_advisory_lock({LOCK})");
    for script in [
        lock.as_str(),
        BOOTSTRAP,
        "SET ROLE datacovey_owner",
        "SET search_path = public",
    ] {
        connection
            .batch_execute(script)
            .await
            .map_err(|it| StartError::connect(it.into()))?;
    }
    let last = last.map(str::to_owned);
    // diesel's runner is synchronous and needs a thread to wait on; the lock goes with the connection.
    tokio::task::spawn_blocking(move || run(AsyncConnectionWrapper::from(connection), last.as_deref()))
        .await
        .map_err(|it| StartError::Connect(Box::new(it)))?
}

fn run(
    mut connection: AsyncConnectionWrapper<AsyncPgConnection>,
    last: Option<&str>,
) -> Result<Vec<String>, StartError> {
    let applied = connection.applied_migrations().map_err(StartError::Connect)?;
    let applied = applied.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let mut ran = Vec::new();
    for migration in all()? {
        let version = migration.name().version().to_string();
        if applied.contains(&version) || last.is_some_and(|last| version.as_str() > last) {
            continue;
        }
        connection
            .run_migration(&migration)
            .map_err(|cause| StartError::Migration {
                version: version.clone(),
                cause,
            })?;
        tracing::info!(version, "migrated");
        ran.push(version);
    }
    Ok(ran)
}

fn all() -> Result<Vec<Box<dyn Migration<Pg>>>, StartError> {
    let mut all: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().map_err(StartError::Connect)?;
    all.sort_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(all)
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

/// Refuses a database that lacks a migration which this program knows.
///
/// One that is ahead will do: a migration takes away nothing that the version before it uses, so a pod
/// of that version may start anew at any time of an upgrade.
pub(crate) async fn check_schema(connection: &mut AsyncPgConnection) -> Result<(), StartError> {
    let failed = |it: diesel::result::Error| StartError::connect(it.into());
    let language = words(connection, "SELECT current_setting('lc_messages') AS word")
        .await
        .map_err(failed)?;
    if let Some(other) = language.into_iter().find(|it| !is_english(it)) {
        return Err(StartError::Language(other));
    }
    let there = words(
        connection,
        "SELECT 'yes' AS word WHERE to_regclass('public.__diesel_schema_migrations') IS NOT NULL",
    );
    if there.await.map_err(failed)?.is_empty() {
        return Err(StartError::Empty);
    }
    let applied = words(
        connection,
        "SELECT version AS word FROM public.__diesel_schema_migrations",
    )
    .await;
    let applied = match applied {
        Ok(applied) => applied.into_iter().collect::<BTreeSet<_>>(),
        // Before the migration that grants it there is nothing for a service to read.
        Err(diesel::result::Error::DatabaseError(_, info))
            if info.message().starts_with("permission denied") =>
        {
            BTreeSet::new()
        }
        Err(error) => return Err(failed(error)),
    };
    let known = known_versions()?.into_iter().collect::<BTreeSet<_>>();
    let missing = known.difference(&applied).cloned().collect::<Vec<_>>();
    if !missing.is_empty() {
        return Err(StartError::Older(missing));
    }
    let ahead = applied.difference(&known).cloned().collect::<Vec<_>>();
    if !ahead.is_empty() {
        tracing::warn!(
            migrations = ahead.join(", "),
            "the database's schema is ahead of this program, which does not know these migrations; \
             run the newer version soon"
        );
    }
    Ok(())
}

async fn words(connection: &mut AsyncPgConnection, sql: &str) -> diesel::QueryResult<Vec<String>> {
    let rows: Vec<Word> = diesel::sql_query(sql).load(connection).await?;
    Ok(rows.into_iter().map(|it| it.word).collect())
}

fn is_english(lc_messages: &str) -> bool {
    let language = lc_messages.to_ascii_lowercase();
    language.is_empty()
        || language == "c"
        || language.starts_with("c.")
        || language == "posix"
        || language.starts_with("en")
}
