//! The transfer service as a process of its own.

use std::process::ExitCode;

use clap::Parser as _;
use datacovey_server::{refuse, run};
use datacovey_transfer::{Args, open};

#[tokio::main]
async fn main() -> ExitCode {
    match Args::parse().validate() {
        Ok(config) => run(config.server.clone(), open(&config)).await,
        Err(violations) => refuse(&violations),
    }
}
