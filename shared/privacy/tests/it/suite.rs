//! Runs the files of `tests/suite`.
//!
//! A case is a few lines `-- asked by: B`, optionally `-- leak: …`, a query, and one of
//!
//! ```text
//! -- refused: CODE, CODE        all codes, in any order, each as often as it is told
//! -- suppressed                 it runs and answers no row
//! -- answered: and lines        | a | b |, the rows in this order
//! -- equals:                    followed by plain SQL over the raw tables, with the threshold written out
//! -- equals in order:           the same, and the order counts
//! ```
//!
//! Cases are separated by empty lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::engine::{check, plain, run, same};
use crate::world::{self, World};

struct Case {
    place: String,
    analyst: Uuid,
    query: String,
    expected: Expected,
}

enum Expected {
    Refused(Vec<String>),
    Answered(Vec<Vec<String>>),
    Equals { sql: String, ordered: bool },
}

fn cases(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut cases = Vec::new();
    let mut line_number = 1;
    for block in text.split("\n\n") {
        let start = line_number;
        line_number += block.matches('\n').count() + 2;
        if block.lines().all(|l| l.trim().is_empty() || l.starts_with('#')) {
            continue;
        }
        let place = format!("{}:{start}", path.file_name().unwrap().to_string_lossy());
        cases.push(case(place, block));
    }
    cases
}

fn case(place: String, block: &str) -> Case {
    let (mut analyst, mut query, mut expected) = (None, String::new(), None);
    for line in block.lines().filter(|l| !l.starts_with('#')) {
        if let Some(who) = line.strip_prefix("-- asked by: ") {
            analyst = Some(match who.trim() {
                "A" => world::A,
                "B" => world::B,
                "C" => world::C,
                other => panic!("{place}: unknown tenant {other}"),
            });
        } else if line.starts_with("-- leak:") {
        } else if let Some(codes) = line.strip_prefix("-- refused: ") {
            expected = Some(Expected::Refused(
                codes.split(',').map(|c| c.trim().to_owned()).collect(),
            ));
        } else if line.trim() == "-- suppressed" || line.trim() == "-- answered:" {
            expected = Some(Expected::Answered(Vec::new()));
        } else if line.trim() == "-- equals:" || line.trim() == "-- equals in order:" {
            expected = Some(Expected::Equals {
                sql: String::new(),
                ordered: line.contains("order"),
            });
        } else {
            match &mut expected {
                None => writeln!(query, "{line}").unwrap(),
                Some(Expected::Equals { sql, .. }) => writeln!(sql, "{line}").unwrap(),
                Some(Expected::Answered(rows)) => {
                    let cells = line.trim().trim_matches('|').split('|');
                    rows.push(cells.map(|c| c.trim().to_owned()).collect());
                }
                Some(Expected::Refused(_)) => panic!("{place}: a line after the refusal: {line}"),
            }
        }
    }
    Case {
        analyst: analyst.unwrap_or_else(|| panic!("{place}: who asks?")),
        query: query.trim().to_owned(),
        expected: expected.unwrap_or_else(|| panic!("{place}: nothing is expected")),
        place,
    }
}

/// What differs from what is expected, if anything.
async fn difference(world: &World, case: &Case) -> Option<String> {
    let compiled = check(world, case.analyst, &case.query);
    let compiled = match (&case.expected, compiled) {
        (Expected::Refused(codes), Err(violations)) => {
            let mut told: Vec<String> = violations.iter().map(|v| v.code.to_string()).collect();
            let mut codes = codes.clone();
            told.sort();
            codes.sort();
            let told_all: Vec<String> = violations.iter().map(ToString::to_string).collect();
            return (told != codes).then(|| format!("refused otherwise:\n    {}", told_all.join("\n    ")));
        }
        (Expected::Refused(_), Ok(compiled)) => {
            let rows = run(world, &compiled).await;
            return Some(format!("answered: {rows:?}"));
        }
        (_, Err(violations)) => {
            let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
            return Some(format!("refused:\n    {}", told.join("\n    ")));
        }
        (_, Ok(compiled)) => compiled,
    };
    let rows = match run(world, &compiled).await {
        Ok(rows) => rows,
        Err(error) => return Some(format!("failed: {error}")),
    };
    let (expected, rows) = match &case.expected {
        Expected::Equals { sql, ordered } => {
            let (mut expected, mut rows) = (plain(world, sql).await, rows);
            if !ordered {
                expected.sort();
                rows.sort();
            }
            if expected.is_empty() {
                return Some("nothing is expected; write that it is suppressed".to_owned());
            }
            (expected, rows)
        }
        Expected::Answered(expected) => (expected.clone(), rows),
        Expected::Refused(_) => return None,
    };
    (!same(&rows, &expected)).then(|| format!("answered\n    {rows:?}\n  instead of\n    {expected:?}"))
}

/// How many cases of a file are to end in which way.
fn counted(file: &Path, cases: &[Case]) -> String {
    let of = |which: fn(&Expected) -> bool| cases.iter().filter(|case| which(&case.expected)).count();
    format!(
        "{:<20} refused {:>3}  suppressed {:>3}  answered {:>3}",
        file.file_stem().unwrap().to_string_lossy(),
        of(|it| matches!(it, Expected::Refused(_))),
        of(|it| matches!(it, Expected::Answered(rows) if rows.is_empty())),
        of(|it| matches!(it, Expected::Equals { .. })
            || matches!(it, Expected::Answered(rows) if !rows.is_empty())),
    )
}

async fn run_files(folder: &str, at_least: usize) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/suite")
        .join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&root)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    let world = world::world();
    let (mut count, mut failures) = (0, String::new());
    for file in &files {
        let cases = cases(file);
        count += cases.len();
        println!("{}", counted(file, &cases));
        for case in cases {
            if let Some(difference) = difference(&world, &case).await {
                writeln!(failures, "{}: {}\n  {difference}", case.place, case.query).unwrap();
            }
        }
    }
    println!("{folder}: {count} cases");
    assert!(failures.is_empty(), "\n{failures}");
    assert!(count >= at_least, "only {count} cases were found in {folder}");
}

#[tokio::test]
async fn attacks_fail() {
    run_files("attacks", 300).await;
}

#[tokio::test]
async fn legitimate_queries_are_answered() {
    run_files("legitimate", 110).await;
}

/// Known limits, which the project's README tells: should one of them be stopped, it is to be told otherwise.
#[tokio::test]
async fn what_thresholds_do_not_stop_is_answered() {
    run_files("hard", 4).await;
}

#[test]
fn rules_are_held_where_they_are_said_to_be() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    let read =
        |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let text = read("README.md");
    let rules = text.lines().filter(|line| line.starts_with("| H"));
    let mut count = 0;
    for rule in rules {
        let cells: Vec<&str> = rule.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, files] = cells.as_slice() else {
            panic!("{rule}")
        };
        for file in files.split(", ").map(|file| file.trim_matches('`')) {
            count += 1;
            let named = read(file);
            let mut words = named.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(
                !file.ends_with(".sql") || words.any(|word| word == *id),
                "{file} does not name {id}"
            );
        }
    }
    assert!(count >= 30, "only {count}");
}
