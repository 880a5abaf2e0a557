use std::time::{Duration, Instant};

use datacovey_server::{LogFormat, Telemetry, TelemetryConfig, shutdown_signal};

use crate::cli::Up;
use crate::data_dir::DataDir;
use crate::suite::{Settings, Suite};

pub(super) async fn run(arguments: Up) -> anyhow::Result<()> {
    let began = Instant::now();
    let otlp_endpoint = arguments.otlp_endpoint.as_deref().map(str::parse).transpose()?;
    let config = TelemetryConfig {
        log_format: arguments.log_format.into(),
        log: arguments.log,
        otlp_endpoint,
    };
    let telemetry = Telemetry::install(&config, "datacovey")?;
    let shutdown = shutdown_signal();

    let data = DataDir::open(&arguments.data_dir.data_dir)?;
    let settings = Settings {
        listen: arguments.listen,
        admin_listen: Some(arguments.admin_listen),
        grace: Duration::from_secs(arguments.grace_seconds),
        database_url: arguments.data_dir.database_url,
        temporary: false,
        cors_origins: arguments.cors_origins.unwrap_or_default(),
        allowed_prefixes: arguments.allowed_prefixes,
    };
    let started = tokio::select! {
        started = Suite::start(&data, settings, Some(&telemetry)) => started,
        () = shutdown.cancelled() => return Ok(()),
    };
    let mut suite = started?;
    let addresses: Vec<_> = suite
        .addresses()
        .iter()
        .map(|(name, address)| format!("{name} {address}"))
        .collect();
    println!(
        "ready after {:.1} s: {}",
        began.elapsed().as_secs_f64(),
        addresses.join(", ")
    );

    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        error = suite.failed() => Err(error),
    };
    suite.stop().await;
    // It blocks; by now nothing else runs.
    tokio::task::spawn_blocking(|| telemetry.flush()).await?;
    ended
}

impl From<crate::cli::LogFormat> for LogFormat {
    fn from(format: crate::cli::LogFormat) -> Self {
        match format {
            crate::cli::LogFormat::Json => Self::Json,
            crate::cli::LogFormat::Text => Self::Text,
        }
    }
}
