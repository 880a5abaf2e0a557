//! Who is in the story: the two organizations, their project, their tables.

use std::time::Duration;

use anyhow::Context as _;
use datacovey_proto::catalog::v1::{
    AcceptInvitationRequest, CreateDatasetRequest, CreateProjectRequest, CreateTableRequest, Dataset,
    InviteParticipantRequest, Project, Table,
};
use datacovey_proto::identity::v1::{CreateTenantRequest, FirstAdmin, Tenant};
use datacovey_types::{Role, Scopes};
use prost_types::Struct;

use super::terms;
use crate::client::Client;
use crate::data_dir::DataDir;
use crate::suite::Suite;
use crate::token::{TokenRequest, issue, sign};

/// Longer than any demo.
const LIFETIME: Duration = Duration::from_secs(3600);

pub(super) struct Cast {
    pub(super) alliance: Organization,
    pub(super) registry: Organization,
    pub(super) project_id: String,
    pub(super) flights: TableOfProject,
    pub(super) planes: TableOfProject,
}

pub(super) struct Organization {
    pub(super) name: &'static str,
    pub(super) tenant_id: String,
    pub(super) client: Client,
}

pub(super) struct TableOfProject {
    pub(super) id: String,
    /// As SQL names it: `dataset.table`.
    pub(super) sql_name: &'static str,
}

impl Cast {
    pub(super) async fn assemble(suite: &Suite, data: &DataDir) -> anyhow::Result<Self> {
        let operator = TokenRequest {
            tenant: "Operator".to_owned(),
            role: Role::OrgAdmin,
            email: None,
            scopes: Scopes {
                platform: true,
                backfill: false,
            },
            lifetime: LIFETIME,
        };
        let operator = suite
            .client(&issue(data, suite.database_url(), operator).await?)
            .await?;
        let alliance = Organization::found(suite, data, &operator, "Skyward Alliance", "skyward").await?;
        let registry = Organization::found(suite, data, &operator, "Aviation Registry", "registry").await?;

        let project = Project {
            name: "Punctuality".to_owned(),
            description: Some("Do late departures have to do with the planes?".to_owned()),
            ..Project::default()
        };
        let request = CreateProjectRequest {
            project: Some(project),
            ..Default::default()
        };
        let project_id = alliance
            .client
            .projects()
            .create_project(request)
            .await?
            .into_inner()
            .id;
        let request = InviteParticipantRequest {
            project_id: project_id.clone(),
            tenant_id: registry.tenant_id.clone(),
            ..Default::default()
        };
        alliance.client.projects().invite_participant(request).await?;
        let request = AcceptInvitationRequest {
            project_id: project_id.clone(),
            ..Default::default()
        };
        registry.client.projects().accept_invitation(request).await?;

        let flights = alliance
            .share(&project_id, "alliance", "flights", terms::flights_schema())
            .await?;
        let planes = registry
            .share(&project_id, "registry", "planes", terms::planes_schema())
            .await?;
        Ok(Self {
            alliance,
            registry,
            project_id,
            flights: TableOfProject {
                id: flights,
                sql_name: "alliance.flights",
            },
            planes: TableOfProject {
                id: planes,
                sql_name: "registry.planes",
            },
        })
    }
}

impl Organization {
    /// A tenant with its first admin, made by the operator; then the admin signs in.
    async fn found(
        suite: &Suite,
        data: &DataDir,
        operator: &Client,
        name: &'static str,
        slug: &str,
    ) -> anyhow::Result<Self> {
        let (org_id, auth0_id) = (format!("org_{slug}"), format!("dev|{slug}-admin"));
        let request = CreateTenantRequest {
            tenant: Some(Tenant {
                name: name.to_owned(),
                auth0_org_id: Some(org_id.clone()),
                ..Tenant::default()
            }),
            first_admin: Some(FirstAdmin {
                auth0_id: auth0_id.clone(),
                email: format!("admin@{slug}.example"),
                name: format!("Admin of {name}"),
            }),
            ..Default::default()
        };
        let tenant = operator
            .tenants()
            .create_tenant(request)
            .await
            .context("creating a tenant")?
            .into_inner();
        let token = sign(&data.issuer()?, &org_id, &auth0_id, Scopes::NONE, LIFETIME);
        Ok(Self {
            name,
            tenant_id: tenant.id,
            client: suite.client(&token).await?,
        })
    }

    /// A dataset and a table of this organization in the project; the table's id.
    async fn share(
        &self,
        project_id: &str,
        dataset: &str,
        table: &str,
        schema: Struct,
    ) -> anyhow::Result<String> {
        let dataset = Dataset {
            project_id: project_id.to_owned(),
            name: dataset.to_owned(),
            ..Dataset::default()
        };
        let request = CreateDatasetRequest {
            dataset: Some(dataset),
            ..Default::default()
        };
        let dataset = self.client.datasets().create_dataset(request).await?.into_inner();
        let table = Table {
            dataset_id: dataset.id,
            name: table.to_owned(),
            schema: Some(schema),
            ..Table::default()
        };
        let request = CreateTableRequest {
            table: Some(table),
            ..Default::default()
        };
        Ok(self.client.tables().create_table(request).await?.into_inner().id)
    }
}
