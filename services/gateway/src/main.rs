//! The gateway as a process of its own.

use std::process::ExitCode;

use clap::Parser as _;
use datacovey_gateway::{Args, app};
use datacovey_server::{refuse, run};

#[tokio::main]
async fn main() -> ExitCode {
    match Args::parse().validate() {
        Ok(config) => run(config.server.clone(), async move { app(&config) }).await,
        Err(violations) => refuse(&violations),
    }
}
