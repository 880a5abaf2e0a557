//! An identity service that serves, with two organizations and their users, and a client for each
//! kind of caller.

use datacovey_identity::{Principals, SERVICE, app};
use datacovey_persistence::DbRole;
use datacovey_proto::identity::v1::tenant_service_client::TenantServiceClient;
use datacovey_proto::identity::v1::user_service_client::UserServiceClient;
use datacovey_proto::identity::v1::{CreateUserRequest, User, UserRole};
use datacovey_testing::caller::{CallerChannel, Callers, Served};
use datacovey_testing::{Sql, Tenant, TestDatabase};
use datacovey_types::Role;
use prost_types::FieldMask;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub(crate) struct Suite {
    pub(crate) ours: Tenant,
    pub(crate) theirs: Tenant,
    pub(crate) editor: Uuid,
    pub(crate) user: Uuid,
    pub(crate) sql: Sql,
    pub(crate) callers: Callers,
    pub(crate) served: Served,
    _database: TestDatabase,
}

/// The clients of one caller.
pub(crate) struct Caller {
    pub(crate) tenants: TenantServiceClient<CallerChannel>,
    pub(crate) users: UserServiceClient<CallerChannel>,
    channel: CallerChannel,
}

impl Suite {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::new().await;
        let sql = database.sql().await;
        let (ours, theirs) = (sql.tenant("Alliance").await, sql.tenant("Registry").await);
        let editor = sql.user(ours.id, Role::DatasetEditor).await;
        let user = sql.user(ours.id, Role::DatasetUser).await;

        let callers = Callers::new("gateway");
        let store = database.open(DbRole::Identity).await;
        let principals = Principals::new(store.clone(), vec![callers.issuer()]);
        let (internal, oidc) = callers.verifiers(SERVICE.name);
        let served = Served::start(SERVICE, app(store, principals, internal, oidc, 1024 * 1024)).await;
        Self {
            ours,
            theirs,
            editor,
            user,
            sql,
            callers,
            served,
            _database: database,
        }
    }

    /// A caller with the token of a user of a tenant.
    pub(crate) fn signed_in(&self, organization: &str, subject: &str, scopes: &str) -> Caller {
        Caller::new(
            self.served
                .channel(Some(&self.callers.token(organization, subject, scopes))),
        )
    }

    pub(crate) fn as_admin(&self) -> Caller {
        self.signed_in(&self.ours.org(), &self.ours.admin_sub(), "")
    }

    pub(crate) fn as_editor(&self) -> Caller {
        self.signed_in(&self.ours.org(), &subject(self.editor), "")
    }

    pub(crate) fn as_user(&self) -> Caller {
        self.signed_in(&self.ours.org(), &subject(self.user), "")
    }

    pub(crate) fn as_other_tenant(&self) -> Caller {
        self.signed_in(&self.theirs.org(), &self.theirs.admin_sub(), "")
    }

    /// The weakest role, and the scope.
    pub(crate) fn as_platform(&self) -> Caller {
        self.signed_in(&self.ours.org(), &subject(self.user), "platform")
    }

    pub(crate) fn anonymous(&self) -> Caller {
        Caller::new(self.served.channel(None))
    }

    /// Archives a row as its owner; who has signed in is still known for seconds.
    pub(crate) async fn archive(&self, relation: &str, id: Uuid) {
        let statement = format!("UPDATE \"{relation}\" SET archived_at = utc_now() WHERE id = '{id}'");
        let script = format!("BEGIN; SET LOCAL ROLE datacovey_owner; {statement}; COMMIT");
        self.sql.run(&script).await.unwrap();
    }
}

impl Caller {
    fn new(channel: CallerChannel) -> Self {
        Self {
            tenants: TenantServiceClient::new(channel.clone()),
            users: UserServiceClient::new(channel.clone()),
            channel,
        }
    }

    /// Creates a user of the caller's tenant with this name.
    pub(crate) async fn user(&mut self, name: &str, role: UserRole) -> User {
        let request = CreateUserRequest {
            user: Some(new_user(name, role)),
            ..Default::default()
        };
        self.users.create_user(request).await.unwrap().into_inner()
    }

    /// Calls a method with an empty request; all answers are read as empty ones.
    pub(crate) async fn call_empty(&self, method: &str) -> Result<Response<()>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let path = PathAndQuery::try_from(format!("/{method}")).unwrap();
        client
            .unary(Request::new(()), path, tonic_prost::ProstCodec::default())
            .await
    }
}

/// The subject of a user that SQL made.
pub(crate) fn subject(user_id: Uuid) -> String {
    format!("sub|{}", user_id.simple())
}

pub(crate) fn new_user(name: &str, role: UserRole) -> User {
    User {
        auth0_id: format!("auth0|{name}"),
        email: format!("{name}@example.com"),
        name: name.to_owned(),
        role: role.into(),
        ..User::default()
    }
}

pub(crate) fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask {
        paths: paths.iter().map(ToString::to_string).collect(),
    })
}

/// The code and the reason of a refusal.
pub(crate) fn why<T: std::fmt::Debug>(result: Result<Response<T>, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    let reason = status
        .get_details_error_info()
        .map(|it| it.reason)
        .unwrap_or_default();
    (status.code(), reason)
}

/// The fields that a refusal finds wrong.
pub(crate) fn wrong_fields<T: std::fmt::Debug>(result: Result<Response<T>, Status>) -> Vec<String> {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|it| it.field).collect()
}

pub(crate) fn refused(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

pub(crate) fn not_found() -> (Code, String) {
    refused(Code::NotFound, "NOT_FOUND")
}

pub(crate) fn denied() -> (Code, String) {
    refused(Code::PermissionDenied, "PERMISSION_DENIED")
}
