//! A transfer service that serves, with an organization and its partner, and a client for each kind
//! of caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use datacovey_persistence::{DbRole, Listener};
use datacovey_proto::internal::transfer::v1::version_resolver_service_client::VersionResolverServiceClient;
use datacovey_proto::transfer::v1 as pb;
use datacovey_proto::transfer::v1::export_service_client::ExportServiceClient;
use datacovey_proto::transfer::v1::import_service_client::ImportServiceClient;
use datacovey_proto::transfer::v1::upload_request::Part;
use datacovey_proto::transfer::v1::version_service_client::VersionServiceClient;
use datacovey_storage::Store;
use datacovey_storage::external::Allowed;
use datacovey_testing::caller::{CallerChannel, Callers, KnownUsers, Served};
use datacovey_testing::{Sql, Tenant, TestDatabase};
use datacovey_transfer::{Limits, SERVICE, SecretKey, Transfer, app};
use datacovey_types::{Principal, Role, Scopes};
use futures::{StreamExt as _, stream};
use http::uri::PathAndQuery;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Longer than anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Suite {
    pub(crate) ours: Tenant,
    pub(crate) theirs: Tenant,
    pub(crate) dataset: Uuid,
    pub(crate) sql: Sql,
    pub(crate) transfer: Transfer,
    served: Served,
    callers: Callers,
    users: HashMap<&'static str, Principal>,
    _objects: Option<TempDir>,
    // Last, so that it is dropped after the connections to it.
    _database: TestDatabase,
}

