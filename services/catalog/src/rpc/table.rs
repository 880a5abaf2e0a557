use datacovey_auth::authorize;
use datacovey_error::Result;
use datacovey_persistence::Database;
use datacovey_proto::catalog::v1 as pb;
use datacovey_proto::catalog::v1::table_service_server::TableService;
use datacovey_server::ctx;
use datacovey_types::Permission::{EditDatasets, Read};
use tonic::{Request, Response, Status};

use super::{field, history, mutation, table_message, table_policy};
use crate::domain::schema;

/// TableService: tables, their schemas and their policies.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) database: Database,
}

#[tonic::async_trait]
impl TableService for Tables {
    async fn create_table(
        &self,
        request: Request<pb::CreateTableRequest>,
    ) -> Result<Response<pb::Table>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let create = table_message::parse_create(request.into_inner())?;
        if create.validate_only {
            let row = self.database.table_try_create(&ctx, create.new).await?;
            return Ok(Response::new(table_message::reply_unmade(row)));
        }
        let row = self
            .database
            .table_create(&ctx, create.new, create.replay)
            .await?;
        Ok(Response::new(table_message::reply(row)?))
    }

    async fn get_table(&self, request: Request<pb::GetTableRequest>) -> Result<Response<pb::Table>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let row = self.database.table_get(&ctx, id).await?;
        Ok(Response::new(table_message::reply(row)?))
    }

    async fn list_tables(
        &self,
        request: Request<pb::ListTablesRequest>,
    ) -> Result<Response<pb::ListTablesResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (scope, listing) = table_message::parse_list(&request.into_inner())?;
        let page = self.database.table_list(&ctx, &scope, &listing).await?;
        let page = page.try_map(table_message::reply)?;
        Ok(Response::new(pb::ListTablesResponse {
            tables: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_table(
        &self,
        request: Request<pb::UpdateTableRequest>,
    ) -> Result<Response<pb::Table>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let update = table_message::parse_update(request.into_inner())?;
        let row = self
            .database
            .table_update(
                &ctx,
                update.id,
                &update.etag,
                update.changes,
                update.replay,
                schema::check_change,
            )
            .await?;
        Ok(Response::new(table_message::reply(row)?))
    }

    async fn archive_table(
        &self,
        request: Request<pb::ArchiveTableRequest>,
    ) -> Result<Response<pb::Table>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let request = request.into_inner();
        let target = mutation::target(
            "ArchiveTable",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .table_archive(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(table_message::reply(row)?))
    }

    async fn restore_table(
        &self,
        request: Request<pb::RestoreTableRequest>,
    ) -> Result<Response<pb::Table>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let request = request.into_inner();
        let target = mutation::target(
            "RestoreTable",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .table_restore(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(table_message::reply(row)?))
    }

    async fn delete_table(&self, request: Request<pb::DeleteTableRequest>) -> Result<Response<()>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let request = request.into_inner();
        let target = mutation::target(
            "DeleteTable",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        self.database
            .table_delete(&ctx, target.id, &target.etag, request.force, target.replay)
            .await?;
        Ok(Response::new(()))
    }

    async fn list_table_history(
        &self,
        request: Request<pb::ListTableHistoryRequest>,
    ) -> Result<Response<pb::ListTableHistoryResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (id, listing) = history::parse_table(&request.into_inner())?;
        let page = self.database.table_history_list(&ctx, id, &listing).await?;
        let page = page.try_map(history::reply_table)?;
        Ok(Response::new(pb::ListTableHistoryResponse {
            entries: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_table_policy(
        &self,
        request: Request<pb::GetTablePolicyRequest>,
    ) -> Result<Response<pb::TablePolicy>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (table_id, version) = table_policy::parse_get(&request.into_inner())?;
        let row = self.database.table_policy_get(&ctx, table_id, version).await?;
        Ok(Response::new(table_policy::reply(row, &ctx)?))
    }

    async fn set_table_policy(
        &self,
        request: Request<pb::SetTablePolicyRequest>,
    ) -> Result<Response<pb::TablePolicy>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let set = table_policy::parse_set(request.into_inner())?;
        let validate_only = set.new.validate_only;
        let fits = |schema: &_, parent: Option<&_>| set.draft.fits(schema, parent);
        let row = self
            .database
            .table_policy_set(&ctx, set.new, set.replay, fits)
            .await?;
        let reply = if validate_only {
            table_policy::reply_unmade
        } else {
            table_policy::reply
        };
        Ok(Response::new(reply(row, &ctx)?))
    }

    async fn list_table_policy_versions(
        &self,
        request: Request<pb::ListTablePolicyVersionsRequest>,
    ) -> Result<Response<pb::ListTablePolicyVersionsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (table_id, paging) = table_policy::parse_list(&request.into_inner())?;
        let page = self.database.table_policy_list(&ctx, table_id, &paging).await?;
        let page = page.try_map(|row| table_policy::reply(row, &ctx))?;
        Ok(Response::new(pb::ListTablePolicyVersionsResponse {
            policies: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}
