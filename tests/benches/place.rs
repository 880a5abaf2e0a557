//! A tenant's dataset, and what goes into its tables and out of them.

use datacovey::client::{Client, to_struct};
use datacovey_proto::catalog::v1::{
    CreateDatasetRequest, CreateProjectRequest, CreateTableRequest, Dataset, Project, Table,
};
use datacovey_proto::transfer::v1::{
    CreateExportJobRequest, CreateImportJobRequest, ExportJob, FileFormat, ImportJob, ImportMode, JobState,
    WatchExportJobRequest, WatchImportJobRequest, create_export_job_request, create_import_job_request,
};
use serde_json::Value;

use crate::house::House;

pub(crate) struct Place {
    pub(crate) owner: Client,
    pub(crate) project_id: String,
    pub(crate) dataset_id: String,
}

impl Place {
    /// In a project of its own, both by this name.
    pub(crate) async fn make(house: &House, tenant: &str, name: &str) -> Self {
        let owner = Client::connect(&house.gateway, &house.token_of(tenant).await)
            .await
            .unwrap();
        let project_id = project(&owner, name).await;
        Self::within(owner, project_id, name).await
    }

    pub(crate) async fn within(owner: Client, project_id: String, name: &str) -> Self {
        let dataset = Dataset {
            project_id: project_id.clone(),
            name: name.to_owned(),
            ..Dataset::default()
        };
        let request = CreateDatasetRequest {
            dataset: Some(dataset),
            ..Default::default()
        };
        let dataset = owner.datasets().create_dataset(request).await.unwrap();
        Self {
            owner,
            project_id,
            dataset_id: dataset.into_inner().id,
        }
    }

    pub(crate) async fn table(&self, name: &str, schema: Value) -> String {
        let table = Table {
            dataset_id: self.dataset_id.clone(),
            name: name.to_owned(),
            schema: Some(to_struct(schema)),
            ..Table::default()
        };
        let request = CreateTableRequest {
            table: Some(table),
            ..Default::default()
        };
        let table = self.owner.tables().create_table(request).await.unwrap();
        table.into_inner().id
    }

    /// Replaces what the table holds, so that each round is the same work.
    pub(crate) async fn import(&self, table_id: &str, uri: &str, format: FileFormat) -> ImportJob {
        let request = CreateImportJobRequest {
            table_id: table_id.to_owned(),
            source: Some(create_import_job_request::Source::Uri(uri.to_owned())),
            format: format.into(),
            mode: ImportMode::Replace.into(),
            ..CreateImportJobRequest::default()
        };
        let job = self.owner.imports().create_import_job(request).await.unwrap();
        let request = WatchImportJobRequest {
            id: job.into_inner().id,
        };
        let states = self.owner.imports().watch_import_job(request).await.unwrap();
        last(states.into_inner(), ImportJob::state).await
    }

    pub(crate) async fn export(&self, table_id: &str, uri: &str, format: FileFormat) -> ExportJob {
        let request = CreateExportJobRequest {
            table_id: table_id.to_owned(),
            format: format.into(),
            target: Some(create_export_job_request::Target::Uri(uri.to_owned())),
            overwrite: true,
            ..CreateExportJobRequest::default()
        };
        let job = self.owner.exports().create_export_job(request).await.unwrap();
        let request = WatchExportJobRequest {
            id: job.into_inner().id,
        };
        let states = self.owner.exports().watch_export_job(request).await.unwrap();
        last(states.into_inner(), ExportJob::state).await
    }
}

pub(crate) async fn project(owner: &Client, name: &str) -> String {
    let project = Project {
        name: name.to_owned(),
        ..Project::default()
    };
    let request = CreateProjectRequest {
        project: Some(project),
        ..Default::default()
    };
    let project = owner.projects().create_project(request).await.unwrap();
    project.into_inner().id
}

/// The job as it ended.
async fn last<J: std::fmt::Debug>(mut states: tonic::Streaming<J>, state: impl Fn(&J) -> JobState) -> J {
    while let Some(job) = states.message().await.unwrap() {
        match state(&job) {
            JobState::Completed => return job,
            JobState::Failed => panic!("{job:?}"),
            _ => {}
        }
    }
    panic!("the job does not end")
}
