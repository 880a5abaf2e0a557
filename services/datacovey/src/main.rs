//! The binary for one machine.

use std::process::ExitCode;

use clap::Parser as _;
use datacovey::{cli::Cli, command, report};

#[tokio::main]
async fn main() -> ExitCode {
    match command::run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", report::of(&error));
            ExitCode::FAILURE
        }
    }
}
