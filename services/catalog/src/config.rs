use datacovey_error::{Violation, Violations};
use datacovey_persistence::{PoolOptions, check_url};
use datacovey_server::{ServerArgs, ServerConfig, Service};

/// The service as others know it.
pub const SERVICE: Service = Service {
    name: "catalog",
    port: 50052,
    admin_port: 9092,
    peers: &["identity"],
};

/// Flags and environment variables of the service.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "datacovey-catalog",
    version,
    about = "Projects, participants, datasets, tables and their policies"
)]
pub struct Args {
    #[command(flatten)]
    pub server: ServerArgs,
    /// The database, as postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=system; the user may act as datacovey_catalog and, to move
    /// rows in from another system, datacovey_backfill
    #[arg(
        long,
        env = "DATACOVEY_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// Connections to the database at most [default: 10]
    #[arg(long, env = "DATACOVEY_DATABASE_CONNECTIONS", value_name = "COUNT")]
    pub database_connections: Option<String>,
}

/// The service, configured.
#[derive(Clone)]
pub struct Config {
    pub server: ServerConfig,
    pub database_url: String,
    pub pool: PoolOptions,
}

impl std::fmt::Debug for Config {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("server", &self.server)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl Args {
    /// The configuration, or everything that is wrong with it.
    pub fn validate(self) -> Result<Config, Vec<Violation>> {
        let mut violations = Violations::new();
        let server = self.server.validate(SERVICE, &mut violations);
        match &self.database_url {
            None => violations.add("DATACOVEY_DATABASE_URL", "is missing"),
            Some(url) => {
                violations.take("DATACOVEY_DATABASE_URL", check_url(url));
            }
        }
        let mut pool = PoolOptions::default();
        if let Some(text) = &self.database_connections {
            let count = text.parse().ok().filter(|count| (1..=1000).contains(count));
            match count {
                Some(count) => pool.max_connections = count,
                None => violations.add(
                    "DATACOVEY_DATABASE_CONNECTIONS",
                    "is no whole number from 1 to 1000",
                ),
            }
        }
        match (server, self.database_url) {
            (Some(server), Some(database_url)) if violations.is_empty() => Ok(Config {
                server,
                database_url,
                pool,
            }),
            _ => Err(violations.into_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let server = ServerArgs {
            listen: Some("nowhere".to_owned()),
            ..ServerArgs::default()
        };
        let args = Args {
            server,
            database_url: None,
            database_connections: Some("0".to_owned()),
        };
        let fields: Vec<_> = args
            .validate()
            .unwrap_err()
            .into_iter()
            .map(|it| it.field)
            .collect();
        for field in [
            "DATACOVEY_LISTEN",
            "DATACOVEY_DATABASE_URL",
            "DATACOVEY_DATABASE_CONNECTIONS",
        ] {
            assert!(
                fields.iter().any(|it| it == field),
                "{field} is not among {fields:?}"
            );
        }
    }
}
