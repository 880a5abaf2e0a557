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
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.0 {
            Some(Kind::StringValue(text)) => text.as_str().into(),
            Some(Kind::BoolValue(it)) => (*it).into(),
            Some(Kind::NumberValue(number)) => (*number).into(),
            _ => serde_json::Value::Null,
        }
    }
}

/// What became of a query.
#[derive(Clone, Debug)]
pub enum Outcome {
    Answered(Rows),
    Refused(Vec<Violation>),
}

impl Client {
    /// Checks a query, and runs it where the policies allow it.
    pub async fn ask(&self, project_id: &str, sql: &str) -> anyhow::Result<Outcome> {
        let check = self.check(project_id, sql).await?;
        if !check.allowed {
            return Ok(Outcome::Refused(check.violations));
        }
        self.run(project_id, sql).await.map(Outcome::Answered)
    }

    pub async fn check(
        &self,
        project_id: &str,
        sql: &str,
    ) -> Result<datacovey_proto::query::v1::CheckQueryResponse, tonic::Status> {
        let request = CheckQueryRequest {
            project_id: project_id.to_owned(),
            query: Some(check_query_request::Query::QueryText(sql.to_owned())),
            parameters: None,
        };
        Ok(self.queries().check_query(request).await?.into_inner())
    }

    /// Runs a query to its end and reads what it released.
    pub async fn run(&self, project_id: &str, sql: &str) -> anyhow::Result<Rows> {
        let request = CreateQueryJobRequest {
            project_id: project_id.to_owned(),
            query: Some(create_query_job_request::Query::QueryText(sql.to_owned())),
            parameters: None,
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