impl Suite {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other limits than those of the tests.
    pub(crate) async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let objects = tempfile::tempdir().unwrap();
        let store = Store::open(objects.path().to_str().unwrap()).unwrap();
        Self {
            _objects: Some(objects),
            ..Self::over(store, Allowed::default(), change).await
        }
    }

    /// With objects in this store, and these URIs allowed.
    pub(crate) async fn over(store: Store, allowed: Allowed, change: impl FnOnce(&mut Limits)) -> Self {
        let database = TestDatabase::new().await;
        let sql = database.sql().await;
        let (ours, theirs) = (sql.tenant("Alliance").await, sql.tenant("Registry").await);
        let project = sql.project(ours.id, "Delays").await;
        sql.participant(project, theirs.id).await;
        let dataset = sql.dataset(ours.id, project, "fleet").await;
        let editor = sql.user(ours.id, Role::DatasetEditor).await;
        let user = sql.user(ours.id, Role::DatasetUser).await;
        let known = KnownUsers::default();
        let mut users = HashMap::new();
        for (subject, tenant, user_id, role) in [
            ("admin", ours, ours.admin, Role::OrgAdmin),
            ("editor", ours, editor, Role::DatasetEditor),
            ("user", ours, user, Role::DatasetUser),
            ("other", theirs, theirs.admin, Role::OrgAdmin),
        ] {
            let principal = Principal {
                tenant_id: tenant.id,
                user_id,
                role,
                scopes: Scopes::NONE,
            };
            known.insert(subject, principal.clone());
            users.insert(subject, principal);
        }
        let mut limits = Limits {
            chunk_bytes: 1_000,
            watch_every: Duration::from_millis(100),
            ..Limits::default()
        };
        limits.worker.poll = Duration::from_millis(200);
        limits.worker.heartbeat = Duration::from_millis(100);
        change(&mut limits);
        let transfer = Transfer {
            database: database.open(DbRole::Transfer).await,
            worker_database: database.open(DbRole::TransferWorker).await,
            listener: Arc::new(Listener::start(database.url()).unwrap()),
            store,
            allowed: Arc::new(allowed),
            secret_key: SecretKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(),
            limits: Arc::new(limits),
        };
        let callers = Callers::new("query");
        let app = app(transfer.clone(), callers.authentication(SERVICE.name, known));
        Self {
            ours,
            theirs,
            dataset,
            sql,
            transfer,
            served: Served::start(SERVICE, app).await,
            callers,
            users,
            _objects: None,
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

    /// An admin of the partner.
    pub(crate) fn as_other_tenant(&self) -> Caller {
        self.caller("other")
    }

    pub(crate) fn anonymous(&self) -> Caller {
        Caller::new(&self.served.channel(None), self.served.channel(None))
    }

    fn caller(&self, subject: &str) -> Caller {
        let token = self.callers.token("org", subject, "");
        // The query service asks on behalf of the same user.
        let internal = self
            .callers
            .internal_token(SERVICE.name, Some(&self.users[subject]));
        Caller::new(
            &self.served.channel(Some(&token)),
            self.served.channel(Some(&internal)),
        )
    }

    /// A table of [`planes`] of our own.
    pub(crate) async fn table(&self, name: &str) -> String {
        self.table_of(self.ours, name, &planes()).await
    }

    pub(crate) async fn table_of(&self, owner: Tenant, name: &str, schema: &Value) -> String {
        self.sql
            .table(owner.id, self.dataset, name, schema)
            .await
            .to_string()
    }
}

/// Unique by tail number, which it must have.
pub(crate) fn planes() -> Value {
    json!({
        "type": "object",
        "required": ["tailnum"],
        "properties": {
            "tailnum": { "type": "string", "x-identity": "tail_number" },
            "year": { "type": ["integer", "null"], "minimum": 1900 },
            "manufacturer": { "type": "string" },
        },
    })
}

/// `count` planes as CSV, from `N{first}` on.
pub(crate) fn csv(first: u32, count: u32) -> String {
    let rows = (first..first + count).map(|n| format!("N{n},{},\"Maker, {}\"\n", 1950 + n % 70, n % 7));
    format!("tailnum,year,manufacturer\n{}", rows.collect::<String>())
}

pub(crate) fn csv_import(table_id: &str) -> pb::CreateImportJobRequest {
    pb::CreateImportJobRequest {
        table_id: table_id.to_owned(),
        format: pb::FileFormat::Csv.into(),
        ..Default::default()
    }
}

/// The clients of one user.
pub(crate) struct Caller {
    pub(crate) imports: ImportServiceClient<CallerChannel>,
    pub(crate) exports: ExportServiceClient<CallerChannel>,
    pub(crate) versions: VersionServiceClient<CallerChannel>,
    /// As the query service calls on behalf of the user.
    pub(crate) resolver: VersionResolverServiceClient<CallerChannel>,
    pub(crate) public: CallerChannel,
}

impl Caller {
    fn new(public: &CallerChannel, internal: CallerChannel) -> Self {
        Self {
            imports: ImportServiceClient::new(public.clone()),
            exports: ExportServiceClient::new(public.clone()),
            versions: VersionServiceClient::new(public.clone()),
            resolver: VersionResolverServiceClient::new(internal),
            public: public.clone(),
        }
    }

    /// Calls any method with an empty request, of a stream one empty message.
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

    pub(crate) async fn create(&mut self, request: pb::CreateImportJobRequest) -> pb::ImportJob {
        self.imports
            .create_import_job(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// Sends content from an offset on; `finish` if it is all that there is.
    pub(crate) async fn send(
        &mut self,
        job_id: &str,
        offset: usize,
        data: &[u8],
        finish: Option<pb::UploadFinish>,
    ) -> Result<pb::UploadResponse, Status> {
        let mut messages = vec![start(job_id, offset)];
        messages.extend(data.chunks(700).map(data_message));
        messages.extend(finish.map(|finish| message(Part::Finish(finish))));
        Ok(self.imports.upload(stream::iter(messages)).await?.into_inner())
    }

    /// Uploads the whole content.
    pub(crate) async fn upload(&mut self, job_id: &str, content: &[u8]) {
        let finish = finish(content.len());
        let response = self.send(job_id, 0, content, Some(finish)).await.unwrap();
        assert!(response.finished);
    }

    /// The import when it has ended.
    pub(crate) async fn ended(&mut self, job_id: &str) -> pb::ImportJob {
        let timeout = Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        });
        let request = pb::WaitImportJobRequest {
            id: job_id.to_owned(),
            timeout,
        };
        let job = tokio::time::timeout(PATIENCE, self.imports.wait_import_job(request))
            .await
            .unwrap();
        let job = job.unwrap().into_inner();
        assert!(job.ended_at.is_some(), "{job:?}");
        job
    }

    /// Imports content to its end.
    pub(crate) async fn import(
        &mut self,
        request: pb::CreateImportJobRequest,
        content: &[u8],
    ) -> pb::ImportJob {
        let job = self.create(request).await;
        self.upload(&job.id, content).await;
        self.ended(&job.id).await
    }

    pub(crate) async fn export(&mut self, request: pb::CreateExportJobRequest) -> pb::ExportJob {
        let job = self
            .exports
            .create_export_job(request)
            .await
            .unwrap()
            .into_inner();
        let timeout = Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        });
        let request = pb::WaitExportJobRequest { id: job.id, timeout };
        let job = self.exports.wait_export_job(request).await.unwrap().into_inner();
        assert!(job.ended_at.is_some(), "{job:?}");
        job
    }

    /// The file of an export from an offset on.
    pub(crate) async fn download(&mut self, job_id: &str, offset: i64) -> Result<Vec<u8>, Status> {
        let request = pb::DownloadRequest {
            export_job_id: job_id.to_owned(),
            offset,
        };
        let mut parts = self.exports.download(request).await?.into_inner();
        let mut content = Vec::new();
        while let Some(part) = parts.next().await {
            let part = part?;
            assert_eq!(part.offset, offset + content.len() as i64);
            content.extend_from_slice(&part.data);
        }
        Ok(content)
    }
}

pub(crate) fn message(part: Part) -> pb::UploadRequest {
    pb::UploadRequest { part: Some(part) }
}

pub(crate) fn start(job_id: &str, offset: usize) -> pb::UploadRequest {
    let offset = i64::try_from(offset).unwrap();
    message(Part::Start(pb::UploadStart {
        import_job_id: job_id.to_owned(),
        offset,
        settings: None,
    }))
}

pub(crate) fn data_message(data: &[u8]) -> pb::UploadRequest {
    message(Part::Data(data.to_vec().into()))
}

pub(crate) fn finish(total: usize) -> pb::UploadFinish {
    pb::UploadFinish {
        total_bytes: i64::try_from(total).unwrap(),
        sha256: None,
    }
}
