use datacovey_auth::authorize;
use datacovey_error::{Result, Violations};
use datacovey_list::{Binding, Listing, Mask, UpdatableFields, etag, list_request};
use datacovey_persistence::{DATASET_FIELDS, Database, DatasetChanges, DatasetRow, NewDataset, Replay};
use datacovey_proto::catalog::v1 as pb;
use datacovey_proto::catalog::v1::dataset_service_server::DatasetService;
use datacovey_server::ctx;
use datacovey_types::Permission::{EditDatasets, Read};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{field, history, mutation};
use crate::domain::text;

/// DatasetService: the datasets of the projects that the caller takes part in.
#[derive(Clone, Debug)]
pub(crate) struct Datasets {
    pub(crate) database: Database,
}

const FIELDS: UpdatableFields = UpdatableFields {
    mutable: &["project_id", "name", "description"],
    immutable: &["id", "tenant_id", "created_at", "archived_at", "etag"],
};

#[tonic::async_trait]
impl DatasetService for Datasets {
    async fn create_dataset(
        &self,
        request: Request<pb::CreateDatasetRequest>,
    ) -> Result<Response<pb::Dataset>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let (new, replay) = parse_create(request.into_inner())?;
        let row = self.database.dataset_create(&ctx, new, replay).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn get_dataset(
        &self,
        request: Request<pb::GetDatasetRequest>,
    ) -> Result<Response<pb::Dataset>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let id = field::only_id("id", &request.into_inner().id)?;
        let row = self.database.dataset_get(&ctx, id).await?;
        Ok(Response::new(reply(row)?))
    }

    async fn list_datasets(
        &self,
        request: Request<pb::ListDatasetsRequest>,
    ) -> Result<Response<pb::ListDatasetsResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let request = request.into_inner();
        let (project_id, listing) = parse_list(&request)?;
        let page = self
            .database
            .dataset_list(&ctx, project_id, request.show_archived, &listing)
            .await?;
        let page = page.try_map(reply)?;
        Ok(Response::new(pb::ListDatasetsResponse {
            datasets: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_dataset(
        &self,
        request: Request<pb::UpdateDatasetRequest>,
    ) -> Result<Response<pb::Dataset>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let (id, etag, changes, replay) = parse_update(request.into_inner())?;
        let row = self
            .database
            .dataset_update(&ctx, id, &etag, changes, replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn archive_dataset(
        &self,
        request: Request<pb::ArchiveDatasetRequest>,
    ) -> Result<Response<pb::Dataset>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let request = request.into_inner();
        let target = mutation::target(
            "ArchiveDataset",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .dataset_archive(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn restore_dataset(
        &self,
        request: Request<pb::RestoreDatasetRequest>,
    ) -> Result<Response<pb::Dataset>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let request = request.into_inner();
        let target = mutation::target(
            "RestoreDataset",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        let row = self
            .database
            .dataset_restore(&ctx, target.id, &target.etag, target.replay)
            .await?;
        Ok(Response::new(reply(row)?))
    }

    async fn delete_dataset(
        &self,
        request: Request<pb::DeleteDatasetRequest>,
    ) -> Result<Response<()>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, EditDatasets)?;
        let request = request.into_inner();
        let target = mutation::target(
            "DeleteDataset",
            ("id", &request.id),
            &request.etag,
            &request.request_id,
            &request,
        )?;
        self.database
            .dataset_delete(&ctx, target.id, &target.etag, request.force, target.replay)
            .await?;
        Ok(Response::new(()))
    }

    async fn list_dataset_history(
        &self,
        request: Request<pb::ListDatasetHistoryRequest>,
    ) -> Result<Response<pb::ListDatasetHistoryResponse>, Status> {
        let ctx = ctx(&request)?;
        authorize(&ctx, Read)?;
        let (id, listing) = history::parse_dataset(&request.into_inner())?;
        let page = self.database.dataset_history_list(&ctx, id, &listing).await?;
        let page = page.try_map(history::reply_dataset)?;
        Ok(Response::new(pb::ListDatasetHistoryResponse {
            entries: page.rows,
            next_page_token: page.next_page_token,
        }))
    }
}

fn parse_create(request: pb::CreateDatasetRequest) -> Result<(NewDataset, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("CreateDataset", &request.request_id, &request, &mut violations);
    let dataset = field::required("dataset", request.dataset, &mut violations);
    let project_id = field::id("dataset.project_id", &dataset.project_id, &mut violations);
    let name = violations.take("dataset.name", text::identifier(&dataset.name));
    let description = field::description("dataset.description", dataset.description, &mut violations);
    let new = || {
        Some(NewDataset {
            project_id: project_id?,
            name: name?,
            description: description?,
        })
    };
    field::finish(violations, new().map(|new| (new, replay)))
}

fn parse_list(request: &pb::ListDatasetsRequest) -> Result<(Option<Uuid>, Listing)> {
    let mut violations = Violations::new();
    let project_id = field::optional_id("project_id", request.project_id.as_deref(), &mut violations);
    let binding = Binding::new("ListDatasets")
        .with("project_id", request.project_id.as_deref().unwrap_or_default())
        .with("show_archived", request.show_archived);
    let listing = Listing::parse(&DATASET_FIELDS, binding, list_request!(request), &mut violations);
    field::finish(violations, project_id.zip(listing))
}

fn parse_update(request: pb::UpdateDatasetRequest) -> Result<(Uuid, String, DatasetChanges, Option<Replay>)> {
    let mut violations = Violations::new();
    let replay = mutation::replay("UpdateDataset", &request.request_id, &request, &mut violations);
    let dataset = field::required("dataset", request.dataset, &mut violations);
    let id = field::id("dataset.id", &dataset.id, &mut violations);
    let is_set = |field: &str| match field {
        "project_id" => !dataset.project_id.is_empty(),
        "name" => !dataset.name.is_empty(),
        _ => dataset.description.is_some(),
    };
    let mask = FIELDS.parse(request.update_mask.as_ref(), is_set, &mut violations);
    let writes = |field| mask.as_ref().is_some_and(|mask: &Mask| mask.contains(field));
    let mut changes = DatasetChanges::default();
    if writes("project_id") {
        changes.project_id = field::id("dataset.project_id", &dataset.project_id, &mut violations);
    }
    if writes("name") {
        changes.name = violations.take("dataset.name", text::identifier(&dataset.name));
    }
    if writes("description") {
        changes.description = field::description("dataset.description", dataset.description, &mut violations);
    }
    field::finish(violations, id.map(|id| (id, dataset.etag, changes, replay)))
}

fn reply(row: DatasetRow) -> Result<pb::Dataset> {
    Ok(pb::Dataset {
        etag: etag(&row)?,
        id: row.id.to_string(),
        tenant_id: row.tenant_id.to_string(),
        project_id: row.project_id.to_string(),
        name: row.name,
        description: row.description,
        created_at: row.created_at.map(field::timestamp),
        archived_at: row.archived_at.map(field::timestamp),
    })
}
