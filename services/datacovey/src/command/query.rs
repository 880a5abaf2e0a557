use std::io::{self, Write};

use anyhow::bail;
use datacovey_proto::query::v1::Violation;
use serde_json::{Map, Value};

use crate::cli::{Query, RowFormat};
use crate::client::{Client, Outcome, Rows, Statement};
use crate::screen;

pub(super) async fn run(arguments: Query) -> anyhow::Result<()> {
    let client = Client::connect(&arguments.connection.endpoint, &arguments.connection.token).await?;
    let statement = Statement {
        sql: arguments.sql,
        parameters: arguments.parameters.into_iter().collect(),
    };
    if arguments.check {
        let check = client.check(&arguments.project_id, statement).await?;
        if !check.allowed {
            return refused(&check.violations);
        }
        let tables: Vec<_> = check.tables.iter().map(|table| table.name.as_str()).collect();
        return screen::print(|out| {
            writeln!(out, "may run; it touches {}", tables.join(", "))?;
            for column in &check.output_schema {
                writeln!(out, "  {}  {}", column.name, column.r#type)?;
            }
            Ok(())
        });
    }
    match client.ask(&arguments.project_id, statement).await? {
        Outcome::Refused(violations) => refused(&violations),
        Outcome::Answered(rows) => screen::print(|out| write(&rows, arguments.format, out)),
    }
}

fn refused(violations: &[Violation]) -> anyhow::Result<()> {
    let mut text = "the query is refused".to_owned();
    for violation in violations {
        text.push_str("\n  ");
        if let Some(position) = &violation.position {
            text.push_str(&format!("line {}, column {}: ", position.line, position.column));
        }
        text.push_str(&violation.message);
        if !violation.rewrite.is_empty() {
            text.push_str(&format!("\n    this would pass: {}", violation.rewrite));
        }
    }
    bail!(text)
}

fn write(rows: &Rows, format: RowFormat, out: &mut dyn Write) -> io::Result<()> {
    match format {
        RowFormat::Table => {
            let mut table = screen::table(rows.columns.iter().map(|column| &column.name));
            for row in &rows.cells {
                table.add_row(row);
            }
            writeln!(out, "{table}\n{} rows", rows.cells.len())
        }
        RowFormat::Ndjson => rows.cells.iter().try_for_each(|row| {
            let cells = rows.columns.iter().zip(row);
            let row: Map<_, _> = cells
                .map(|(column, cell)| (column.name.clone(), cell.to_json(&column.r#type)))
                .collect();
            writeln!(out, "{}", Value::Object(row))
        }),
    }
}
