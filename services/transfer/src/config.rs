use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use datacovey_error::{Violation, Violations};
use datacovey_jobs::WorkerOptions;
use datacovey_persistence::{PoolOptions, check_url};
use datacovey_server::{ServerArgs, ServerConfig, Service, read_value};
use datacovey_storage::StoreOptions;
use datacovey_storage::external::{Allowed, BadPrefix};
use datacovey_storage::write::WriteOptions;
use zeroize::Zeroizing;

use crate::SecretKey;

/// The service as others know it.
pub const SERVICE: Service = Service {
    name: "transfer",
    port: 50054,
    admin_port: 9094,
    peers: &["identity"],
};

const ALLOWED_PREFIXES: &str = "DATACOVEY_ALLOWED_PREFIXES";

/// Flags and environment variables of the service.
#[derive(clap::Parser, Clone, Debug, Default)]
#[command(
    name = "datacovey-transfer",
    version,
    about = "Imports, exports and table files"
)]
pub struct Args {
    #[command(flatten)]
    pub server: ServerArgs,
    /// The database, as postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=system; the user may act as datacovey_transfer,
    /// datacovey_transfer_worker and, to move rows in from another system, datacovey_backfill
    #[arg(
        long,
        env = "DATACOVEY_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// Connections to the database at most, of calls and of workers each [default: 10]
    #[arg(long, env = "DATACOVEY_DATABASE_CONNECTIONS", value_name = "COUNT")]
    pub database_connections: Option<String>,
    /// Where objects are kept: a folder, as a path or a file:// URL, or s3://bucket/path, gs:// or az://, with credentials and endpoint as AWS_*, GOOGLE_* and AZURE_* variables or the machine's identity say
    #[arg(long, env = "DATACOVEY_STORE", value_name = "URL")]
    pub store_url: Option<String>,
    /// What may be imported from and exported to by URI, as {"TENANT_ID": ["s3://bucket/path", "file:///folder"], "*": ["gs://bucket"]} where * is for all tenants: JSON, or @ and the file that holds it [default: nothing]
    #[arg(long, env = ALLOWED_PREFIXES, value_name = "JSON")]
    pub allowed_prefixes: Option<String>,
    /// The key that the secrets of projects are sealed with: 32 bytes in base64, as `openssl rand -base64 32` makes them; without it what was imported matches nothing new, so keep it as long as the data
    #[arg(
        long,
        env = "DATACOVEY_SECRET_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub secret_key: Option<String>,
    /// A file that holds the key instead, readable for its owner only
    #[arg(long, env = "DATACOVEY_SECRET_KEY_FILE", value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// Folder that imports sort in what does not fit into memory [default: the system's temporary one]
    #[arg(long, env = "DATACOVEY_TRANSFER_SPILL_FOLDER", value_name = "FOLDER")]
    pub spill_folder: Option<PathBuf>,
    /// Largest upload, in bytes, and the most that compressed content may unpack to [default: 1 TiB]
    #[arg(long, env = "DATACOVEY_MAX_UPLOAD_BYTES", value_name = "BYTES")]
    pub max_upload_bytes: Option<String>,
    /// Rows of one import at most [default: 2000000000]
    #[arg(long, env = "DATACOVEY_MAX_IMPORT_ROWS", value_name = "COUNT")]
    pub max_import_rows: Option<String>,
    /// Longest line of NDJSON and longest record of CSV, in bytes [default: 16 MiB]
    #[arg(long, env = "DATACOVEY_MAX_LINE_BYTES", value_name = "BYTES")]
    pub max_line_bytes: Option<String>,
    /// Imports and exports that this process works on at a time, of each kind [default: 4]
    #[arg(long, env = "DATACOVEY_TRANSFER_CONCURRENCY", value_name = "COUNT")]
    pub concurrency: Option<String>,
    /// Imports, and exports, of one tenant that run at a time, over all instances; fewer than one works on, so that none keeps others waiting [default: 3]
    #[arg(long, env = "DATACOVEY_TRANSFER_RUNNING_PER_TENANT", value_name = "COUNT")]
    pub running_per_tenant: Option<String>,
    /// Imports, and exports, of one tenant that wait or run at a time [default: 100]
    #[arg(long, env = "DATACOVEY_TRANSFER_OPEN_PER_TENANT", value_name = "COUNT")]
    pub open_per_tenant: Option<String>,
    /// Hours that the files of a version are kept once it is neither the newest nor read by others, until when it can be restored; at least 25, for a query may read a version for 24 [default: 168]
    #[arg(long, env = "DATACOVEY_VERSION_HOURS", value_name = "HOURS")]
    pub version_hours: Option<String>,
    /// Small files of a table from which on they are made few [default: 32]
    #[arg(long, env = "DATACOVEY_COMPACT_FROM_FILES", value_name = "COUNT")]
    pub compact_from_files: Option<String>,
}

