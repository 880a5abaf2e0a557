use datacovey_error::{Error, Result};
use datacovey_privacy::Policy;
use datacovey_proto::internal::catalog::v1::resolver_service_client::ResolverServiceClient;
use datacovey_proto::internal::catalog::v1::{ProjectState, ResolveProjectRequest, ResolvedTable};
use datacovey_server::error_of_peer;
use datacovey_storage::schema::TableSchema;
use datacovey_types::Ctx;
use uuid::Uuid;

use super::{Peers, json, policy};

/// A project as a query of the caller's sees it.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// All tables that exist for the caller; whether it may query one is for the compiler to say.
    pub tables: Vec<ProjectTable>,
}

/// A table of a project.
#[derive(Clone, Debug)]
pub(crate) struct ProjectTable {
    pub id: Uuid,
    pub dataset: String,
    pub name: String,
    pub owner: Uuid,
    /// None where the schema describes no rows that an import could have brought.
    pub schema: Option<TableSchema>,
    pub policy: Option<Policy>,
    pub policy_version: Option<i64>,
}

/// Schemas and policies of all tables of a project come in one message.
const MAX_PROJECT_BYTES: usize = 64 * 1024 * 1024;

impl Peers {
    /// The project and its tables, as of now.
    ///
    /// # Errors
    /// NOT_FOUND, PERMISSION_DENIED if the tenant may not query it, FAILED_PRECONDITION if it is
    /// archived, RESOURCE_EXHAUSTED if all of it is too large, UNAVAILABLE if the catalog is away.
    pub(crate) async fn resolve_project(&self, ctx: &Ctx, project_id: Uuid) -> Result<Project> {
        let mut client = ResolverServiceClient::new(self.catalog.on_behalf_of(ctx))
            .max_decoding_message_size(MAX_PROJECT_BYTES);
        let request = ResolveProjectRequest {
            project_id: project_id.to_string(),
        };
        let answer = client.resolve_project(request).await;
        let answer = answer
            .map_err(|status| error_of_peer("the catalog", status))?
            .into_inner();
        if answer.state() != ProjectState::Active {
            return Err(Error::archived("project", project_id));
        }
        let tables = answer.tables.into_iter().map(table).collect::<Result<_>>()?;
        Ok(Project { tables })
    }
}

fn table(sent: ResolvedTable) -> Result<ProjectTable> {
    let id = id(&sent.table_id)?;
    let has_policy = sent.policy.is_some();
    let policy = sent.policy.and_then(policy::policy);
    if has_policy && policy.is_none() {
        tracing::error!(table_id = %id, "a policy has parts that are not known here; only its owner can query the table");
    }
    Ok(ProjectTable {
        id,
        dataset: sent.dataset_name,
        name: sent.table_name,
        owner: self::id(&sent.owner_tenant_id)?,
        schema: sent
            .schema
            .and_then(|schema| TableSchema::parse(&json::object(schema)).ok()),
        policy_version: policy.is_some().then(|| sent.policy_version.into()),
        policy,
    })
}

fn id(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use datacovey_auth::{InternalSigner, SigningKey};
    use datacovey_error::ErrorReason;
    use datacovey_proto::internal::catalog::v1::ResolveProjectResponse;
    use datacovey_proto::internal::catalog::v1::resolver_service_server::{
        ResolverService, ResolverServiceServer,
    };
    use datacovey_server::Peer;
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::{Request, Response, Status};

    use super::*;

    /// Knows one project: a table whose name alone takes this many bytes.
    struct Catalog(usize);

    #[tonic::async_trait]
    impl ResolverService for Catalog {
        async fn resolve_project(
            &self,
            _: Request<ResolveProjectRequest>,
        ) -> Result<Response<ResolveProjectResponse>, Status> {
            let table = ResolvedTable {
                table_id: Uuid::nil().to_string(),
                owner_tenant_id: Uuid::nil().to_string(),
                table_name: "x".repeat(self.0),
                ..ResolvedTable::default()
            };
            Ok(Response::new(ResolveProjectResponse {
                state: ProjectState::Active.into(),
                tables: vec![table],
                ..ResolveProjectResponse::default()
            }))
        }
    }

    async fn resolve(bytes: usize) -> Result<Project> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let catalog = ResolverServiceServer::new(Catalog(bytes));
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(catalog)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let signer = InternalSigner::new("query", SigningKey::generate().unwrap());
        let peer = |name| Peer::new(name, address.parse().unwrap(), signer.clone());
        let peers = Peers {
            catalog: peer("catalog"),
            transfer: peer("transfer"),
        };
        let ctx = Ctx::for_tests(Uuid::nil(), Uuid::nil());
        peers.resolve_project(&ctx, Uuid::nil()).await
    }

    #[tokio::test]
    async fn a_large_project_is_taken_and_one_beyond_all_bounds_is_said_so() {
        let project = resolve(8 << 20).await.unwrap();
        assert_eq!(project.tables[0].name.len(), 8 << 20);
        let error = resolve(MAX_PROJECT_BYTES).await.unwrap_err();
        assert_eq!(error.reason(), ErrorReason::TooLarge);
    }
}
