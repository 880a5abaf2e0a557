use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use datacovey_auth::authorize;
use datacovey_error::Error;
use datacovey_persistence::{Database, RowRules};
use datacovey_proto::internal::rows::v1 as pb;
use datacovey_proto::internal::rows::v1::row_service_server::{RowService, RowServiceServer};
use datacovey_proto::internal::rows::v1::select_response::Part;
use datacovey_rest::{Relations, Service};
use datacovey_server::{ctx, internal_caller};
use datacovey_types::{Ctx, Permission};
use futures::{Stream, StreamExt as _, stream};
use tonic::{Request, Response, Status};

use crate::status::{late_status, status};

/// Longest request: the gateway takes bodies of 16 MiB, and rows of CSV grow when each is an object of JSON.
const MAX_REQUEST_BYTES: usize = 128 << 20;

/// RowService over the relations of one service.
#[derive(Clone)]
pub struct Rows {
    database: Database,
    service: Service,
    rules: Arc<dyn RowRules>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// The relations of a service over its database, for its app.
#[must_use]
pub fn row_service(
    database: Database,
    service: Service,
    rules: impl RowRules + 'static,
) -> RowServiceServer<Rows> {
    let rules = Arc::new(rules);
    let rows = Rows {
        database,
        service,
        rules,
    };
    RowServiceServer::new(rows).max_decoding_message_size(MAX_REQUEST_BYTES)
}

impl Rows {
    /// Who calls; an error for whoever is no user, and for relations of others.
    fn admit<T>(&self, request: &Request<T>, relation: &str) -> Result<Ctx, Error> {
        internal_caller(request)?;
        let ctx = ctx(request)?;
        authorize(&ctx, Permission::Read)?;
        let relation_of_ours = Relations::contract()
            .get(relation)
            .filter(|it| it.service == self.service);
        match relation_of_ours {
            Some(_) => Ok(ctx),
            None => Err(Error::not_found("relation", relation)),
        }
    }
}

#[tonic::async_trait]
impl RowService for Rows {
    type SelectStream = Pin<Box<dyn Stream<Item = Result<pb::SelectResponse, Status>> + Send>>;

    async fn select(
        &self,
        request: Request<pb::SelectRequest>,
    ) -> Result<Response<Self::SelectStream>, Status> {
        let ctx = self.admit(&request, &request.get_ref().relation)?;
        let request = request.into_inner();
        let (header, batches) = self.database.rows_select(&ctx, &request).await.map_err(status)?;
        let header = pb::SelectHeader {
            columns: header.columns,
            total_rows: header.total_rows,
            rows: Some(header.rows),
        };
        let batches = batches.map(|it| match it {
            Ok(rows) => Ok(part(Part::Batch(pb::RowBatch { rows }))),
            Err(error) => Err(late_status(error)),
        });
        let header = stream::iter([Ok(part(Part::Header(header)))]);
        Ok(Response::new(header.chain(batches).boxed()))
    }

    async fn insert(
        &self,
        request: Request<pb::InsertRequest>,
    ) -> Result<Response<pb::InsertResponse>, Status> {
        let ctx = self.admit(&request, &request.get_ref().relation)?;
        let request = request.into_inner();
        let written = self.database.rows_insert(&ctx, &request, &*self.rules);
        let written = written.await.map_err(status)?;
        Ok(Response::new(pb::InsertResponse {
            affected: written.affected,
            rows: written.rows,
            inserted: written.inserted,
            key: written.key,
            columns: written.columns,
        }))
    }

    async fn update(
        &self,
        request: Request<pb::UpdateRequest>,
    ) -> Result<Response<pb::UpdateResponse>, Status> {
        let ctx = self.admit(&request, &request.get_ref().relation)?;
        let request = request.into_inner();
        let written = self.database.rows_update(&ctx, &request, &*self.rules);
        let written = written.await.map_err(status)?;
        Ok(Response::new(pb::UpdateResponse {
            affected: written.affected,
            rows: written.rows,
            columns: written.columns,
        }))
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        let ctx = self.admit(&request, &request.get_ref().relation)?;
        let request = request.into_inner();
        let written = self.database.rows_delete(&ctx, &request, &*self.rules);
        let written = written.await.map_err(status)?;
        Ok(Response::new(pb::DeleteResponse {
            affected: written.affected,
            rows: written.rows,
            columns: written.columns,
        }))
    }
}

fn part(part: Part) -> pb::SelectResponse {
    pb::SelectResponse { part: Some(part) }
}