/// The service, configured.
#[derive(Clone)]
pub struct Config {
    pub server: ServerConfig,
    pub database_url: String,
    pub pool: PoolOptions,
    pub store_url: String,
    /// What imports and exports may reach by URI.
    pub allowed: Arc<Allowed>,
    pub secret_key: SecretKey,
    pub limits: Limits,
}

/// How much one tenant, one upload and one process may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of one gRPC message.
    pub max_message_bytes: usize,
    pub max_upload_bytes: u64,
    pub max_import_rows: u64,
    /// A line of NDJSON, or a record of CSV.
    pub max_line_bytes: usize,
    /// Content gathered before it is committed.
    pub chunk_bytes: usize,
    /// An upload that is not finished by then expires.
    pub upload_lifetime: Duration,
    /// How long an exported file can be downloaded.
    pub export_lifetime: Duration,
    /// Jobs of one kind and tenant that wait or run.
    pub open_per_tenant: u32,
    /// How often a watched job's progress is sent.
    pub watch_every: Duration,
    /// How often what dead attempts left behind is looked for.
    pub sweep_every: Duration,
    /// How long after a job's end its leftovers are kept: a straggler may still write.
    pub sweep_grace: Duration,
    /// How long the files of a version are kept that is neither the newest nor read by others: longer than a
    /// query that has found them may run.
    pub version_lifetime: Duration,
    /// Small files of a table from which on they are made few.
    pub compact_from_files: u32,
    /// How often tables with so many are looked for.
    pub compact_every: Duration,
    /// How long one compaction may take.
    pub compact_lease: Duration,
    pub worker: WorkerOptions,
    pub write: WriteOptions,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A part of an upload is at most 4 MiB; what is around it is small.
            max_message_bytes: (4 << 20) + (64 << 10),
            max_upload_bytes: 1 << 40,
            max_import_rows: 2_000_000_000,
            max_line_bytes: 16 << 20,
            chunk_bytes: 8 << 20,
            upload_lifetime: Duration::from_secs(24 * 3600),
            export_lifetime: Duration::from_secs(7 * 24 * 3600),
            open_per_tenant: 100,
            watch_every: Duration::from_secs(1),
            sweep_every: Duration::from_secs(60),
            sweep_grace: Duration::from_secs(120),
            version_lifetime: hours(168),
            compact_from_files: 32,
            compact_every: Duration::from_secs(5),
            compact_lease: Duration::from_secs(600),
            worker: WorkerOptions {
                concurrency: 4,
                max_running_per_tenant: 3,
                ..WorkerOptions::default()
            },
            write: WriteOptions::default(),
        }
    }
}

