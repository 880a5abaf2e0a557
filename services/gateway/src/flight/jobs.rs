//! The jobs that rows come from: made, waited for, and what became of them.

use datacovey_error::{Error, ErrorReason, Result, Violation};
use datacovey_proto::query::v1 as query;
use datacovey_proto::query::v1::query_job_service_client::QueryJobServiceClient;
use datacovey_proto::transfer::v1 as transfer;
use datacovey_proto::transfer::v1::export_service_client::ExportServiceClient;
use datacovey_server::error_of_peer;
use datacovey_types::Ctx;
use prost_types::value::Kind;
use prost_types::{Duration, Timestamp};
use tonic::Status;

use super::Flight;
use super::asked::{Asked, Job};

/// One wait; who has more time waits again.
pub(super) const WAIT: Duration = Duration {
    seconds: 60,
    nanos: 0,
};

/// A job whose rows can be had.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Done {
    pub(super) job: Job,
    pub(super) rows: i64,
    /// Of the file; -1 if unknown.
    pub(super) bytes: i64,
    pub(super) expires_at: Option<Timestamp>,
}

impl Flight {
    /// What is asked for, once it is there; begins it if it has to be made.
    pub(super) async fn done(&self, ctx: &Ctx, asked: Asked) -> Result<Done> {
        let job = match asked {
            Asked::Job(job) => job,
            Asked::Table {
                table,
                version,
                columns,
            } => Job::Export(self.export(ctx, &table, version, columns).await?),
            Asked::Statement {
                project_id,
                query_text,
                parameters,
            } => {
                let request = query::CreateQueryJobRequest {
                    project_id,
                    query: Some(query::create_query_job_request::Query::QueryText(query_text)),
                    parameters,
                    ..Default::default()
                };
                let mut jobs = QueryJobServiceClient::new(self.services.query.on_behalf_of(ctx));
                let job = jobs.create_query_job(request).await.map_err(of_query)?;
                Job::Query(job.into_inner().id)
            }
        };
        match job {
            Job::Export(id) => self.export_done(ctx, id).await,
            Job::Query(id) => self.query_done(ctx, id).await,
        }
    }

    async fn export(
        &self,
        ctx: &Ctx,
        table: &str,
        version: Option<i64>,
        columns: Vec<String>,
    ) -> Result<String> {
        let request = transfer::CreateExportJobRequest {
            table_id: self.table_id(ctx, table).await?,
            table_version: version,
            format: transfer::FileFormat::Arrow.into(),
            columns,
            ..Default::default()
        };
        let mut jobs = ExportServiceClient::new(self.services.transfer.on_behalf_of(ctx));
        let job = jobs.create_export_job(request).await.map_err(of_transfer)?;
        Ok(job.into_inner().id)
    }

    async fn export_done(&self, ctx: &Ctx, id: String) -> Result<Done> {
        let mut jobs = ExportServiceClient::new(self.services.transfer.on_behalf_of(ctx));
        loop {
            let request = transfer::WaitExportJobRequest {
                id: id.clone(),
                timeout: Some(WAIT),
            };
            let job = jobs.wait_export_job(request).await.map_err(of_transfer)?;
            let job = job.into_inner();
            match job.state() {
                transfer::JobState::Completed => return exported(job),
                transfer::JobState::Failed => {
                    return Err(failed("export_job", &id, job.error.unwrap_or_default()));
                }
                _ => {}
            }
        }
    }

    async fn query_done(&self, ctx: &Ctx, id: String) -> Result<Done> {
        let mut jobs = QueryJobServiceClient::new(self.services.query.on_behalf_of(ctx));
        loop {
            let request = query::WaitQueryJobRequest {
                id: id.clone(),
                timeout: Some(WAIT),
            };
            let job = jobs.wait_query_job(request).await.map_err(of_query)?;
            let job = job.into_inner();
            match job.state() {
                query::QueryJobState::Done => {
                    return Ok(Done {
                        rows: job.total_rows.unwrap_or(-1),
                        bytes: -1,
                        expires_at: job.results_expire_at,
                        job: Job::Query(id),
                    });
                }
                query::QueryJobState::Error => return Err(query_failed(job)),
                _ => {}
            }
        }
    }
}

pub(super) fn of_transfer(status: Status) -> Error {
    error_of_peer("transfer", status)
}

pub(super) fn of_query(status: Status) -> Error {
    error_of_peer("query", status)
}

fn exported(job: transfer::ExportJob) -> Result<Done> {
    if job.format() != transfer::FileFormat::Arrow {
        let what = "the export is in another format; export in Arrow what is to be read by Flight";
        return Err(Error::wrong_state(what).on("export_job", job.id));
    }
    if matches!(job.target, Some(transfer::export_job::Target::Uri(_))) {
        let what = "the file of the export went to its URI";
        return Err(Error::wrong_state(what).on("export_job", job.id));
    }
    Ok(Done {
        rows: job.rows_exported,
        bytes: job.size_bytes.unwrap_or(-1),
        expires_at: job.expires_at,
        job: Job::Export(job.id),
    })
}

