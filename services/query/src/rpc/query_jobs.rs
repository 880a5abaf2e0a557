use std::pin::Pin;

use datacovey_auth::authorize;
use datacovey_error::Result;
use datacovey_proto::query::v1 as pb;
use datacovey_proto::query::v1::query_job_service_server::QueryJobService;
use datacovey_server::{ctx, field, reply_stream};
use datacovey_types::Permission;
use futures::{Stream, TryStreamExt as _};
use tonic::{Request, Response, Status};

use super::{convert, parse, results};
use crate::app::Handles;

type ReplyStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// QueryJobService: runs of queries, and their results.
#[derive(Clone, Debug)]
pub(crate) struct QueryJobs(pub(crate) Handles);

#[tonic::async_trait]
impl QueryJobService for QueryJobs {
    async fn create_query_job(
        &self,
        request: Request<pb::CreateQueryJobRequest>,
    ) -> Result<Response<pb::QueryJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let (question, replay) = parse::new_job(request.into_inner())?;
        let view = self.0.create_query_job(&ctx, &question, replay).await?;
        Ok(Response::new(convert::query_job(view)))
    }

    async fn get_query_job(
        &self,
        request: Request<pb::GetQueryJobRequest>,
    ) -> Result<Response<pb::QueryJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let view = self.0.database.query_job_get(&ctx, id).await?;
        Ok(Response::new(convert::query_job(view)))
    }

    async fn list_query_jobs(
        &self,
        request: Request<pb::ListQueryJobsRequest>,
    ) -> Result<Response<pb::ListQueryJobsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (filter, listing) = parse::list_jobs(&request.into_inner())?;
        let page = self
            .0
            .database
            .query_job_list(&ctx, filter.query_id, filter.project_id, &listing)
            .await?;
        Ok(Response::new(pb::ListQueryJobsResponse {
            query_jobs: page.rows.into_iter().map(convert::query_job).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_query_job(
        &self,
        request: Request<pb::CancelQueryJobRequest>,
    ) -> Result<Response<pb::QueryJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Query)?;
        let id = parse::cancel(&request.into_inner())?;
        let view = self.0.database.query_job_cancel(&ctx, id).await?;
        Ok(Response::new(convert::query_job(view)))
    }

    async fn wait_query_job(
        &self,
        request: Request<pb::WaitQueryJobRequest>,
    ) -> Result<Response<pb::QueryJob>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (id, timeout) = parse::wait(&request.into_inner())?;
        let view = self.0.wait_query_job(&ctx, id, timeout).await?;
        Ok(Response::new(convert::query_job(view)))
    }

    type WatchQueryJobStream = ReplyStream<pb::QueryJob>;

    async fn watch_query_job(
        &self,
        request: Request<pb::WatchQueryJobRequest>,
    ) -> Result<Response<Self::WatchQueryJobStream>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let views = self.0.watch_query_job(ctx, id).await?;
        Ok(Response::new(reply_stream(views.map_ok(convert::query_job))))
    }

    type ReadResultsStream = ReplyStream<pb::ReadResultsResponse>;

    async fn read_results(
        &self,
        request: Request<pb::ReadResultsRequest>,
    ) -> Result<Response<Self::ReadResultsStream>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let asked = parse::read(&request.into_inner())?;
        let opened = self.0.open_result(&ctx, asked.job_id, asked.start_row).await?;
        let rows = opened.result.rows(asked.start_row, asked.end_row());
        let messages = results::messages(&opened.result.schema(), opened.total_rows, asked.format, rows);
        Ok(Response::new(reply_stream(messages)))
    }

    type DownloadResultsStream = ReplyStream<pb::DownloadResultsResponse>;

    async fn download_results(
        &self,
        request: Request<pb::DownloadResultsRequest>,
    ) -> Result<Response<Self::DownloadResultsStream>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Permission::Read)?;
        let (job_id, format, offset) = parse::download(&request.into_inner())?;
        let download = self.0.download_result(&ctx, job_id, format, offset).await?;
        let messages = results::file_messages(&download.measure, offset, download.parts);
        Ok(Response::new(reply_stream(messages)))
    }
}
