use std::pin::Pin;

use datacovey_auth::authorize;
use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, list_request};
use datacovey_persistence::{EXPORT_JOB_FIELDS, ExportJob};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::export_service_server::ExportService;
use datacovey_server::{ctx, reply_stream};
use datacovey_storage::Format;
use datacovey_types::Permission::{Export, Read};
use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{field, history, message, mutation};
use crate::Transfer;
use crate::domain::file::{self, Direction};
use crate::flow::watch::{wait, watch};
use crate::flow::{WantedExport, create_export, download};

/// ExportService: exports of the caller's tenant's own tables.
#[derive(Clone, Debug)]
pub(crate) struct Exports {
    transfer: Transfer,
}

impl Exports {
    pub(crate) const fn new(transfer: Transfer) -> Self {
        Self { transfer }
    }

    fn reply(&self, job: ExportJob) -> Result<Response<pb::ExportJob>> {
        message::export_job(job, &self.transfer.limits).map(Response::new)
    }
}

#[tonic::async_trait]
impl ExportService for Exports {
    type WatchExportJobStream = Pin<Box<dyn Stream<Item = Result<pb::ExportJob, Status>> + Send>>;
    type DownloadStream = Pin<Box<dyn Stream<Item = Result<pb::DownloadResponse, Status>> + Send>>;

    async fn create_export_job(
        &self,
        request: Request<pb::CreateExportJobRequest>,
    ) -> Result<Response<pb::ExportJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Export)?;
        let wanted = parse_create(request.into_inner())?;
        let job = create_export(&self.transfer, &ctx, wanted).await?;
        Ok(self.reply(job)?)
    }

    async fn get_export_job(
        &self,
        request: Request<pb::GetExportJobRequest>,
    ) -> Result<Response<pb::ExportJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let job = self.transfer.database.export_job_get(&ctx, id).await?;
        Ok(self.reply(job)?)
    }

    async fn list_export_jobs(
        &self,
        request: Request<pb::ListExportJobsRequest>,
    ) -> Result<Response<pb::ListExportJobsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let request = request.into_inner();
        let (table_id, listing) = parse_list(&request)?;
        let database = &self.transfer.database;
        let page = database
            .export_job_list(&ctx, table_id, request.show_archived, &listing)
            .await?;
        let page = page.try_map(|job| message::export_job(job, &self.transfer.limits))?;
        Ok(Response::new(pb::ListExportJobsResponse {
            export_jobs: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_export_job(
        &self,
        request: Request<pb::CancelExportJobRequest>,
    ) -> Result<Response<pb::ExportJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Export)?;
        let request = request.into_inner();
        let mut violations = Violations::new();
        let replay = mutation::replay("CancelExportJob", &request.request_id, &request, &mut violations);
        let id = field::id("id", &request.id, &mut violations);
        let id = field::finish(violations, id)?;
        let job = self.transfer.database.export_job_cancel(&ctx, id, replay).await?;
        Ok(self.reply(job)?)
    }

    async fn wait_export_job(
        &self,
        request: Request<pb::WaitExportJobRequest>,
    ) -> Result<Response<pb::ExportJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let request = request.into_inner();
        let mut violations = Violations::new();
        let parsed = field::id("id", &request.id, &mut violations).zip(field::wait(
            "timeout",
            request.timeout,
            &mut violations,
        ));
        let (id, at_most) = field::finish(violations, parsed)?;
        let job: ExportJob = wait(&self.transfer, &ctx, id, at_most).await?;
        Ok(self.reply(job)?)
    }

    async fn watch_export_job(
        &self,
        request: Request<pb::WatchExportJobRequest>,
    ) -> Result<Response<Self::WatchExportJobStream>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let limits = self.transfer.limits.clone();
        let jobs = watch::<ExportJob>(self.transfer.clone(), ctx, id).await?;
        let messages = jobs.map(move |job| job.and_then(|job| message::export_job(job, &limits)));
        Ok(Response::new(reply_stream(messages)))
    }

    async fn download(
        &self,
        request: Request<pb::DownloadRequest>,
    ) -> Result<Response<Self::DownloadStream>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Export)?;
        let (job_id, offset) = parse_download(&request.into_inner())?;
        let parts = download(&self.transfer, &ctx, job_id, offset).await?;
        Ok(Response::new(reply_stream(parts)))
    }

    async fn list_export_job_history(
        &self,
        request: Request<pb::ListExportJobHistoryRequest>,
    ) -> Result<Response<pb::ListExportJobHistoryResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (id, listing) = history::parse_export(&request.into_inner())?;
        let database = &self.transfer.database;
        let page = database.export_job_history_list(&ctx, id, &listing).await?;
        let page = page.try_map(history::reply_export)?;
        Ok(Response::new(pb::ListExportJobHistoryResponse {
            entries: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn parse_create(request: pb::CreateExportJobRequest) -> Result<WantedExport> {
    let mut violations = Violations::new();
    let replay = mutation::replay("CreateExportJob", &request.request_id, &request, &mut violations);
    let uri = match request.target {
        Some(pb::create_export_job_request::Target::Uri(uri)) => Some(uri),
        Some(pb::create_export_job_request::Target::Download(_)) | None => None,
    };
    if request.overwrite && uri.is_none() {
        violations.add("overwrite", "is for exports to a URI");
    }
    let table_id = field::id("table_id", &request.table_id, &mut violations);
    let (format, compression) = file::output(request.format, request.compression, &mut violations);
    if request.table_version.is_some_and(|version| version < 0) {
        violations.add("table_version", "must not be negative");
    }
    let csv = match format {
        // Its options may be wrong, too.
        None => file::csv(request.csv, Some(Format::Csv), Direction::Export, &mut violations),
        format => file::csv(request.csv, format, Direction::Export, &mut violations),
    };
    let wanted = table_id.zip(format).map(|(table_id, format)| WantedExport {
        table_id,
        version: request.table_version,
        format,
        compression,
        columns: request.columns,
        csv,
        uri,
        overwrite: request.overwrite,
        replay,
    });
    field::finish(violations, wanted)
}

fn parse_list(request: &pb::ListExportJobsRequest) -> Result<(Option<Uuid>, Listing)> {
    let mut violations = Violations::new();
    let table_id = field::optional_id("table_id", request.table_id.as_deref(), &mut violations);
    let binding = Binding::new("ListExportJobs")
        .with("table_id", request.table_id.as_deref().unwrap_or_default())
        .with("show_archived", request.show_archived);
    let listing = Listing::parse(
        &EXPORT_JOB_FIELDS,
        binding,
        list_request!(request),
        &mut violations,
    );
    field::finish(violations, table_id.zip(listing))
}

fn parse_download(request: &pb::DownloadRequest) -> Result<(Uuid, u64)> {
    let mut violations = Violations::new();
    let job_id = field::id("export_job_id", &request.export_job_id, &mut violations);
    let offset = u64::try_from(request.offset).map_err(|_| "must not be negative");
    let offset = violations.take("offset", offset);
    field::finish(violations, job_id.zip(offset))
}