fn query_failed(job: query::QueryJob) -> Error {
    let text = |name: &str| match job.error_result.as_ref()?.kind.as_ref()? {
        Kind::StructValue(error) => match error.fields.get(name)?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let reason = text("reason").and_then(|it| ErrorReason::from_str_name(&format!("ERROR_REASON_{it}")));
    let reason = reason.unwrap_or(ErrorReason::QueryFailed);
    if job.violations.is_empty() {
        let message = text("message").unwrap_or_else(|| "the query failed".to_owned());
        return of_reason("query_job", &job.id, reason, message);
    }
    let violations = job.violations.iter();
    let violations: Vec<_> = violations
        .map(|it| Violation::new("query_text", &it.message))
        .collect();
    Error::violated(reason, "the query", violations).on("query_job", job.id)
}

/// The error of an import or export as the answer of the call that waited for it.
pub(super) fn failed(kind: &'static str, id: &str, error: transfer::JobError) -> Error {
    let reason = match error.reason() {
        ErrorReason::Unspecified => ErrorReason::TransferFailed,
        reason => reason,
    };
    let told = of_reason(
        kind,
        id,
        reason,
        format!("the {kind} {id} failed: {}", error.message),
    );
    let told = match error.line {
        Some(line) => told.with("line", line),
        None => told,
    };
    match error.field.as_str() {
        "" => told,
        field => told.with("field", field),
    }
}

/// A job's error, under the code that its reason always has.
fn of_reason(kind: &'static str, id: &str, reason: ErrorReason, message: String) -> Error {
    let error = match reason {
        ErrorReason::Internal => Error::internal(message),
        ErrorReason::Unavailable => Error::unavailable("what the job needs"),
        ErrorReason::Cancelled => Error::cancelled(message),
        ErrorReason::DeadlineExceeded => Error::deadline_exceeded(),
        ErrorReason::PermissionDenied => Error::permission_denied(message),
        ErrorReason::Conflict => Error::conflict(message),
        ErrorReason::TooLarge => Error::too_large(message),
        ErrorReason::QuotaExceeded => Error::quota_exceeded("tenant", message),
        ErrorReason::Overloaded => Error::overloaded(message),
        ErrorReason::InvalidField | ErrorReason::InvalidSchema | ErrorReason::QueryRefused => {
            Error::violated(reason, "the job", vec![Violation::new("", message)])
        }
        reason => Error::precondition(reason, message),
    };
    error.on(kind, id).with(kind, id)
}

#[cfg(test)]
mod tests {
    use datacovey_error::Kind as ErrorKind;
    use prost_types::{Struct, Value};

    use super::*;

    fn job_error(reason: ErrorReason) -> transfer::JobError {
        transfer::JobError {
            reason: reason.into(),
            message: "line 3 is odd".to_owned(),
            line: Some(3),
            field: "age".to_owned(),
        }
    }

    #[test]
    fn the_error_of_a_job_names_the_job_and_the_place() {
        for (reason, kind, told) in [
            (
                ErrorReason::TransferFailed,
                ErrorKind::FailedPrecondition,
                ErrorReason::TransferFailed,
            ),
            (
                ErrorReason::Unspecified,
                ErrorKind::FailedPrecondition,
                ErrorReason::TransferFailed,
            ),
            (
                ErrorReason::TooLarge,
                ErrorKind::ResourceExhausted,
                ErrorReason::TooLarge,
            ),
            (
                ErrorReason::InvalidSchema,
                ErrorKind::InvalidArgument,
                ErrorReason::InvalidSchema,
            ),
            (
                ErrorReason::Cancelled,
                ErrorKind::Cancelled,
                ErrorReason::Cancelled,
            ),
            (
                ErrorReason::Archived,
                ErrorKind::FailedPrecondition,
                ErrorReason::Archived,
            ),
        ] {
            let error = failed("import_job", "7", job_error(reason));
            assert_eq!((error.kind(), error.reason()), (kind, told));
            assert_eq!(error.message(), "the import_job 7 failed: line 3 is odd");
            assert_eq!(error.metadata()["import_job"], "7");
            assert_eq!(
                (&*error.metadata()["line"], &*error.metadata()["field"]),
                ("3", "age")
            );
        }
        let fault = failed("import_job", "7", job_error(ErrorReason::Internal));
        assert_eq!(
            (fault.kind(), fault.message()),
            (ErrorKind::Internal, "internal error")
        );
    }

    #[test]
    fn the_error_of_a_query_says_its_reason() {
        let text = |text: &str| Value {
            kind: Some(Kind::StringValue(text.to_owned())),
        };
        let fields = [
            ("reason", text("WORLD_CHANGED")),
            ("message", text("run it again")),
        ];
        let job = query::QueryJob {
            error_result: Some(Value {
                kind: Some(Kind::StructValue(Struct {
                    fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
                })),
            }),
            ..Default::default()
        };
        let error = query_failed(job);
        assert_eq!(
            (error.kind(), error.reason(), error.message()),
            (
                ErrorKind::FailedPrecondition,
                ErrorReason::WorldChanged,
                "run it again"
            )
        );
        assert_eq!(
            query_failed(query::QueryJob::default()).reason(),
            ErrorReason::QueryFailed
        );
    }

    #[test]
    fn an_export_that_is_no_arrow_to_download_is_refused() {
        let job = |format: transfer::FileFormat| transfer::ExportJob {
            id: "7".to_owned(),
            format: format.into(),
            ..Default::default()
        };
        assert_eq!(exported(job(transfer::FileFormat::Arrow)).unwrap().bytes, -1);
        let error = exported(job(transfer::FileFormat::Csv)).unwrap_err();
        assert_eq!(error.reason(), ErrorReason::WrongState);
        let elsewhere = transfer::ExportJob {
            target: Some(transfer::export_job::Target::Uri("s3://b/x".to_owned())),
            ..job(transfer::FileFormat::Arrow)
        };
        assert!(exported(elsewhere).is_err());
    }
}