impl std::fmt::Debug for Config {
    /// Without the URLs, which may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("server", &self.server)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Args {
    /// The configuration, or everything that is wrong with it.
    ///
    /// # Errors
    ///
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
        let mut required = |name, value: Option<String>| {
            value.filter(|it| !it.is_empty()).or_else(|| {
                violations.add(name, "is missing");
                None
            })
        };
        let database_url = required("DATACOVEY_DATABASE_URL", self.database_url);
        let store_url = required("DATACOVEY_STORE", self.store_url);
        let secret_key = secret_key(self.secret_key, self.secret_key_file, &mut violations);
        if let Some(url) = &database_url {
            violations.take("DATACOVEY_DATABASE_URL", check_url(url));
        }
        let allowed = self.allowed_prefixes.as_deref().filter(|text| !text.is_empty());
        let allowed = allowed.map_or_else(Allowed::default, |text| {
            allowed_prefixes(text, store_url.as_deref(), &mut violations)
        });
        let mut pool = PoolOptions::default();
        let mut limits = Limits::default();
        let worker = &mut limits.worker;
        number(
            &self.database_connections,
            "DATACOVEY_DATABASE_CONNECTIONS",
            1000,
            &mut pool.max_connections,
            &mut violations,
        );
        number(
            &self.max_upload_bytes,
            "DATACOVEY_MAX_UPLOAD_BYTES",
            1 << 50,
            &mut limits.max_upload_bytes,
            &mut violations,
        );
        number(
            &self.max_import_rows,
            "DATACOVEY_MAX_IMPORT_ROWS",
            u64::MAX,
            &mut limits.max_import_rows,
            &mut violations,
        );
        number(
            &self.max_line_bytes,
            "DATACOVEY_MAX_LINE_BYTES",
            1 << 30,
            &mut limits.max_line_bytes,
            &mut violations,
        );
        number(
            &self.concurrency,
            "DATACOVEY_TRANSFER_CONCURRENCY",
            1000,
            &mut worker.concurrency,
            &mut violations,
        );
        number(
            &self.running_per_tenant,
            "DATACOVEY_TRANSFER_RUNNING_PER_TENANT",
            1000,
            &mut worker.max_running_per_tenant,
            &mut violations,
        );
        number(
            &self.open_per_tenant,
            "DATACOVEY_TRANSFER_OPEN_PER_TENANT",
            1_000_000,
            &mut limits.open_per_tenant,
            &mut violations,
        );
        let mut version_hours = limits.version_lifetime.as_secs() / 3600;
        number_from(
            LEAST_VERSION_HOURS,
            &self.version_hours,
            "DATACOVEY_VERSION_HOURS",
            10 * 366 * 24,
            &mut version_hours,
            &mut violations,
        );
        limits.version_lifetime = hours(version_hours);
        number_from(
            2,
            &self.compact_from_files,
            "DATACOVEY_COMPACT_FROM_FILES",
            10_000,
            &mut limits.compact_from_files,
            &mut violations,
        );
        if let Some(folder) = self.spill_folder {
            if !folder.is_dir() {
                violations.add("DATACOVEY_TRANSFER_SPILL_FOLDER", "is no folder");
            }
            limits.write.unique.spill_folder = folder;
        }
        match (server, database_url, store_url, secret_key) {
            (Some(server), Some(database_url), Some(store_url), Some(secret_key))
                if violations.is_empty() =>
            {
                limits.max_message_bytes = limits.max_message_bytes.max(server.limits.max_message_bytes);
                // What is not done by then is handed back while there is still time to.
                limits.worker.grace = server.limits.drain_grace.mul_f64(0.8);
                Ok(Config {
                    server,
                    database_url,
                    pool,
                    store_url,
                    allowed: Arc::new(allowed),
                    secret_key,
                    limits,
                })
            }
            _ => Err(violations.into_vec()),
        }
    }
}

/// What the prefixes allow; none of it where anything is wrong with them.
fn allowed_prefixes(text: &str, store: Option<&str>, violations: &mut Violations) -> Allowed {
    let Some(json) = violations.take(ALLOWED_PREFIXES, read_value(text)) else {
        return Allowed::default();
    };
    let parsed = Allowed::parse(&json, store.unwrap_or_default(), &StoreOptions::default());
    parsed.unwrap_or_else(|wrong| {
        for BadPrefix { field, reason } in wrong {
            let place = if field.is_empty() {
                field
            } else {
                format!(": {field}")
            };
            violations.add(format!("{ALLOWED_PREFIXES}{place}"), reason);
        }
        Allowed::default()
    })
}

