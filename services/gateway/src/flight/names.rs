//! Tables by their names.

use datacovey_error::{Error, Result, Violation};
use datacovey_proto::catalog::v1 as pb;
use datacovey_proto::catalog::v1::dataset_service_client::DatasetServiceClient;
use datacovey_proto::catalog::v1::table_service_client::TableServiceClient;
use datacovey_server::error_of_peer;
use datacovey_types::Ctx;
use uuid::Uuid;

use super::Flight;

/// As many as one page has; who has more of one name says the id.
const PAGE: i32 = 1000;

impl Flight {
    /// The id of a table of the caller's tenant that is named by its id, its name or `dataset.name`.
    ///
    /// # Errors
    /// NOT_FOUND, or INVALID_ARGUMENT with the ids if there are several.
    pub(super) async fn table_id(&self, ctx: &Ctx, named: &str) -> Result<String> {
        if Uuid::try_parse(named).is_ok() {
            return Ok(named.to_owned());
        }
        let (dataset, name) = match named.split_once('.') {
            Some((dataset, name)) => (Some(dataset), name),
            None => (None, named),
        };
        if !dataset.into_iter().chain([name]).all(is_name) {
            return Err(Error::invalid_field(
                "table",
                "must be an id, a name, or dataset.name",
            ));
        }
        let mut tables = self.tables(ctx, name).await?;
        if let Some(dataset) = dataset {
            let datasets = self.datasets(ctx, dataset).await?;
            tables.retain(|it| datasets.iter().any(|dataset| dataset.id == it.dataset_id));
        }
        match tables.as_slice() {
            [] => Err(Error::not_found("table", named)),
            [table] => Ok(table.id.clone()),
            several => {
                let what = "is the name of several tables; say the id";
                let ids = several.iter().map(|it| format!("{what}: {}", it.id));
                let violations: Vec<_> = ids.map(|it| Violation::new("table", it)).collect();
                Err(Error::invalid(violations))
            }
        }
    }

    async fn tables(&self, ctx: &Ctx, name: &str) -> Result<Vec<pb::Table>> {
        let request = pb::ListTablesRequest {
            filter: format!("name = \"{name}\" AND tenant_id = \"{}\"", ctx.tenant_id()),
            page_size: PAGE,
            ..Default::default()
        };
        let mut tables = TableServiceClient::new(self.services.catalog.on_behalf_of(ctx));
        let found = tables.list_tables(request).await.map_err(of_catalog)?;
        Ok(found.into_inner().tables)
    }

    async fn datasets(&self, ctx: &Ctx, name: &str) -> Result<Vec<pb::Dataset>> {
        let request = pb::ListDatasetsRequest {
            filter: format!("name = \"{name}\""),
            page_size: PAGE,
            ..Default::default()
        };
        let mut datasets = DatasetServiceClient::new(self.services.catalog.on_behalf_of(ctx));
        let found = datasets.list_datasets(request).await.map_err(of_catalog)?;
        Ok(found.into_inner().datasets)
    }
}

fn of_catalog(status: tonic::Status) -> Error {
    error_of_peer("catalog", status)
}

/// What the catalog takes as a name; anything else would have to be quoted in a filter.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.len() <= 128 && text.bytes().all(fits)
}
