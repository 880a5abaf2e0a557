//! Catalog and transfer service as the query service sees them, answering from memory. They verify
//! the tokens that it sends, and answer for whom these name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use datacovey_auth::{InternalVerifier, TrustedService};
use datacovey_proto::catalog::v1::Policy;
use datacovey_proto::internal::catalog::v1::resolver_service_server::{
    ResolverService, ResolverServiceServer,
};
use datacovey_proto::internal::catalog::v1::{
    ProjectState, ResolveProjectRequest, ResolveProjectResponse, ResolvedTable,
};
use datacovey_proto::internal::transfer::v1::version_resolver_service_server::{
    VersionResolverService, VersionResolverServiceServer,
};
use datacovey_proto::internal::transfer::v1::{
    ColumnSet, IdentityColumn, ResolveVersionsRequest, ResolveVersionsResponse, ResolvedVersion, TableFile,
};
use datacovey_types::Principal;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// A table, and what the peers say of it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub id: Uuid,
    pub dataset: &'static str,
    pub name: &'static str,
    pub owner: Uuid,
    pub schema: serde_json::Value,
    pub policy: Option<Policy>,
    pub policy_version: i32,
    pub content_version: i64,
    pub files: Vec<TableFile>,
    pub unique: Vec<&'static str>,
    /// Columns with ids beside them in every file.
    pub identity_columns: Vec<IdentityColumn>,
}

/// What both peers know.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub project_id: Uuid,
    pub participants: Vec<Uuid>,
    pub tables: Arc<Mutex<Vec<Table>>>,
}

#[derive(Debug)]
struct Peer {
    world: World,
    verifier: InternalVerifier,
}

impl Peer {
    fn caller<T>(&self, request: &Request<T>) -> Result<Principal, Status> {
        let header = request
            .metadata()
            .get("authorization")
            .ok_or_else(|| Status::unauthenticated("no token"))?;
        let token = header.to_str().unwrap().strip_prefix("Bearer ").unwrap();
        let caller = self.verifier.verify(token)?;
        assert_eq!(caller.service, "query");
        caller.principal.ok_or_else(|| Status::unauthenticated("nobody"))
    }
}

#[tonic::async_trait]
impl ResolverService for Peer {
    async fn resolve_project(
        &self,
        request: Request<ResolveProjectRequest>,
    ) -> Result<Response<ResolveProjectResponse>, Status> {
        let caller = self.caller(&request)?;
        let project_id = request.into_inner().project_id;
        if project_id != self.world.project_id.to_string()
            || !self.world.participants.contains(&caller.tenant_id)
        {
            return Err(datacovey_error::Error::not_found("project", project_id).into());
        }
        let tables = self.world.tables.lock().unwrap();
        let tables = tables.iter().map(|table| ResolvedTable {
            table_id: table.id.to_string(),
            dataset_id: Uuid::nil().to_string(),
            dataset_name: table.dataset.to_owned(),
            table_name: table.name.to_owned(),
            owner_tenant_id: table.owner.to_string(),
            owned_by_caller: table.owner == caller.tenant_id,
            schema: Some(object(&table.schema)),
            policy: table.policy.clone(),
            policy_version: table.policy_version,
        });
        Ok(Response::new(ResolveProjectResponse {
            project_id,
            owner_tenant_id: Uuid::nil().to_string(),
            state: ProjectState::Active.into(),
            tables: tables.collect(),
        }))
    }
}

#[tonic::async_trait]
impl VersionResolverService for Peer {
    async fn resolve_versions(
        &self,
        request: Request<ResolveVersionsRequest>,
    ) -> Result<Response<ResolveVersionsResponse>, Status> {
        self.caller(&request)?;
        let tables = self.world.tables.lock().unwrap();
        let versions = request.into_inner().table_ids.into_iter().map(|id| {
            let table = tables.iter().find(|table| table.id.to_string() == id);
            let table = table.ok_or_else(|| Status::from(datacovey_error::Error::not_found("table", &id)))?;
            Ok::<_, Status>(ResolvedVersion {
                table_id: id,
                version: table.content_version,
                content_version: table.content_version,
                rows: table.files.iter().map(|file| file.rows).sum(),
                size_bytes: table.files.iter().map(|file| file.size_bytes).sum(),
                files: table.files.clone(),
                identity_columns: table.identity_columns.clone(),
                unique_columns: table
                    .unique
                    .iter()
                    .map(|it| ColumnSet {
                        columns: vec![(*it).to_owned()],
                    })
                    .collect(),
            })
        });
        Ok(Response::new(ResolveVersionsResponse {
            versions: versions.collect::<Result<_, _>>()?,
        }))
    }
}

/// Serves both; answers where the catalog and where the transfer service is.
pub(crate) async fn serve(world: &World, query: &TrustedService) -> (SocketAddr, SocketAddr) {
    let peer = |audience| Peer {
        world: world.clone(),
        verifier: InternalVerifier::new(audience, vec![query.clone()]),
    };
    let catalog = Server::builder().add_service(ResolverServiceServer::new(peer("catalog")));
    let transfer = Server::builder().add_service(VersionResolverServiceServer::new(peer("transfer")));
    let mut addresses = Vec::new();
    for server in [catalog, transfer] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    }
    (addresses[0], addresses[1])
}

fn object(json: &serde_json::Value) -> prost_types::Struct {
    match value(json).kind {
        Some(prost_types::value::Kind::StructValue(object)) => object,
        other => panic!("no object: {other:?}"),
    }
}

fn value(json: &serde_json::Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(it) => Kind::BoolValue(*it),
        serde_json::Value::Number(it) => Kind::NumberValue(it.as_f64().unwrap()),
        serde_json::Value::String(it) => Kind::StringValue(it.clone()),
        serde_json::Value::Array(items) => Kind::ListValue(prost_types::ListValue {
            values: items.iter().map(value).collect(),
        }),
        serde_json::Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields.iter().map(|(key, it)| (key.clone(), value(it))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
