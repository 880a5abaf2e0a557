pub mod files;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use datacovey_gateway::Origins;
use datacovey_types::Role;
use serde_json::Value;

use self::files::{Export, Import};
use crate::client::to_value;

/// A data clean room: organizations learn from each other's tables while nobody sees anybody's rows.
#[derive(Debug, Parser)]
#[command(
    name = "datacovey",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all services on this machine until ctrl-c.
    Up(Up),
    /// Show the main job: two organizations, real data, answers, refusals. Needs nothing; leaves nothing.
    Demo(Demo),
    /// Print a token for a tenant's user, creating both where they are missing.
    Token(Token),
    /// Bring the database to this version's schema, and nothing else.
    Migrate(Migrate),
    /// Import files into a table, which may be made of them.
    Import(Import),
    /// Run a query in a project and print its result.
    Query(Query),
    /// Export a table of your own to a file.
    Export(Export),
}

/// Where a suite on this machine keeps all it has: database, objects, keys.
#[derive(Debug, Args)]
pub struct DataDir {
    /// Folder of the suite's database, objects and keys; created where it is missing.
    #[arg(long = "data-dir", env = "DATACOVEY_DATA_DIR", default_value = ".datacovey")]
    pub data_dir: PathBuf,
    /// Use this PostgreSQL server instead of a private one in the data directory.
    #[arg(long, env = "DATACOVEY_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub data_dir: DataDir,
    /// Where the gateway listens; port 0 takes a free one.
    #[arg(long, env = "DATACOVEY_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where metrics and probes answer; port 0 takes a free one.
    #[arg(long, env = "DATACOVEY_ADMIN_LISTEN", default_value = "127.0.0.1:0")]
    pub admin_listen: SocketAddr,
    /// Origins whose pages may call from a browser, separated by commas, as http://localhost:5173; * for all, none for none; by default all of the REST API and none of gRPC-Web.
    #[arg(long, env = "DATACOVEY_CORS_ORIGINS", value_name = "ORIGINS")]
    pub cors_origins: Option<Origins>,
    /// What may be imported from and exported to by URI, as {"*": ["file:///data/in", "s3://bucket/path"]}: JSON, or @ and the file that holds it; nothing by default.
    #[arg(long, env = "DATACOVEY_ALLOWED_PREFIXES", value_name = "JSON")]
    pub allowed_prefixes: Option<String>,
    /// OTLP collector (gRPC) that traces go to, as in http://127.0.0.1:4317; none by default.
    #[arg(long, env = "DATACOVEY_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// What is logged, as info or datacovey_query=debug,warn.
    #[arg(long, env = "DATACOVEY_LOG", default_value = "warn")]
    pub log: String,
    /// How logs are written to standard error.
    #[arg(long, env = "DATACOVEY_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Seconds that running calls and jobs get to finish after SIGTERM or ctrl-c.
    #[arg(long, env = "DATACOVEY_GRACE_SECONDS", default_value_t = 20)]
    pub grace_seconds: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// A JSON object a line, for machines.
    Json,
    /// For people.
    Text,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Keep the data directory and say where it is.
    #[arg(long)]
    pub keep: bool,
}

#[derive(Debug, Args)]
pub struct Token {
    #[command(flatten)]
    pub data_dir: DataDir,
    /// Name of the tenant.
    #[arg(long)]
    pub tenant: String,
    /// Role of the user: "Org admin", "Dataset editor" or "Dataset user".
    #[arg(long, default_value = "Org admin", value_parser = parse_role)]
    pub role: Role,
    /// E-mail of the user; one made from role and tenant by default.
    #[arg(long)]
    pub email: Option<String>,
    /// Scopes beyond the role, separated by commas: platform, backfill.
    #[arg(long, value_delimiter = ',', value_parser = ["platform", "backfill"])]
    pub scope: Vec<String>,
    /// Hours until the token expires.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=720))]
    pub hours: u32,
}

#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    pub data_dir: DataDir,
}

/// Which suite to call, and as whom.
#[derive(Debug, Args)]
pub struct Connection {
    /// Address of the gateway.
    #[arg(long, env = "DATACOVEY_ENDPOINT", default_value = "http://127.0.0.1:8080")]
    pub endpoint: String,
    /// Bearer token, as `datacovey token` prints it.
    #[arg(long, env = "DATACOVEY_TOKEN", hide_env_values = true)]
    pub token: String,
}

#[derive(Debug, Args)]
pub struct Query {
    #[command(flatten)]
    pub connection: Connection,
    /// Id of the project.
    pub project_id: String,
    /// The statement; tables are named dataset.table.
    pub sql: String,
    /// Value of a parameter $name of the statement, as name=value: a number, true, false, null, or a text, which is
    /// also how dates are given; in double quotes it is a text whatever it looks like. May be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, prost_types::Value)>,
    /// Say whether it may run and what it would touch, without running it.
    #[arg(long)]
    pub check: bool,
    /// How the rows are printed.
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub format: RowFormat,
}

fn parameter(written: &str) -> Result<(String, prost_types::Value), String> {
    let (name, value) = written
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("name=value is expected")?;
    let as_text = || Value::String(value.to_owned());
    let value = match serde_json::from_str(value) {
        // From 2^53 on a number may have lost digits; as a text it keeps them.
        Ok(Value::Number(it)) if it.as_f64().is_none_or(|it| it.abs() >= 9_007_199_254_740_992.0) => {
            as_text()
        }
        Ok(Value::Array(_) | Value::Object(_)) | Err(_) => as_text(),
        Ok(scalar) => scalar,
    };
    Ok((name.to_owned(), to_value(value)))
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum RowFormat {
    /// For people.
    Table,
    /// One JSON object a line.
    Ndjson,
}

fn parse_role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| {
        let roles: Vec<_> = Role::ALL.iter().map(|role| format!("\"{role}\"")).collect();
        format!("a role is one of {}", roles.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_parameter_is_a_scalar_or_a_text() {
        use serde_json::json;
        for (written, value) in [
            ("m=7", json!(7)),
            ("m=-0.5", json!(-0.5)),
            ("m=true", json!(true)),
            ("m=null", Value::Null),
            ("m=", json!("")),
            ("m=JFK", json!("JFK")),
            ("m=\"7\"", json!("7")),
            ("m=a=b", json!("a=b")),
            ("m=2020-01-01", json!("2020-01-01")),
            ("m=9007199254740993", json!("9007199254740993")),
            ("m=[1]", json!("[1]")),
        ] {
            assert_eq!(
                parameter(written),
                Ok(("m".to_owned(), to_value(value))),
                "{written}"
            );
        }
        assert!(parameter("m").is_err() && parameter("=7").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
