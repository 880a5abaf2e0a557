//! What the demo prints: headings, prose, statements, tables.

use comfy_table::CellAlignment;
use datacovey_proto::query::v1::Violation;

use crate::client::Rows;

const INDENT: &str = "    ";
/// Rows of a result that the screen shows.
const SHOWN_ROWS: usize = 12;

/// Starts a numbered part of the story.
pub(crate) fn heading(number: usize, text: &str) {
    println!("\n{number}  {text}");
}

/// One or more lines of prose, indented below their heading.
pub(crate) fn say(text: &str) {
    for line in text.lines() {
        println!("{INDENT}{line}");
    }
}

/// Who asks what.
pub(crate) fn question(who: &str, text: &str, sql: &str) {
    println!();
    say(&format!("{who} asks: {text}"));
    for line in sql.lines() {
        println!("{INDENT}  │ {line}");
    }
}

/// A released result; numbers are aligned to the right.
pub(crate) fn rows(rows: &Rows) {
    let mut table = crate::screen::table(rows.columns.iter().map(|column| column.name.as_str()));
    for row in rows.cells.iter().take(SHOWN_ROWS) {
        table.add_row(row.iter().map(|cell| shortened(&cell.to_string())));
    }
    for (position, column) in rows.columns.iter().enumerate() {
        if column.r#type != "VARCHAR"
            && let Some(column) = table.column_mut(position)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&table.to_string());
    if rows.cells.len() > SHOWN_ROWS {
        say(&format!("… {} rows in all", rows.cells.len()));
    }
}

/// Why a query was refused, and what would pass.
pub(crate) fn refused(violations: &[Violation]) {
    for violation in violations {
        let rule = if violation.rule.is_empty() {
            String::new()
        } else {
            format!(" ({})", violation.rule)
        };
        say(&format!("✗ refused{rule}: {}", violation.message));
        if !violation.rewrite.is_empty() {
            say(&format!("  this would pass: {}", violation.rewrite));
        }
    }
}

/// Two decimals: what a person reads of an average.
fn shortened(cell: &str) -> String {
    match cell.parse::<f64>() {
        Ok(number) if cell.contains('.') => format!("{number:.2}"),
        _ => cell.to_owned(),
    }
}
