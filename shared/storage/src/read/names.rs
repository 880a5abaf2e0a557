//! Columns of a file matched with those of the table, by name.

use std::collections::{HashMap, HashSet};

use super::{MAX_NAME, ReadError, quoted, shorten};
use crate::schema::{Column, TableSchema};

/// Faults and names of a file's columns that are told at most.
const MAX_LISTED: usize = 20;

/// The columns of a file beside those of the table.
#[derive(Debug)]
pub(super) struct Matched {
    /// For each name of the file its column; none is passed over.
    pub(super) columns: Vec<Option<usize>>,
    /// The names that are passed over, in part where they are many.
    pub(super) ignored: Vec<String>,
}

/// For each name its column; everything that does not match is told at once. Columns that the table does
/// not have are passed over unless it is closed, or nothing else matches.
pub(super) fn match_columns(names: &[String], schema: &TableSchema) -> Result<Matched, ReadError> {
    let (mut faults, mut unknown, mut ignored) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let mut columns = Vec::new();
    let by_name: HashMap<&str, usize> = schema
        .columns()
        .iter()
        .enumerate()
        .map(|(at, column)| (column.name.as_str(), at))
        .collect();
    for name in names {
        let first = seen.insert(name.as_str());
        let column = by_name.get(name.as_str()).copied();
        match column {
            Some(_) if !first => faults.push(format!("the column {} occurs twice", quoted(name))),
            Some(_) => {}
            None => {
                unknown.push(format!("the table has no column {}", quoted(name)));
                ignored.push(shorten(name, MAX_NAME));
            }
        }
        columns.push(column);
    }
    for column in schema.columns() {
        if !column.nullable && !seen.contains(column.name.as_str()) {
            faults.push(format!("the required column {} is missing", quoted(&column.name)));
        }
    }
    // Where none is a column, what was read may be no names at all but the first record of a file without them.
    let is_header = columns.iter().any(Option::is_some);
    if !is_header && schema.columns().iter().any(Column::is_sensitive) {
        unknown = vec![format!(
            "none of the {} names in the file is a column of the table",
            names.len()
        )];
    }
    // Names that are not the table's may be why others are missing.
    if schema.is_closed() || !faults.is_empty() || !is_header {
        faults.extend(unknown);
    }
    if faults.is_empty() {
        if ignored.len() > MAX_LISTED {
            let more = ignored.len() - MAX_LISTED;
            ignored.truncate(MAX_LISTED);
            ignored.push(format!("and {more} more"));
        }
        return Ok(Matched { columns, ignored });
    }
    Err(ReadError::content(format!(
        "the columns of the file do not match the table: {}",
        listed(faults)
    )))
}

/// The faults in one sentence; of many the first.
pub(super) fn listed(mut faults: Vec<String>) -> String {
    let more = faults.len().saturating_sub(MAX_LISTED);
    faults.truncate(MAX_LISTED);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    faults.join("; ")
}
