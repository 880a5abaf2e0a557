//! One module a command: what it does between its arguments and its last line.

mod create;
mod export;
mod import;
mod migrate;
mod query;
mod source;
mod token;
mod up;

use crate::cli::Command;

/// Runs one command to its end.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(arguments) => up::run(arguments).await,
        Command::Demo(arguments) => crate::demo::run(arguments.keep).await,
        Command::Token(arguments) => token::run(arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Import(arguments) => import::run(arguments).await,
        Command::Query(arguments) => query::run(arguments).await,
        Command::Export(arguments) => export::run(arguments).await,
    }
}
