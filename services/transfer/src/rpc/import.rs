use std::pin::Pin;

use datacovey_auth::authorize;
use datacovey_error::{Error, Result, Violations};
use datacovey_list::{Binding, Listing, Paging, list_request};
use datacovey_persistence::{IMPORT_JOB_FIELDS, ImportJob};
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::import_service_server::ImportService;
use datacovey_server::{ctx, reply_stream};
use datacovey_storage::Format;
use datacovey_types::Permission::{EditDatasets, Read};
use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;
use uuid::Uuid;

use super::{field, history, message, mutation};
use crate::Transfer;
use crate::domain::file::{self, Direction};
use crate::domain::options::ImportOptions;
use crate::domain::settings;
use crate::flow::watch::{wait, watch};
use crate::flow::{WantedImport, cancel_import, create_import, upload};

/// ImportService: imports of the caller's tenant into its tables.
#[derive(Clone, Debug)]
pub(crate) struct Imports {
    transfer: Transfer,
}

impl Imports {
    pub(crate) const fn new(transfer: Transfer) -> Self {
        Self { transfer }
    }

    fn reply(&self, job: ImportJob) -> Result<Response<pb::ImportJob>> {
        message::import_job(job, &self.transfer.limits).map(Response::new)
    }
}

#[tonic::async_trait]
impl ImportService for Imports {
    type WatchImportJobStream = Pin<Box<dyn Stream<Item = Result<pb::ImportJob, Status>> + Send>>;

