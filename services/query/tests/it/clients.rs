//! Clients of the service, each for one caller.

use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::audit_service_client::AuditServiceClient;
use datacovey_proto::query::v1::budget_service_client::BudgetServiceClient;
use datacovey_proto::query::v1::query_job_service_client::QueryJobServiceClient;
use datacovey_proto::query::v1::query_service_client::QueryServiceClient;
use datacovey_proto::query::v1::read_results_response::Part;
use datacovey_server::PeerChannel;
use prost_types::Struct;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};
use uuid::Uuid;

#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub queries: QueryServiceClient<PeerChannel>,
    pub jobs: QueryJobServiceClient<PeerChannel>,
    pub budgets: BudgetServiceClient<PeerChannel>,
    pub audit: AuditServiceClient<PeerChannel>,
    pub project_id: Uuid,
}

/// All that was sent of a result.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub header: pb::ResultHeader,
    pub rows: Vec<Struct>,
    pub arrow: Vec<u8>,
    /// `row_offset` and `row_count` of each part behind the header.
    pub places: Vec<(i64, i64)>,
}

impl Caller {
    /// Starts a run of a text.
    pub(crate) async fn start(&self, text: &str) -> Result<pb::QueryJob, Status> {
        self.start_with(text, None).await
    }

    /// Starts a run of a text with values of its parameters.
    pub(crate) async fn start_with(
        &self,
        text: &str,
        parameters: Option<Struct>,
    ) -> Result<pb::QueryJob, Status> {
        let request = pb::CreateQueryJobRequest {
            project_id: self.project_id.to_string(),
            query: Some(pb::create_query_job_request::Query::QueryText(text.to_owned())),
            parameters,
            ..pb::CreateQueryJobRequest::default()
        };
        Ok(self.jobs.clone().create_query_job(request).await?.into_inner())
    }

    /// Waits until a run has ended.
    pub(crate) async fn end(&self, id: &str) -> pb::QueryJob {
        let request = pb::WaitQueryJobRequest {
            id: id.to_owned(),
            timeout: Some(prost_types::Duration {
                seconds: 60,
                nanos: 0,
            }),
        };
        let job = self
            .jobs
            .clone()
            .wait_query_job(request)
            .await
            .unwrap()
            .into_inner();
        assert!(job.ended.is_some(), "the run has not ended: {job:?}");
        job
    }

    /// Runs a text to its end.
    pub(crate) async fn run(&self, text: &str) -> pb::QueryJob {
        let job = self.start(text).await.unwrap();
        self.end(&job.id).await
    }

    /// Runs a text that succeeds, and reads its rows.
    pub(crate) async fn rows(&self, text: &str) -> Vec<Struct> {
        let job = self.run(text).await;
        assert_eq!(job.state(), pb::QueryJobState::Done, "{job:?}");
        self.read(&job.id, pb::ResultFormat::Json, 0, None)
            .await
            .unwrap()
            .rows
    }

    pub(crate) async fn read(
        &self,
        job_id: &str,
        format: pb::ResultFormat,
        start_row: i64,
        max_rows: Option<i64>,
    ) -> Result<Sent, Status> {
        let request = pb::ReadResultsRequest {
            query_job_id: job_id.to_owned(),
            format: format.into(),
            start_row,
            max_rows,
        };
        let mut stream = self.jobs.clone().read_results(request).await?.into_inner();
        let mut sent = Sent::default();
        while let Some(message) = stream.message().await? {
            if let Some(Part::Header(header)) = message.part {
                sent.header = header;
                continue;
            }
            sent.places.push((message.row_offset, message.row_count));
            match message.part {
                Some(Part::JsonRows(rows)) => sent.rows.extend(rows.rows),
                Some(Part::ArrowIpc(bytes)) => sent.arrow.extend(bytes),
                other => panic!("{other:?}"),
            }
        }
        Ok(sent)
    }

    /// The budgets of a table.
    pub(crate) async fn budget(&self, table_id: Uuid) -> Vec<pb::Budget> {
        let request = pb::GetBudgetRequest {
            table_id: table_id.to_string(),
        };
        let mut budgets = self.budgets.clone();
        budgets.get_budget(request).await.unwrap().into_inner().budgets
    }

    /// All charges that the caller may see.
    pub(crate) async fn ledger(&self) -> Vec<pb::LedgerEntry> {
        let mut budgets = self.budgets.clone();
        let ledger = budgets.list_ledger(pb::ListLedgerRequest::default()).await;
        ledger.unwrap().into_inner().entries
    }

    /// All releases that the caller may see.
    pub(crate) async fn releases(&self) -> Vec<pb::Release> {
        let mut audit = self.audit.clone();
        let releases = audit.list_releases(pb::ListReleasesRequest::default()).await;
        releases.unwrap().into_inner().releases
    }

    /// Asks for the approvals that a text needs.
    pub(crate) async fn ask(&self, text: &str) -> Result<Vec<pb::QueryApproval>, Status> {
        let request = pb::RequestApprovalRequest {
            project_id: self.project_id.to_string(),
            query: Some(pb::request_approval_request::Query::QueryText(text.to_owned())),
            ..pb::RequestApprovalRequest::default()
        };
        let answer = self.queries.clone().request_approval(request).await?;
        Ok(answer.into_inner().approvals)
    }

    pub(crate) async fn approve(&self, id: &str, etag: &str) -> Result<pb::QueryApproval, Status> {
        let request = pb::ApproveQueryRequest {
            id: id.to_owned(),
            etag: etag.to_owned(),
            request_id: String::new(),
        };
        Ok(self.queries.clone().approve_query(request).await?.into_inner())
    }

    pub(crate) async fn revoke(&self, id: &str) -> Result<pb::QueryApproval, Status> {
        let request = pb::RevokeApprovalRequest {
            id: id.to_owned(),
            ..pb::RevokeApprovalRequest::default()
        };
        Ok(self.queries.clone().revoke_approval(request).await?.into_inner())
    }

    pub(crate) async fn check(&self, text: &str) -> Result<pb::CheckQueryResponse, Status> {
        let request = pb::CheckQueryRequest {
            project_id: self.project_id.to_string(),
            query: Some(pb::check_query_request::Query::QueryText(text.to_owned())),
            parameters: None,
        };
        Ok(self.queries.clone().check_query(request).await?.into_inner())
    }
}

/// A number of a row.
pub(crate) fn number(row: &Struct, column: &str) -> f64 {
    match row.fields.get(column).and_then(|it| it.kind.as_ref()) {
        Some(prost_types::value::Kind::NumberValue(value)) => *value,
        other => panic!("{column} is {other:?}"),
    }
}

/// A text of a row.
pub(crate) fn text<'a>(row: &'a Struct, column: &str) -> &'a str {
    match row.fields.get(column).and_then(|it| it.kind.as_ref()) {
        Some(prost_types::value::Kind::StringValue(value)) => value,
        other => panic!("{column} is {other:?}"),
    }
}

pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details: ErrorDetails = status.get_error_details();
    details
        .bad_request()
        .map(|it| it.field_violations.iter().map(|it| it.field.clone()).collect())
        .unwrap_or_default()
}
