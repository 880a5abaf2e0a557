//! What is told of rows that can be had: GetFlightInfo, GetSchema, ListFlights.

use std::time::SystemTime;

use arrow_flight::{Criteria, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use bytes::{Bytes, BytesMut};
use datacovey_error::{Error, Result};
use datacovey_proto::query::v1 as query;
use datacovey_proto::query::v1::query_job_service_client::QueryJobServiceClient;
use datacovey_proto::transfer::v1 as transfer;
use datacovey_proto::transfer::v1::export_service_client::ExportServiceClient;
use datacovey_server::reply_stream;
use datacovey_types::Ctx;
use futures::stream::{self, Stream};
use futures::{StreamExt as _, TryStreamExt as _};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::Flight;
use super::asked::{Asked, Job};
use super::head::{Kind, encapsulated};
use super::jobs::{Done, of_query, of_transfer};
use super::to_flight::Piece;

/// Jobs that are asked for at a time.
const PAGE: i32 = 100;

impl Flight {
    /// Tells of what a descriptor asks for, once it is there: a table is exported, a statement run.
    pub(super) async fn flight_info(&self, ctx: &Ctx, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let done = self.done(ctx, Asked::of_descriptor(&descriptor)?).await?;
        let schema = self.schema_of(ctx, &done.job).await?;
        Ok(info(done, schema, descriptor))
    }

    /// The schema of the rows of a job, and of nothing that would have to be made first.
    pub(super) async fn schema(&self, ctx: &Ctx, descriptor: &FlightDescriptor) -> Result<Bytes> {
        let asked = Asked::of_descriptor(descriptor)?;
        if !matches!(asked, Asked::Job(_)) {
            let what = "GetSchema tells of an export_job or a query_job; GetFlightInfo exports a table or runs a \
                        statement, and has the schema of the rows";
            return Err(Error::invalid_field("flight_descriptor", what));
        }
        let done = self.done(ctx, asked).await?;
        self.schema_of(ctx, &done.job).await
    }

    /// As it stands at the beginning of the stream.
    async fn schema_of(&self, ctx: &Ctx, job: &Job) -> Result<Bytes> {
        let mut schema = BytesMut::new();
        match self.rows(ctx, job).await?.next().await? {
            Some(Piece::Header(head, header)) if head.kind == Kind::Schema => {
                encapsulated(&header, &mut schema)
            }
            _ => None,
        }
        .ok_or_else(|| Error::internal("an Arrow stream without a schema"))?;
        Ok(schema.freeze())
    }

    /// The exports in Arrow that the caller's tenant can read, the newest first.
    fn exports(self, ctx: Ctx) -> impl Stream<Item = Result<FlightInfo>> + Send {
        let page = move |token: String| {
            let request = transfer::ListExportJobsRequest {
                page_size: PAGE,
                page_token: token,
                filter: "state = JOB_STATE_COMPLETED".to_owned(),
                order_by: "id desc".to_owned(),
                ..Default::default()
            };
            let mut jobs = ExportServiceClient::new(self.services.transfer.on_behalf_of(&ctx));
            async move {
                let page = jobs.list_export_jobs(request).await.map_err(of_transfer)?;
                let page = page.into_inner();
                let jobs = page.export_jobs.into_iter();
                let jobs = jobs.filter(|it| it.format() == transfer::FileFormat::Arrow);
                let done = jobs.map(|job| Done {
                    rows: job.rows_exported,
                    bytes: job.size_bytes.unwrap_or(-1),
                    expires_at: job.expires_at,
                    job: Job::Export(job.id),
                });
                Ok((done.collect(), page.next_page_token))
            }
        };
        listed(page)
    }

    /// The results that the caller's tenant can read, the newest first.
    fn results(self, ctx: Ctx) -> impl Stream<Item = Result<FlightInfo>> + Send {
        let page = move |token: String| {
            let request = query::ListQueryJobsRequest {
                page_size: PAGE,
                page_token: token,
                filter: "state = QUERY_JOB_STATE_DONE".to_owned(),
                order_by: "id desc".to_owned(),
                ..Default::default()
            };
            let mut jobs = QueryJobServiceClient::new(self.services.query.on_behalf_of(&ctx));
            async move {
                let page = jobs.list_query_jobs(request).await.map_err(of_query)?;
                let page = page.into_inner();
                let done = page.query_jobs.into_iter().map(|job| Done {
                    rows: job.total_rows.unwrap_or(-1),
                    bytes: -1,
                    expires_at: job.results_expire_at,
                    job: Job::Query(job.id),
                });
                Ok((done.collect(), page.next_page_token))
            }
        };
        listed(page)
    }
}

/// Pages, one after the other as they are read, as what is told of those that have not expired.
fn listed<F>(page: impl FnMut(String) -> F + Send) -> impl Stream<Item = Result<FlightInfo>> + Send
where
    F: Future<Output = Result<(Vec<Done>, String)>> + Send,
{
    let pages = stream::try_unfold((Some(String::new()), page), |(token, mut page)| async {
        let Some(token) = token else {
            return Ok(None);
        };
        let (jobs, next) = page(token).await?;
        let next = (!next.is_empty()).then_some(next);
        Ok(Some((jobs, (next, page))))
    });
    let infos = pages.map_ok(|jobs| {
        let kept = jobs.into_iter().filter(is_kept);
        stream::iter(kept.map(|done| {
            let path = vec![done.job.kind().to_owned(), done.job.id().to_owned()];
            Ok(info(done, Bytes::new(), FlightDescriptor::new_path(path)))
        }))
    });
    infos.try_flatten()
}

fn is_kept(done: &Done) -> bool {
    let expires_at = done.expires_at.map(SystemTime::try_from);
    matches!(expires_at, Some(Ok(at)) if at > SystemTime::now())
}

/// ListFlights: without schemas, each of which would open a file.
pub(super) async fn list(flight: Flight, request: Request<Body>) -> Response<Body> {
    let mut grpc = Grpc::new(ProstCodec::<FlightInfo, Criteria>::default())
        .max_decoding_message_size(flight.max_message_bytes);
    let handle = service_fn(|request: tonic::Request<Criteria>| {
        let listed = datacovey_server::ctx(&request).and_then(|ctx| {
            if !request.get_ref().expression.is_empty() {
                return Err(Error::invalid_field(
                    "expression",
                    "must be empty: all that can be read is listed",
                ));
            }
            let exports = flight.clone().exports(ctx.clone());
            Ok(reply_stream(exports.chain(flight.clone().results(ctx))))
        });
        std::future::ready(listed.map(tonic::Response::new).map_err(Status::from))
    });
    grpc.server_streaming(handle, request).await
}

fn info(done: Done, schema: Bytes, descriptor: FlightDescriptor) -> FlightInfo {
    let ticket = done.job.ticket();
    let endpoint = FlightEndpoint {
        ticket: Some(Ticket {
            ticket: ticket.into(),
        }),
        // None: of whoever told of it.
        location: Vec::new(),
        expiration_time: done.expires_at,
        app_metadata: Bytes::new(),
    };
    FlightInfo {
        schema,
        flight_descriptor: Some(descriptor),
        endpoint: vec![endpoint],
        total_records: done.rows,
        total_bytes: done.bytes,
        ordered: true,
        app_metadata: Bytes::new(),
    }
}
