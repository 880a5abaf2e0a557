//! The gateway as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use datacovey_gateway::{app, configure};
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
    match configure(Args::parse().server) {
        Ok(config) => run(config.clone(), async move { app(&config) }).await,
        Err(violations) => refuse(&violations),
    }
}
