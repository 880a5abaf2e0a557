use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use datacovey_error::{Violation, Violations};
use datacovey_persistence::{PoolOptions, check_url};
use datacovey_server::{ServerArgs, ServerConfig, Service};

use crate::engine::EngineConfig;

/// The service as others know it.
pub const SERVICE: Service = Service {
    name: "query",
    port: 50053,
    admin_port: 9093,
    peers: &["identity", "catalog", "transfer"],
};

/// Flags and environment variables of the service.
#[derive(clap::Parser, Clone, Debug, Default)]
#[command(
    name = "datacovey-query",
    version,
    about = "Queries, their runs and their results"
)]
pub struct Args {
    #[command(flatten)]
    pub server: ServerArgs,
    /// The database, as postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=system; the user may act as datacovey_query,
    /// datacovey_query_worker and, to move rows in from another system, datacovey_backfill
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
    /// Where objects are kept, as the transfer service has it
    #[arg(long, env = "DATACOVEY_STORE", value_name = "URL")]
    pub store: Option<String>,
    /// Runs at a time [default: 2]
    #[arg(long, env = "DATACOVEY_QUERY_CONCURRENCY", value_name = "COUNT")]
    pub concurrency: Option<String>,
    /// Threads that compute [default: one for each core]
    #[arg(long, env = "DATACOVEY_QUERY_THREADS", value_name = "COUNT")]
    pub threads: Option<String>,
    /// Memory of all runs together, in mebibytes [default: a quarter of the machine's or the container's, but 1024 at
    /// least]
    #[arg(long, env = "DATACOVEY_QUERY_MEMORY_MIB", value_name = "MEBIBYTES")]
    pub memory_mib: Option<String>,
    /// What all runs together may spill to disk, in mebibytes [default: 10240]
    #[arg(long, env = "DATACOVEY_QUERY_SPILL_MIB", value_name = "MEBIBYTES")]
    pub spill_mib: Option<String>,
    /// Folder that runs spill to; of this service alone [default: a folder of the system's temporary one]
    #[arg(long, env = "DATACOVEY_QUERY_SPILL_FOLDER", value_name = "FOLDER")]
    pub spill_folder: Option<PathBuf>,
    /// Longest time of a run, in seconds [default: 600]
    #[arg(long, env = "DATACOVEY_QUERY_SECONDS", value_name = "SECONDS")]
    pub run_seconds: Option<String>,
    /// Largest result, in mebibytes [default: 256]
    #[arg(long, env = "DATACOVEY_QUERY_RESULT_MIB", value_name = "MEBIBYTES")]
    pub result_mib: Option<String>,
    /// How long results can be read, in hours [default: 168]
    #[arg(long, env = "DATACOVEY_QUERY_RESULT_HOURS", value_name = "HOURS")]
    pub result_hours: Option<String>,
    /// Runs of one tenant at a time, over all instances [default: 2]
    #[arg(long, env = "DATACOVEY_QUERY_RUNNING_PER_TENANT", value_name = "COUNT")]
    pub running_per_tenant: Option<String>,
    /// Runs of one tenant that have not ended, waiting ones included [default: 100]
    #[arg(long, env = "DATACOVEY_QUERY_OPEN_PER_TENANT", value_name = "COUNT")]
    pub open_per_tenant: Option<String>,
}

/// The service, configured.
#[derive(Clone)]
pub struct Config {
    pub server: ServerConfig,
    pub database_url: String,
    pub pool: PoolOptions,
    pub store: String,
    pub engine: EngineConfig,
    pub runs: RunLimits,
}

/// What runs may take, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    pub time: Duration,
    pub result_bytes: u64,
    pub result_lifetime: Duration,
    pub running_per_tenant: u32,
    pub open_per_tenant: u32,
}

impl std::fmt::Debug for Config {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("server", &self.server)
            .field("store", &self.store)
            .field("engine", &self.engine)
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
}

impl Args {
    /// The configuration, or everything that is wrong with it.
    ///
    /// # Errors
    /// Every violation, by the name of its environment variable.
    pub fn validate(self) -> Result<Config, Vec<Violation>> {
        let mut violations = Violations::new();
        let server = self.server.validate(SERVICE, &mut violations);
        self.complete(server, violations)
    }

    /// The same for a process that has configured the server itself.
    pub fn with_server(self, server: ServerConfig) -> Result<Config, Vec<Violation>> {
        self.complete(Some(server), Violations::new())
    }

