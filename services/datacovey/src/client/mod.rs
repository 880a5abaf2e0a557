//! A client of the gateway for the commands and the demo: what any program with the protos can do.

mod content;
mod download;
mod form;
mod json;
mod patience;
mod results;
mod upload;

use anyhow::Context as _;
use datacovey_proto::catalog::v1 as catalog;
use datacovey_proto::identity::v1 as identity;
use datacovey_proto::query::v1 as query;
use datacovey_proto::transfer::v1 as transfer;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

pub use download::{Begun, ExportOptions, Partial};
pub use form::FileForm;
pub use json::{to_struct, to_value};
pub use patience::is_transient;
pub use results::{Cell, Outcome, Rows, Statement};
pub use upload::{ImportOptions, error_text};

/// Progress of a job for people: done, of how many bytes where that is known.
pub type OnProgress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// Calls the suite as one user.
#[derive(Clone, Debug)]
pub struct Client {
    channel: InterceptedService<Channel, Bearer>,
}

#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer")
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Client {
    /// Connects to the gateway at `endpoint`; `token` is sent with each call.
    pub async fn connect(endpoint: &str, token: &str) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(endpoint.to_owned())
            .with_context(|| format!("\"{endpoint}\" is not an address such as http://127.0.0.1:8080"))?
            .connect()
            .await
            .with_context(|| {
                format!("nothing answers at {endpoint}; is the suite running (datacovey up)?")
            })?;
        Self::over(channel, token)
    }

    /// The same channel as another user.
    pub fn over(channel: Channel, token: &str) -> anyhow::Result<Self> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", token.trim())
            .parse()
            .context("the token holds characters no token has")?;
        bearer.set_sensitive(true);
        Ok(Self {
            channel: InterceptedService::new(channel, Bearer(bearer)),
        })
    }
}

/// One accessor a service: `client.tables()` is a `TableServiceClient`.
macro_rules! services {
    ($($name:ident: $package:ident :: $module:ident :: $client:ident),+ $(,)?) => {
        impl Client {
            $(pub fn $name(&self) -> $package::$module::$client<InterceptedService<Channel, Bearer>> {
                $package::$module::$client::new(self.channel.clone())
            })+
        }
    };
}

services! {
    tenants: identity::tenant_service_client::TenantServiceClient,
    users: identity::user_service_client::UserServiceClient,
    projects: catalog::project_service_client::ProjectServiceClient,
    datasets: catalog::dataset_service_client::DatasetServiceClient,
    tables: catalog::table_service_client::TableServiceClient,
    queries: query::query_service_client::QueryServiceClient,
    query_jobs: query::query_job_service_client::QueryJobServiceClient,
    imports: transfer::import_service_client::ImportServiceClient,
    exports: transfer::export_service_client::ExportServiceClient,
    versions: transfer::version_service_client::VersionServiceClient,
}
