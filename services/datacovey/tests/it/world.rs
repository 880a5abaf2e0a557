//! A small world for process tests: one project, two owners, a table each.

use datacovey::client::{Client, to_struct};
use datacovey_proto::catalog::v1::{
    AcceptInvitationRequest, ColumnPolicy, ColumnUse, CreateDatasetRequest, CreateProjectRequest,
    CreateTableRequest, Dataset, InviteParticipantRequest, Policy, PrivacyUnit, Project,
    SetTablePolicyRequest, Table, Threshold, privacy_unit,
};
use datacovey_proto::identity::v1::WhoAmIRequest;
use serde_json::json;

pub(crate) struct World {
    pub(crate) project_id: String,
    /// `north.people` of the first client, `south.people` of the second.
    pub(crate) tables: [String; 2],
}

impl World {
    pub(crate) async fn make(left: &Client, right: &Client) -> Self {
        let project = Project {
            name: "World".to_owned(),
            ..Project::default()
        };
        let request = CreateProjectRequest {
            project: Some(project),
            ..Default::default()
        };
        let project_id = left
            .projects()
            .create_project(request)
            .await
            .unwrap()
            .into_inner()
            .id;
        let tenants = [tenant(left).await, tenant(right).await];
        let request = InviteParticipantRequest {
            project_id: project_id.clone(),
            tenant_id: tenants[1].clone(),
            ..Default::default()
        };
        left.projects().invite_participant(request).await.unwrap();
        let request = AcceptInvitationRequest {
            project_id: project_id.clone(),
            ..Default::default()
        };
        right.projects().accept_invitation(request).await.unwrap();
        let tables = [
            people(left, &project_id, "north", &tenants[1]).await,
            people(right, &project_id, "south", &tenants[0]).await,
        ];
        Self { project_id, tables }
    }
}

async fn tenant(client: &Client) -> String {
    client
        .users()
        .who_am_i(WhoAmIRequest {})
        .await
        .unwrap()
        .into_inner()
        .tenant
        .unwrap()
        .id
}

/// A dataset with a table `people(email, city)`, open to the other's aggregates.
async fn people(client: &Client, project_id: &str, dataset: &str, analyst: &str) -> String {
    let dataset = Dataset {
        project_id: project_id.to_owned(),
        name: dataset.to_owned(),
        ..Dataset::default()
    };
    let request = CreateDatasetRequest {
        dataset: Some(dataset),
        ..Default::default()
    };
    let dataset_id = client
        .datasets()
        .create_dataset(request)
        .await
        .unwrap()
        .into_inner()
        .id;
    let schema = json!({
        "type": "object",
        "properties": {
            "email": {"type": "string", "x-identity": "email"},
            "city": {"type": "string"}
        },
        "required": ["email", "city"]
    });
    let table = Table {
        dataset_id,
        name: "people".to_owned(),
        schema: Some(to_struct(schema)),
        ..Table::default()
    };
    let request = CreateTableRequest {
        table: Some(table),
        ..Default::default()
    };
    let table_id = client
        .tables()
        .create_table(request)
        .await
        .unwrap()
        .into_inner()
        .id;

    let column = |used: ColumnUse| ColumnPolicy {
        uses: vec![used.into()],
        ..ColumnPolicy::default()
    };
    let email = ColumnPolicy {
        identity: Some("email".to_owned()),
        ..column(ColumnUse::Join)
    };
    let policy = Policy {
        privacy_unit: Some(PrivacyUnit {
            unit: Some(privacy_unit::Unit::Column("email".to_owned())),
        }),
        columns: [
            ("email".to_owned(), email),
            ("city".to_owned(), column(ColumnUse::Dimension)),
        ]
        .into(),
        threshold: Some(Threshold {
            min_units: Some(10),
            ..Threshold::default()
        }),
        analysts: vec![analyst.to_owned()],
        ..Policy::default()
    };
    let request = SetTablePolicyRequest {
        table_id: table_id.clone(),
        policy: Some(policy),
        ..Default::default()
    };
    client.tables().set_table_policy(request).await.unwrap();
    table_id
}