    async fn create_import_job(
        &self,
        request: Request<pb::CreateImportJobRequest>,
    ) -> Result<Response<pb::ImportJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let wanted = parse_create(request.into_inner())?;
        let (table_id, options) = (wanted.table_id.to_string(), wanted.options.clone());
        match create_import(&self.transfer, &ctx, wanted).await? {
            Some(job) => Ok(self.reply(job)?),
            None => Ok(Response::new(message::checked_import(
                table_id,
                ctx.tenant_id().to_string(),
                options,
            ))),
        }
    }

    async fn upload(
        &self,
        request: Request<Streaming<pb::UploadRequest>>,
    ) -> Result<Response<pb::UploadResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let (transfer, messages) = (self.transfer.clone(), request.into_inner());
        // A task of its own: a call whose caller goes is dropped where it stands, with what was not committed yet.
        let uploading = async move { upload(&transfer, &ctx, messages).await };
        let uploaded = tokio::spawn(uploading.in_current_span()).await;
        Ok(Response::new(uploaded.map_err(Error::internal)??))
    }

    async fn get_upload_offset(
        &self,
        request: Request<pb::GetUploadOffsetRequest>,
    ) -> Result<Response<pb::GetUploadOffsetResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let id = field::only_id("import_job_id", &request.into_inner().import_job_id)?;
        let state = self.transfer.database.import_run_upload_state(&ctx, id).await?;
        let expires_at = state.created_at + self.transfer.limits.upload_lifetime;
        Ok(Response::new(pb::GetUploadOffsetResponse {
            committed_bytes: state.committed_bytes,
            finished: state.finished,
            expires_at: (!state.finished && !state.ended).then(|| field::timestamp(expires_at)),
        }))
    }

    async fn get_import_job(
        &self,
        request: Request<pb::GetImportJobRequest>,
    ) -> Result<Response<pb::ImportJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let job = self.transfer.database.import_job_get(&ctx, id).await?;
        Ok(self.reply(job)?)
    }

    async fn list_import_jobs(
        &self,
        request: Request<pb::ListImportJobsRequest>,
    ) -> Result<Response<pb::ListImportJobsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let request = request.into_inner();
        let (table_id, listing) = parse_list(&request)?;
        let database = &self.transfer.database;
        let page = database
            .import_job_list(&ctx, table_id, request.show_archived, &listing)
            .await?;
        let page = page.try_map(|job| message::import_job(job, &self.transfer.limits))?;
        Ok(Response::new(pb::ListImportJobsResponse {
            import_jobs: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_import_job(
        &self,
        request: Request<pb::CancelImportJobRequest>,
    ) -> Result<Response<pb::ImportJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let request = request.into_inner();
        let mut violations = Violations::new();
        let replay = mutation::replay("CancelImportJob", &request.request_id, &request, &mut violations);
        let id = field::id("id", &request.id, &mut violations);
        let id = field::finish(violations, id)?;
        let job = cancel_import(&self.transfer, &ctx, id, replay).await?;
        Ok(self.reply(job)?)
    }

    async fn wait_import_job(
        &self,
        request: Request<pb::WaitImportJobRequest>,
    ) -> Result<Response<pb::ImportJob>, Status> {
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
        let job: ImportJob = wait(&self.transfer, &ctx, id, at_most).await?;
        Ok(self.reply(job)?)
    }

    async fn watch_import_job(
        &self,
        request: Request<pb::WatchImportJobRequest>,
    ) -> Result<Response<Self::WatchImportJobStream>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let limits = self.transfer.limits.clone();
        let jobs = watch::<ImportJob>(self.transfer.clone(), ctx, id).await?;
        let messages = jobs.map(move |job| job.and_then(|job| message::import_job(job, &limits)));
        Ok(Response::new(reply_stream(messages)))
    }

    async fn list_rejected_rows(
        &self,
        request: Request<pb::ListRejectedRowsRequest>,
    ) -> Result<Response<pb::ListRejectedRowsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (job_id, paging) = parse_rejected(&request.into_inner())?;
        let page = self
            .transfer
            .database
            .rejected_row_list(&ctx, job_id, &paging)
            .await?;
        Ok(Response::new(pb::ListRejectedRowsResponse {
            rejected_rows: page.rows.into_iter().map(message::rejected_row).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn list_import_job_history(
        &self,
        request: Request<pb::ListImportJobHistoryRequest>,
    ) -> Result<Response<pb::ListImportJobHistoryResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (id, listing) = history::parse_import(&request.into_inner())?;
        let database = &self.transfer.database;
        let page = database.import_job_history_list(&ctx, id, &listing).await?;
        let page = page.try_map(history::reply_import)?;
        Ok(Response::new(pb::ListImportJobHistoryResponse {
            entries: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn parse_create(request: pb::CreateImportJobRequest) -> Result<WantedImport> {
    let mut violations = Violations::new();
    let replay = mutation::replay("CreateImportJob", &request.request_id, &request, &mut violations);
    let uri = match request.source {
        Some(pb::create_import_job_request::Source::Uri(uri)) => Some(uri),
        Some(pb::create_import_job_request::Source::Upload(_)) | None => None,
    };
    let table_id = field::id("table_id", &request.table_id, &mut violations);
    let (format, compression) = file::input(request.format, request.compression, &mut violations);
    let mode = settings::mode(request.mode, &mut violations).map(Option::unwrap_or_default);
    let max_bad_records = settings::max_bad_records(request.max_bad_records, &mut violations);
    // Who says how the CSV is written says that it is CSV.
    let format = format.or_else(|| request.csv.is_some().then_some(Format::Csv));
    let csv = file::csv(request.csv, format, Direction::Import, &mut violations);
    let options = || {
        let (mode, max_bad_records) = (mode?, max_bad_records?);
        Some(ImportOptions {
            format,
            compression,
            mode,
            max_bad_records,
            csv,
            uri,
            upload: None,
        })
    };
    let wanted = table_id.zip(options()).map(|(table_id, options)| WantedImport {
        table_id,
        options,
        validate_only: request.validate_only,
        replay,
    });
    field::finish(violations, wanted)
}

fn parse_list(request: &pb::ListImportJobsRequest) -> Result<(Option<Uuid>, Listing)> {
    let mut violations = Violations::new();
    let table_id = field::optional_id("table_id", request.table_id.as_deref(), &mut violations);
    let binding = Binding::new("ListImportJobs")
        .with("table_id", request.table_id.as_deref().unwrap_or_default())
        .with("show_archived", request.show_archived);
    let listing = Listing::parse(
        &IMPORT_JOB_FIELDS,
        binding,
        list_request!(request),
        &mut violations,
    );
    field::finish(violations, table_id.zip(listing))
}

fn parse_rejected(request: &pb::ListRejectedRowsRequest) -> Result<(Uuid, Paging<i64>)> {
    let mut violations = Violations::new();
    let job_id = field::id("import_job_id", &request.import_job_id, &mut violations);
    let binding = Binding::new("ListRejectedRows").with("import_job_id", &request.import_job_id);
    let paging = Paging::parse(binding, request.page_size, &request.page_token, &mut violations);
    field::finish(violations, job_id.zip(paging))
}
