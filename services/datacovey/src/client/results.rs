use std::collections::BTreeMap;
use std::fmt;

use anyhow::bail;
use datacovey_proto::query::v1::{
    CheckQueryRequest, CreateQueryJobRequest, OutputColumn, QueryJobState, ReadResultsRequest, ResultFormat,
    Violation, WatchQueryJobRequest, check_query_request, create_query_job_request, read_results_response,
};
use prost_types::value::Kind;
use tokio_stream::StreamExt as _;

use super::Client;

/// The released rows of a query.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub columns: Vec<OutputColumn>,
    /// One cell a column.
    pub cells: Vec<Vec<Cell>>,
}

/// A value as gRPC's JSON carries it; 64-bit integers and decimals come as text.
#[derive(Clone, Debug)]
pub struct Cell(Option<Kind>);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None | Some(Kind::NullValue(_)) => f.write_str("NULL"),
            Some(Kind::StringValue(text)) => f.write_str(text),
            Some(Kind::BoolValue(it)) => it.fmt(f),
            Some(Kind::NumberValue(number)) => number.fmt(f),
            Some(Kind::StructValue(_) | Kind::ListValue(_)) => f.write_str("…"),
        }
    }
}

impl Cell {
    /// The value as JSON; a number where the column's type is one that JSON has numbers for.
    #[must_use]
    pub fn to_json(&self, sql_type: &str) -> serde_json::Value {
        to_json(self.0.as_ref(), sql_type)
    }
}

fn to_json(kind: Option<&Kind>, sql_type: &str) -> serde_json::Value {
    match (kind, sql_type) {
        (Some(Kind::StringValue(text)), "BIGINT") => text
            .parse::<i64>()
            .map_or_else(|_| text.as_str().into(), Into::into),
        // A whole number came as a double, which would be written with a fraction.
        (Some(Kind::NumberValue(number)), "SMALLINT" | "INTEGER" | "BIGINT") => (*number as i64).into(),
        (Some(Kind::StringValue(text)), _) => text.as_str().into(),
        (Some(Kind::BoolValue(it)), _) => (*it).into(),
        (Some(Kind::NumberValue(number)), _) => (*number).into(),
        (Some(Kind::ListValue(list)), _) => {
            let item_type = sql_type.strip_suffix("[]").unwrap_or_default();
            let items = list.values.iter().map(|it| to_json(it.kind.as_ref(), item_type));
            items.collect()
        }
        _ => serde_json::Value::Null,
    }
}

/// What became of a query.
#[derive(Clone, Debug)]
pub enum Outcome {
    Answered(Rows),
    Refused(Vec<Violation>),
}

/// What is asked: the text, and the values of its parameters `$name`.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    pub sql: String,
    pub parameters: BTreeMap<String, prost_types::Value>,
}

impl From<&str> for Statement {
    fn from(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            ..Self::default()
        }
    }
}

impl Statement {
    fn parameters(&self) -> Option<prost_types::Struct> {
        let fields = self.parameters.clone();
        (!fields.is_empty()).then_some(prost_types::Struct { fields })
    }
}

impl Client {
    /// Checks a query, and runs it where the policies allow it.
    pub async fn ask(&self, project_id: &str, statement: impl Into<Statement>) -> anyhow::Result<Outcome> {
        let statement = statement.into();
        let check = self.check(project_id, statement.clone()).await?;
        if !check.allowed {
            return Ok(Outcome::Refused(check.violations));
        }
        self.run(project_id, statement).await.map(Outcome::Answered)
    }

    pub async fn check(
        &self,
        project_id: &str,
        statement: impl Into<Statement>,
    ) -> Result<datacovey_proto::query::v1::CheckQueryResponse, tonic::Status> {
        let statement = statement.into();
        let request = CheckQueryRequest {
            project_id: project_id.to_owned(),
            parameters: statement.parameters(),
            query: Some(check_query_request::Query::QueryText(statement.sql)),
        };
        Ok(self.queries().check_query(request).await?.into_inner())
    }

    /// Runs a query to its end and reads what it released.
    pub async fn run(&self, project_id: &str, statement: impl Into<Statement>) -> anyhow::Result<Rows> {
        let statement = statement.into();
        let request = CreateQueryJobRequest {
            project_id: project_id.to_owned(),
            parameters: statement.parameters(),
            query: Some(create_query_job_request::Query::QueryText(statement.sql)),
            request_id: uuid::Uuid::now_v7().to_string(),
        };
        let job = self.query_jobs().create_query_job(request).await?.into_inner();
        let mut states = self
            .query_jobs()
            .watch_query_job(WatchQueryJobRequest { id: job.id.clone() })
            .await?
            .into_inner();
        loop {
            let Some(job) = states.next().await.transpose()? else {
                bail!(
                    "the service stopped telling about the query {} before its end; ask again with its id",
                    job.id
                );
            };
            match job.state() {
                QueryJobState::Done => return self.read(&job.id).await,
                QueryJobState::Error => {
                    let text = job
                        .error_result
                        .as_ref()
                        .and_then(message_of)
                        .unwrap_or_else(|| "the query failed".into());
                    bail!("{text}");
                }
                _ => {}
            }
        }
    }

    async fn read(&self, query_job_id: &str) -> anyhow::Result<Rows> {
        let request = ReadResultsRequest {
            query_job_id: query_job_id.to_owned(),
            format: ResultFormat::Json.into(),
            start_row: 0,
            max_rows: None,
        };
        let mut parts = self.query_jobs().read_results(request).await?.into_inner();
        let mut rows = Rows::default();
        while let Some(part) = parts.next().await {
            match part?.part {
                Some(read_results_response::Part::Header(header)) => rows.columns = header.columns,
                Some(read_results_response::Part::JsonRows(page)) => {
                    rows.cells.extend(page.rows.into_iter().map(|row| {
                        let cell = |column: &OutputColumn| {
                            Cell(row.fields.get(&column.name).and_then(|it| it.kind.clone()))
                        };
                        rows.columns.iter().map(cell).collect()
                    }));
                }
                _ => {}
            }
        }
        Ok(rows)
    }
}

fn message_of(error: &prost_types::Value) -> Option<String> {
    let Some(Kind::StructValue(error)) = &error.kind else {
        return None;
    };
    match &error.fields.get("message")?.kind {
        Some(Kind::StringValue(text)) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::ListValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_numbers_where_the_column_has() {
        let text = |text: &str| Kind::StringValue(text.to_owned());
        let list = Kind::ListValue(ListValue {
            values: vec![prost_types::Value {
                kind: Some(text("7")),
            }],
        });
        for (kind, sql_type, expected) in [
            (
                text("9223372036854775807"),
                "BIGINT",
                json!(9_223_372_036_854_775_807_i64),
            ),
            (text("12"), "VARCHAR", json!("12")),
            (text("1.50"), "DECIMAL(20,2)", json!("1.50")),
            (Kind::NumberValue(3.0), "INTEGER", json!(3)),
            (Kind::NumberValue(3.0), "DOUBLE", json!(3.0)),
            (Kind::NullValue(0), "BIGINT", json!(null)),
            (list, "BIGINT[]", json!([7])),
        ] {
            assert_eq!(Cell(Some(kind)).to_json(sql_type), expected, "{sql_type}");
        }
    }
}
