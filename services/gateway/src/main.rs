//! The gateway as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use datacovey_error::Violations;
use datacovey_gateway::{SERVICE, app};
use datacovey_server::{ServerArgs, refuse, run};

/// The one port of DataCovey: verifies who calls, and passes calls on to the services.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut violations = Violations::new();
    match Args::parse().server.validate(SERVICE, &mut violations) {
        Some(config) if violations.is_empty() => run(config.clone(), async move { app(&config) }).await,
        _ => refuse(&violations.into_vec()),
    }
}
