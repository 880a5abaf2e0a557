//! A catalog that serves, with two organizations and their users, and a client for each kind of caller.

use std::collections::HashMap;

use datacovey_catalog::{SERVICE, app};
use datacovey_persistence::DbRole;
use datacovey_proto::catalog::v1::dataset_service_client::DatasetServiceClient;
use datacovey_proto::catalog::v1::project_service_client::ProjectServiceClient;
use datacovey_proto::catalog::v1::table_service_client::TableServiceClient;
use datacovey_proto::catalog::v1::{
    AcceptInvitationRequest, CreateDatasetRequest, CreateProjectRequest, CreateTableRequest, Dataset,
    InviteParticipantRequest, Project, SetTablePolicyRequest, Table,
};
use datacovey_proto::internal::catalog::v1::resolver_service_client::ResolverServiceClient;
use datacovey_proto::internal::catalog::v1::{ResolveProjectRequest, ResolveProjectResponse};
use datacovey_server::Limits;
use datacovey_testing::caller::{CallerChannel, Callers, KnownUsers, Served};
use datacovey_testing::{Sql, TestDatabase};
use datacovey_types::{Principal, Role, Scopes};
use prost_types::value::Kind;
use prost_types::{FieldMask, ListValue, Struct, Value};
use serde_json::json;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::policy::by_tail_number;

/// The organization whose project it is mostly about, and another one.
pub(crate) const OURS: &str = "Alliance";
pub(crate) const THEIRS: &str = "Registry";

pub(crate) struct Suite {
    pub(crate) tenant: Uuid,
    pub(crate) other_tenant: Uuid,
    /// Knows nobody.
    pub(crate) third_tenant: Uuid,
    sql: Sql,
    served: Served,
    callers: Callers,
    users: HashMap<&'static str, Principal>,
    // Last, so that it is dropped after the connections to it.
    _database: TestDatabase,
}

impl Suite {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::new().await;
        let sql = database.sql().await;
        let (ours, theirs) = (sql.tenant(OURS).await, sql.tenant(THEIRS).await);
        let third_tenant = sql.tenant("Stranger").await.id;
        let mut users = HashMap::new();
        for (subject, tenant, user_id, role) in [
            ("admin", ours, ours.admin, Role::OrgAdmin),
            (
                "editor",
                ours,
                sql.user(ours.id, Role::DatasetEditor).await,
                Role::DatasetEditor,
            ),
            (
                "user",
                ours,
                sql.user(ours.id, Role::DatasetUser).await,
                Role::DatasetUser,
            ),
            ("other", theirs, theirs.admin, Role::OrgAdmin),
        ] {
            users.insert(
                subject,
                Principal {
                    tenant_id: tenant.id,
                    user_id,
                    role,
                    scopes: Scopes::NONE,
                },
            );
        }
        let known = KnownUsers::default();
        users
            .iter()
            .for_each(|(subject, principal)| known.insert(*subject, principal.clone()));
        let callers = Callers::new("query");
        let store = database.open(DbRole::Catalog).await;
        let app = app(
            store,
            callers.authentication(SERVICE.name, known),
            Limits::default().max_message_bytes,
        );
        Self {
            tenant: ours.id,
            other_tenant: theirs.id,
            third_tenant,
            sql,
            served: Served::start(SERVICE, app).await,
            callers,
            users,
            _database: database,
        }
    }

    pub(crate) fn as_admin(&self) -> Caller {
        self.caller("admin")
    }

    pub(crate) fn as_editor(&self) -> Caller {
        self.caller("editor")
    }

    pub(crate) fn as_user(&self) -> Caller {
        self.caller("user")
    }

    /// An admin of the other organization.
    pub(crate) fn as_other_tenant(&self) -> Caller {
        self.caller("other")
    }

    pub(crate) fn anonymous(&self) -> Caller {
        Caller::new(Uuid::nil(), &self.served.channel(None), self.served.channel(None))
    }

    fn caller(&self, subject: &str) -> Caller {
        let principal = &self.users[subject];
        let token = self.callers.token("org", subject, "");
        // The query service asks on behalf of the same user.
        let internal = self.callers.internal_token(SERVICE.name, Some(principal));
        let channel = |token: &str| self.served.channel(Some(token));
        Caller::new(principal.user_id, &channel(&token), channel(&internal))
    }

    /// The other organization becomes an active participant.
    pub(crate) async fn join(&self, project: &str, admin: &mut Caller, other: &mut Caller) {
        let invite = InviteParticipantRequest {
            project_id: project.to_owned(),
            tenant_id: self.other_tenant.to_string(),
            ..Default::default()
        };
        admin.projects.invite_participant(invite).await.unwrap();
        let accept = AcceptInvitationRequest {
            project_id: project.to_owned(),
            request_id: String::new(),
        };
        other.projects.accept_invitation(accept).await.unwrap();
    }

    /// What a committed import leaves behind.
    pub(crate) async fn put_data(&self, table: &str) {
        let columns = "table_id, version, content_version, tenant_id, mode, rows, bytes, unique_columns";
        let values = format!("'{table}', 1, 1, '{}', 'append', 1, 1, '{{}}'", self.tenant);
        let insert =
            format!("SET ROLE datacovey_owner; INSERT INTO table_version ({columns}) VALUES ({values})");
        self.sql.run(&insert).await.unwrap();
    }
}

