//! Imports and exports where they are written as rows: what the calls of gRPC hold them to.

use datacovey_auth::authorize;
use datacovey_error::{Error, Violations};
use datacovey_persistence::{Change, JobRules, NewRun, RowRules};
use datacovey_rest::Relation;
use datacovey_rows::id_of;
use datacovey_storage::{Compression, Format};
use datacovey_types::{Ctx, Permission};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use super::create::{WantedExport, export_run, import_run, own_table};
use crate::Transfer;
use crate::domain::options::ImportOptions;

/// The rules of `import_job`, `export_job` and their histories.
#[derive(Clone, Debug)]
pub(crate) struct Rules(pub(crate) Transfer);

impl RowRules for Rules {
    fn authorize(&self, ctx: &Ctx, relation: &Relation, _: Change) -> Result<(), Error> {
        authorize(
            ctx,
            match relation.name.as_str() {
                "import_job" => Permission::EditDatasets,
                "export_job" => Permission::Export,
                // Histories, which the database writes.
                _ => Permission::Backfill,
            },
        )
    }

    fn check(&self, _: &Relation, _: Option<&Value>, _: &Value, _: &mut Violations) {}

    fn jobs(&self) -> Option<&dyn JobRules> {
        Some(self)
    }
}

impl JobRules for Rules {
    fn max_open(&self) -> i64 {
        self.0.limits.open_per_tenant.into()
    }

    /// A row says which table, and nothing else. An import waits for its content, which may come with more to
    /// say; an export writes all of the newest version as CSV.
    fn run<'a>(
        &'a self,
        ctx: &'a Ctx,
        relation: &'a Relation,
        job: &'a Value,
    ) -> BoxFuture<'a, Result<NewRun, Error>> {
        async move {
            let table = own_table(&self.0, ctx, id_of(job, "table_id")?).await?;
            if relation.name == "import_job" {
                return import_run(&self.0, ctx, &table, &ImportOptions::default()).await;
            }
            let wanted = WantedExport {
                table_id: table.id,
                version: None,
                format: Format::Csv,
                compression: Compression::None,
                columns: Vec::new(),
                csv: None,
                uri: None,
                overwrite: false,
                replay: None,
            };
            export_run(&self.0, ctx, &table, wanted).await
        }
        .boxed()
    }
}
