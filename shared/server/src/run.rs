use std::process::ExitCode;

use datacovey_error::{Error, Violation};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::ServerConfig;
use crate::reply::causes;
use crate::serve::{Listeners, serve};
use crate::telemetry::Telemetry;

/// The life of a process that is one service: telemetry, what the service is made of (its pool,
/// the check of its schema), its ports, serving, and leaving when it is told to.
///
/// Errors are written to standard error; the exit code says whether there were any.
pub fn run<'a, F>(config: ServerConfig, app: F) -> BoxFuture<'a, ExitCode>
where
    F: Future<Output = Result<App, Error>> + Send + 'a,
{
    // What opens a service is a large future; boxed here, so that no main has to.
    Box::pin(live(config, Box::pin(app)))
}

async fn live(config: ServerConfig, app: BoxFuture<'_, Result<App, Error>>) -> ExitCode {
    let telemetry = match Telemetry::install(&config.telemetry, config.service.name) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error),
    };
    let served = open_and_serve(&config, app, &telemetry).await;
    if let Err(cause) = &served {
        tracing::error!(service = config.service.name, cause, "the service cannot run");
    }
    // It blocks; by now nothing else runs.
    let _ = tokio::task::spawn_blocking(|| telemetry.flush()).await;
    if served.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn open_and_serve(
    config: &ServerConfig,
    app: BoxFuture<'_, Result<App, Error>>,
    telemetry: &Telemetry,
) -> Result<(), String> {
    let shutdown = shutdown_signal();
    // What a service needs may be away for long; whoever is told to end meanwhile ends.
    let Some(app) = shutdown.run_until_cancelled(app).await else {
        tracing::info!(service = config.service.name, "told to end before it served");
        return Ok(());
    };
    let app = app.map_err(|error| causes(&error))?;
    let mut listeners = Listeners::bind(config.listen, config.admin_listen)
        .await
        .map_err(|error| causes(&error))?;
    listeners.tls = config.tls.clone();
    if let Some(tls) = config.peer_tls.clone() {
        tokio::spawn(tls.watch(config.service.name));
    }
    let (listen, admin) = listeners.addresses();
    tracing::info!(service = config.service.name, listen, admin, "serving");
    let metrics = Some(telemetry.metrics());
    let serving = serve(config.service, app, config.limits, listeners, metrics, shutdown);
    serving.await.map_err(|error| causes(&error))
}

/// Says everything that is wrong with a configuration.
#[must_use]
pub fn refuse(violations: &[Violation]) -> ExitCode {
    eprintln!("the configuration is wrong:");
    for violation in violations {
        eprintln!("  {}: {}", violation.field, violation.description);
    }
    ExitCode::from(2)
}

/// Cancelled when the process is told to end: SIGTERM or ctrl-c. From this call on, neither kills it.
///
/// To be called within a tokio runtime.
#[must_use]
pub fn shutdown_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let told = told_to_end();
    tokio::spawn(async move {
        told.await;
        cancelled.cancel();
    });
    token
}

#[cfg(unix)]
fn told_to_end() -> BoxFuture<'static, ()> {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => Box::pin(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, "signals cannot be caught");
            Box::pin(std::future::pending())
        }
    }
}

#[cfg(not(unix))]
fn told_to_end() -> BoxFuture<'static, ()> {
    Box::pin(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