/// The clients of one user.
pub(crate) struct Caller {
    pub(crate) user_id: Uuid,
    pub(crate) projects: ProjectServiceClient<CallerChannel>,
    pub(crate) datasets: DatasetServiceClient<CallerChannel>,
    pub(crate) tables: TableServiceClient<CallerChannel>,
    /// As the query service calls on behalf of the user.
    pub(crate) resolver: ResolverServiceClient<CallerChannel>,
    public: CallerChannel,
}

impl Caller {
    fn new(user_id: Uuid, public: &CallerChannel, internal: CallerChannel) -> Self {
        Self {
            user_id,
            projects: ProjectServiceClient::new(public.clone()),
            datasets: DatasetServiceClient::new(public.clone()),
            tables: TableServiceClient::new(public.clone()),
            resolver: ResolverServiceClient::new(internal),
            public: public.clone(),
        }
    }

    /// Calls any method with an empty request.
    pub(crate) async fn call_empty(&mut self, method: &str) -> Result<Response<()>, Status> {
        let mut client = tonic::client::Grpc::new(self.public.clone());
        client.ready().await.unwrap();
        let path: PathAndQuery = format!("/{method}").parse().unwrap();
        client
            .unary(
                Request::new(()),
                path,
                tonic_prost::ProstCodec::<(), ()>::default(),
            )
            .await
    }

    pub(crate) async fn resolve_with_users_token(
        &mut self,
        project: &str,
    ) -> Result<Response<ResolveProjectResponse>, Status> {
        let request = ResolveProjectRequest {
            project_id: project.to_owned(),
        };
        ResolverServiceClient::new(self.public.clone())
            .resolve_project(request)
            .await
    }

    pub(crate) async fn project(&mut self, name: &str) -> String {
        let project = Project {
            name: name.to_owned(),
            ..Project::default()
        };
        let request = CreateProjectRequest {
            project: Some(project),
            request_id: String::new(),
        };
        self.projects
            .create_project(request)
            .await
            .unwrap()
            .into_inner()
            .id
    }

    pub(crate) async fn try_dataset(
        &mut self,
        project: &str,
        name: &str,
    ) -> Result<Response<Dataset>, Status> {
        let dataset = Dataset {
            project_id: project.to_owned(),
            name: name.to_owned(),
            ..Dataset::default()
        };
        let request = CreateDatasetRequest {
            dataset: Some(dataset),
            request_id: String::new(),
        };
        self.datasets.create_dataset(request).await
    }

    pub(crate) async fn dataset(&mut self, project: &str, name: &str) -> String {
        self.try_dataset(project, name).await.unwrap().into_inner().id
    }

    /// A table of [`planes`].
    pub(crate) async fn try_table(&mut self, dataset: &str, name: &str) -> Result<Response<Table>, Status> {
        let table = Table {
            dataset_id: dataset.to_owned(),
            name: name.to_owned(),
            schema: Some(strukt(&planes())),
            ..Table::default()
        };
        let request = CreateTableRequest {
            table: Some(table),
            ..Default::default()
        };
        self.tables.create_table(request).await
    }

    pub(crate) async fn table(&mut self, dataset: &str, name: &str) -> String {
        self.try_table(dataset, name).await.unwrap().into_inner().id
    }

    /// Sets a policy that fits [`planes`].
    pub(crate) async fn set_policy(&mut self, table: &str) {
        let policy = Some(by_tail_number());
        let request = SetTablePolicyRequest {
            table_id: table.to_owned(),
            policy,
            ..Default::default()
        };
        self.tables.set_table_policy(request).await.unwrap();
    }
}

pub(crate) fn planes() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["tailnum"],
        "properties": {
            "tailnum": {"type": "string", "x-identity": "tail_number"},
            "year": {"type": ["integer", "null"], "minimum": 1900},
        },
    })
}

pub(crate) fn mask(paths: &[&str]) -> FieldMask {
    FieldMask {
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
    }
}

/// JSON as the message that carries it.
pub(crate) fn strukt(json: &serde_json::Value) -> Struct {
    let members = json.as_object().unwrap().iter();
    Struct {
        fields: members
            .map(|(name, value)| (name.clone(), value_of(value)))
            .collect(),
    }
}

fn value_of(json: &serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(it) => Kind::BoolValue(*it),
        serde_json::Value::Number(it) => Kind::NumberValue(it.as_f64().unwrap()),
        serde_json::Value::String(it) => Kind::StringValue(it.clone()),
        serde_json::Value::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(value_of).collect(),
        }),
        serde_json::Value::Object(_) => Kind::StructValue(strukt(json)),
    };
    Value { kind: Some(kind) }
}