/// The key itself, or that of a file: one of the two.
fn secret_key(key: Option<String>, file: Option<PathBuf>, violations: &mut Violations) -> Option<SecretKey> {
    const KEY: &str = "DATACOVEY_SECRET_KEY";
    const FILE: &str = "DATACOVEY_SECRET_KEY_FILE";
    let key = key.filter(|it| !it.is_empty()).map(Zeroizing::new);
    match (key, file.filter(|it| !it.as_os_str().is_empty())) {
        (Some(key), None) => violations.take(KEY, SecretKey::parse(&key)),
        (None, Some(file)) => violations.take(FILE, SecretKey::from_file(&file)),
        (Some(_), Some(_)) => {
            violations.add(KEY, format!("is given beside {FILE}: one of them says the key"));
            None
        }
        (None, None) => {
            violations.add(
                KEY,
                format!("is missing: 32 bytes in base64, as `openssl rand -base64 32` makes them; or name their file in {FILE}"),
            );
            None
        }
    }
}

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

/// A query may be configured to run for 24 hours, and reads the version that it found when it began.
const LEAST_VERSION_HOURS: u8 = 25;

fn number<T: FromStr + PartialOrd + From<u8> + std::fmt::Display>(
    text: &Option<String>,
    name: &str,
    most: T,
    value: &mut T,
    violations: &mut Violations,
) {
    number_from(1, text, name, most, value, violations);
}

fn number_from<T: FromStr + PartialOrd + From<u8> + std::fmt::Display>(
    least: u8,
    text: &Option<String>,
    name: &str,
    most: T,
    value: &mut T,
    violations: &mut Violations,
) {
    let Some(text) = text else { return };
    match text.parse::<T>() {
        Ok(given) if given >= T::from(least) && given <= most => *value = given,
        _ => violations.add(name, format!("is no whole number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let zero = || Some("0".to_owned());
        let args = Args {
            server: ServerArgs {
                listen: Some("nowhere".to_owned()),
                ..ServerArgs::default()
            },
            database_url: None,
            database_connections: zero(),
            store_url: Some(String::new()),
            allowed_prefixes: Some(r#"{"*": ["http://10.0.0.1/"]}"#.to_owned()),
            secret_key: Some("c2hvcnQ=".to_owned()),
            secret_key_file: None,
            spill_folder: Some("/nowhere".into()),
            max_upload_bytes: Some("much".to_owned()),
            max_import_rows: zero(),
            max_line_bytes: zero(),
            concurrency: zero(),
            running_per_tenant: zero(),
            open_per_tenant: Some("1000001".to_owned()),
            version_hours: Some("24".to_owned()),
            compact_from_files: Some("1".to_owned()),
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
            "DATACOVEY_STORE",
            "DATACOVEY_SECRET_KEY",
            "DATACOVEY_TRANSFER_SPILL_FOLDER",
            "DATACOVEY_MAX_UPLOAD_BYTES",
            "DATACOVEY_MAX_IMPORT_ROWS",
            "DATACOVEY_MAX_LINE_BYTES",
            "DATACOVEY_TRANSFER_CONCURRENCY",
            "DATACOVEY_TRANSFER_RUNNING_PER_TENANT",
            "DATACOVEY_TRANSFER_OPEN_PER_TENANT",
            "DATACOVEY_ALLOWED_PREFIXES: *[0]",
            "DATACOVEY_VERSION_HOURS",
            "DATACOVEY_COMPACT_FROM_FILES",
        ] {
            assert!(
                fields.iter().any(|it| it == field),
                "{field} is not among {fields:?}"
            );
        }
    }

    #[test]
    fn the_secret_key_is_given_once_and_never_told() {
        let told = |key: Option<&str>, file: Option<&str>| {
            let mut violations = Violations::new();
            let key = secret_key(key.map(str::to_owned), file.map(PathBuf::from), &mut violations);
            let told: Vec<_> = violations
                .into_vec()
                .into_iter()
                .map(|it| format!("{} {}", it.field, it.description))
                .collect();
            assert_eq!(key.is_some(), told.is_empty());
            told.join("; ")
        };
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert_eq!(told(Some(key), None), "");
        assert!(told(None, None).starts_with("DATACOVEY_SECRET_KEY is missing"));
        assert!(told(Some(key), Some("/x")).contains("one of them"));
        let wrong = told(Some("c2VjcmV0"), None);
        assert!(
            wrong.contains("32 bytes in base64") && !wrong.contains("c2VjcmV0"),
            "{wrong}"
        );
        assert!(told(Some(""), Some("/nowhere/key")).starts_with("DATACOVEY_SECRET_KEY_FILE /nowhere/key"));
    }
}
