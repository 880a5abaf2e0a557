//! The binary for one machine.

use std::process::ExitCode;

use clap::Parser as _;
use datacovey::interrupted::Interrupted;
use datacovey::{cli::Cli, command, report};

/// What shells give a command that ctrl-c ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    match command::run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", report::of(&error));
            if error.is::<Interrupted>() {
                return INTERRUPTED.into();
            }
            ExitCode::FAILURE
        }
    }
}