    fn complete(
        self,
        server: Option<ServerConfig>,
        mut violations: Violations,
    ) -> Result<Config, Vec<Violation>> {
        let required = |name: &str, value: &Option<String>, violations: &mut Violations| {
            if value.is_none() {
                violations.add(name, "is missing");
            }
        };
        required("DATACOVEY_DATABASE_URL", &self.database_url, &mut violations);
        if let Some(url) = &self.database_url {
            violations.take("DATACOVEY_DATABASE_URL", check_url(url));
        }
        required("DATACOVEY_STORE", &self.store, &mut violations);
        let engine = self.engine(&mut violations);
        let runs = self.runs(&mut violations);
        let connections = &self.database_connections;
        let connections = number(
            connections,
            "DATACOVEY_DATABASE_CONNECTIONS",
            1..=1000,
            10_u32,
            &mut violations,
        );
        let config = (|| {
            let pool = PoolOptions {
                max_connections: connections? as usize,
                ..PoolOptions::default()
            };
            Some(Config {
                server: server?,
                database_url: self.database_url?,
                pool,
                store: self.store?,
                engine: engine?,
                runs: runs?,
            })
        })();
        let violations = violations.into_vec();
        config.filter(|_| violations.is_empty()).ok_or(violations)
    }

    fn engine(&self, violations: &mut Violations) -> Option<EngineConfig> {
        let cores = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
        let concurrency = number(
            &self.concurrency,
            "DATACOVEY_QUERY_CONCURRENCY",
            1..=1000,
            2,
            violations,
        );
        let threads = number(
            &self.threads,
            "DATACOVEY_QUERY_THREADS",
            1..=1000,
            cores,
            violations,
        );
        let memory = mebibytes(
            &self.memory_mib,
            "DATACOVEY_QUERY_MEMORY_MIB",
            64,
            default_memory_mib(),
            violations,
        );
        let spill = mebibytes(
            &self.spill_mib,
            "DATACOVEY_QUERY_SPILL_MIB",
            0,
            10_240,
            violations,
        );
        let temporary = || std::env::temp_dir().join(format!("datacovey-query-{}", std::process::id()));
        Some(EngineConfig {
            concurrency: NonZeroUsize::new(concurrency?)?,
            threads: NonZeroUsize::new(threads?)?,
            memory_bytes: usize::try_from(memory?).ok()?,
            spill_bytes: spill?,
            spill_folder: self.spill_folder.clone().unwrap_or_else(temporary),
        })
    }

    fn runs(&self, violations: &mut Violations) -> Option<RunLimits> {
        let time = number(
            &self.run_seconds,
            "DATACOVEY_QUERY_SECONDS",
            1..=86_400,
            600,
            violations,
        );
        let bytes = mebibytes(&self.result_mib, "DATACOVEY_QUERY_RESULT_MIB", 1, 256, violations);
        let hours = number(
            &self.result_hours,
            "DATACOVEY_QUERY_RESULT_HOURS",
            1..=8784,
            168,
            violations,
        );
        let running = number(
            &self.running_per_tenant,
            "DATACOVEY_QUERY_RUNNING_PER_TENANT",
            1..=1000,
            2,
            violations,
        );
        let open = number(
            &self.open_per_tenant,
            "DATACOVEY_QUERY_OPEN_PER_TENANT",
            1..=1_000_000,
            100,
            violations,
        );
        Some(RunLimits {
            time: Duration::from_secs(time?),
            result_bytes: bytes?,
            result_lifetime: Duration::from_secs(hours? * 3600),
            running_per_tenant: running?,
            open_per_tenant: open?,
        })
    }
}

/// A quarter of what there is, where Linux says how much that is.
fn default_memory_mib() -> u64 {
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max");
    let container = container.ok().and_then(|it| it.trim().parse::<u64>().ok());
    let machine = std::fs::read_to_string("/proc/meminfo");
    let machine = machine.ok().and_then(|it| {
        let line = it.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    });
    let bytes = container.into_iter().chain(machine).min();
    bytes.map_or(0, |bytes| (bytes / 4) >> 20).max(1024)
}

fn mebibytes(
    text: &Option<String>,
    name: &str,
    least: u64,
    default: u64,
    violations: &mut Violations,
) -> Option<u64> {
    number(text, name, least..=1 << 30, default, violations).map(|count| count << 20)
}

fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
    text: &Option<String>,
    name: &str,
    range: std::ops::RangeInclusive<T>,
    default: T,
    violations: &mut Violations,
) -> Option<T> {
    let Some(text) = text else { return Some(default) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    if number.is_none() {
        violations.add(
            name,
            format!("is no whole number from {} to {}", range.start(), range.end()),
        );
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = || Some("-1".to_owned());
        let args = Args {
            concurrency: wrong(),
            memory_mib: wrong(),
            run_seconds: wrong(),
            ..Args::default()
        };
        let fields: Vec<_> = args
            .validate()
            .unwrap_err()
            .into_iter()
            .map(|it| it.field)
            .collect();
        for field in [
            "DATACOVEY_DATABASE_URL",
            "DATACOVEY_STORE",
            "DATACOVEY_IDENTITY_URL",
            "DATACOVEY_QUERY_CONCURRENCY",
            "DATACOVEY_QUERY_MEMORY_MIB",
            "DATACOVEY_QUERY_SECONDS",
        ] {
            assert!(
                fields.iter().any(|it| it == field),
                "{field} is not among {fields:?}"
            );
        }
    }
}
