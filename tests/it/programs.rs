//! The programs of the suite as an operator sees them: their names, ports, variables, and what they say of
//! a configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args as _, Command, CommandFactory as _, Parser};
use datacovey_server::{ServerArgs, Service};

/// One service as a process of its own.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) service: Service,
    pub(crate) command: fn() -> Command,
    /// What is wrong with a command line, each line with the variable first; nothing if it would start.
    pub(crate) wrong: fn(Vec<OsString>) -> Vec<(String, String)>,
}

/// In the order in which a reader meets them.
pub(crate) fn services() -> [Program; 5] {
    macro_rules! program {
        ($service:ident) => {
            Program {
                service: $service::SERVICE,
                command: $service::Args::command,
                wrong: |line| match $service::Args::try_parse_from(line) {
                    Ok(args) => wrong(args.validate().map(drop)),
                    Err(error) => vec![(String::new(), error.to_string())],
                },
            }
        };
    }
    use {
        datacovey_catalog as catalog, datacovey_gateway as gateway, datacovey_identity as identity,
        datacovey_query as query, datacovey_transfer as transfer,
    };
    [
        program!(gateway),
        program!(identity),
        program!(catalog),
        program!(query),
        program!(transfer),
    ]
}

pub(crate) fn named(name: &str) -> Service {
    services()
        .into_iter()
        .map(|it| it.service)
        .find(|it| it.name == name)
        .unwrap()
}

/// What all services read.
pub(crate) fn server() -> Command {
    ServerArgs::augment_args(Command::new("service"))
}

/// The binary for one machine, whose `migrate` runs on a cluster, too.
pub(crate) fn machine() -> Command {
    datacovey::cli::Cli::command()
}

/// The variable that sets an argument.
pub(crate) fn variable(argument: &clap::Arg) -> Option<String> {
    argument.get_env().map(|name| name.to_string_lossy().into_owned())
}

/// Every metric that is told, as the sources name them.
pub(crate) fn metrics() -> BTreeSet<String> {
    named_by(["counter!(", "gauge!(", "histogram!("])
}

/// Every metric that is described to whoever scrapes it.
pub(crate) fn described_metrics() -> BTreeSet<String> {
    named_by(["describe_counter!(", "describe_gauge!(", "describe_histogram!("])
}

fn named_by(kinds: [&str; 3]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for below in ["../shared", "../services"] {
        for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(below), ".rs") {
            let source = fs::read_to_string(path).unwrap();
            for kind in kinds {
                for (at, _) in source.match_indices(kind) {
                    // `describe_counter!` is no `counter!`.
                    if source[..at].ends_with(|it: char| it == '_' || it.is_alphanumeric()) {
                        continue;
                    }
                    let name = source[at + kind.len()..]
                        .trim_start()
                        .strip_prefix('"')
                        .and_then(|it| it.split_once('"'));
                    named.extend(name.map(|(name, _)| name.to_owned()));
                }
            }
        }
    }
    named
}

/// All files below a folder whose names end so.
pub(crate) fn files(folder: &Path, ends: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ends));
        } else if path.to_str().unwrap().ends_with(ends) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn wrong(checked: Result<(), Vec<datacovey_error::Violation>>) -> Vec<(String, String)> {
    checked
        .err()
        .into_iter()
        .flatten()
        .map(|it| (it.field, it.description))
        .collect()
}
