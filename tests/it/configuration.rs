//! The table of all variables in the README, held against the programs that read them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use clap::Command;

use crate::programs::{machine, server, services, variable};

const BEGIN: &str =
    "<!-- written by `DATACOVEY_UPDATE=1 cargo test -p datacovey-tests --test it configuration` -->\n";
const END: &str = "<!-- end of what is written -->\n";

#[test]
fn the_readme_lists_every_variable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme
        .split_once(BEGIN)
        .expect("the README has the table's begin");
    let (there, after) = rest.split_once(END).expect("the README has the table's end");
    let table = table();
    if there == table {
        return;
    }
    if std::env::var_os("DATACOVEY_UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    panic!("the README's table of variables is not the one of the programs, which is:\n\n{table}");
}

/// What every service reads, then what each reads besides, then the binary for one machine.
fn table() -> String {
    let services = services();
    let shared = settings(&server());
    let names: BTreeSet<_> = shared.iter().map(|it| it.variable.as_str()).collect();
    let needed: Vec<_> = services
        .iter()
        .map(|it| (it.service.name, needed(it.wrong)))
        .collect();

    let mut table = String::from("| variable | needed by | what |\n|---|---|---|\n");
    row(&mut table, "**all services**", "", "");
    for setting in &shared {
        let by: Vec<_> = needed
            .iter()
            .filter(|(_, it)| it.contains(&setting.variable))
            .map(|(name, _)| *name)
            .collect();
        let by = if by.len() == services.len() {
            "all".to_owned()
        } else {
            by.join(", ")
        };
        row(&mut table, &format!("`{}`", setting.variable), &by, &setting.what);
    }
    for (program, (name, needed)) in services.iter().zip(&needed) {
        let own = settings(&(program.command)());
        let own: Vec<_> = own
            .into_iter()
            .filter(|it| !names.contains(it.variable.as_str()))
            .collect();
        if own.is_empty() {
            continue;
        }
        row(&mut table, &format!("**{name}**"), "", "");
        for setting in own {
            let by = if needed.contains(&setting.variable) {
                *name
            } else {
                ""
            };
            row(&mut table, &format!("`{}`", setting.variable), by, &setting.what);
        }
    }
    row(&mut table, "**`datacovey`, on one machine**", "", "");
    let mut seen = BTreeSet::new();
    for command in machine().get_subcommands() {
        for setting in settings(command) {
            if seen.insert(setting.variable.clone()) {
                row(&mut table, &format!("`{}`", setting.variable), "", &setting.what);
            }
        }
    }
    table
}

struct Setting {
    variable: String,
    what: String,
}

fn settings(command: &Command) -> Vec<Setting> {
    let setting = |argument: &clap::Arg| {
        let mut what = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let default: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|it| it.to_string_lossy())
            .collect();
        if !default.is_empty() {
            write!(what, " [default: {}]", default.join(", ")).unwrap();
        }
        Some(Setting {
            variable: variable(argument)?,
            what,
        })
    };
    command.get_arguments().filter_map(setting).collect()
}

/// The variables without which a service does not start: what it says of a configuration without any.
fn needed(wrong: fn(Vec<std::ffi::OsString>) -> Vec<(String, String)>) -> BTreeSet<String> {
    wrong(vec!["service".into()])
        .into_iter()
        .map(|(variable, _)| variable)
        .collect()
}

fn row(table: &mut String, variable: &str, needed: &str, what: &str) {
    let what = what.replace('|', "\\|").replace('\n', " ");
    writeln!(table, "| {variable} | {needed} | {what} |").unwrap();
}
