use datacovey_error::{Violation, Violations};
use datacovey_persistence::{PoolOptions, check_url};
use datacovey_server::{ServerArgs, ServerConfig, Service};

/// The service as others know it. It calls none of them.
pub const SERVICE: Service = Service {
    name: "identity",
    port: 50051,
    admin_port: 9091,
    peers: &[],
};

const DATABASE_URL: &str = "DATACOVEY_DATABASE_URL";
const DATABASE_CONNECTIONS: &str = "DATACOVEY_DATABASE_CONNECTIONS";

/// Flags and environment variables of the service.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "datacovey-identity",
    version,
    about = "Tenants, users, and who a caller is"
)]
pub struct Args {
    #[command(flatten)]
    pub server: ServerArgs,
    /// The database, as postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=system; the user may act as datacovey_identity
    #[arg(long, env = DATABASE_URL, value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Connections to the database at most [default: 10]
    #[arg(long, env = DATABASE_CONNECTIONS, value_name = "COUNT")]
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
            None => violations.add(DATABASE_URL, "is missing"),
            Some(url) => {
                violations.take(DATABASE_URL, check_url(url));
            }
        }
        let mut pool = PoolOptions::default();
        if let Some(text) = &self.database_connections {
            match text.parse().ok().filter(|count| (1..=1000).contains(count)) {
                Some(count) => pool.max_connections = count,
                None => violations.add(DATABASE_CONNECTIONS, "is no whole number from 1 to 1000"),
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
        let wrong = args.validate().unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "DATACOVEY_LISTEN",
                "DATACOVEY_ISSUERS",
                DATABASE_URL,
                DATABASE_CONNECTIONS
            ]
        );
    }
}
