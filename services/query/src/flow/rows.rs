//! Queries and their jobs where they are written as rows: what the calls of gRPC hold them to.

use datacovey_auth::authorize;
use datacovey_error::{Error, Violations};
use datacovey_persistence::{Change, JobRules, NewRun, RowRules};
use datacovey_rest::Relation;
use datacovey_rows::{changed, id_of};
use datacovey_types::{Ctx, Permission};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::app::Handles;
use crate::domain::request::{Question, Source};
use crate::domain::text::check_text;

/// The rules of `query`, `query_job` and `query_history`.
#[derive(Clone, Debug)]
pub(crate) struct Rules(pub(crate) Handles);

impl RowRules for Rules {
    fn authorize(&self, ctx: &Ctx, relation: &Relation, _: Change) -> Result<(), Error> {
        authorize(
            ctx,
            match relation.name.as_str() {
                "query" | "query_job" => Permission::Query,
                // Histories, which the database writes.
                _ => Permission::Backfill,
            },
        )
    }

    fn check(&self, relation: &Relation, before: Option<&Value>, after: &Value, violations: &mut Violations) {
        if relation.name == "query"
            && let Some(text) = changed("query_text", before, after).and_then(Value::as_str)
        {
            check_text("query_text", text, violations);
        }
    }

    fn jobs(&self) -> Option<&dyn JobRules> {
        Some(self)
    }
}

impl JobRules for Rules {
    fn max_open(&self) -> i64 {
        self.0.runs.open_per_tenant.into()
    }

    /// A row has no parameters: its query runs as it stands.
    fn run<'a>(
        &'a self,
        ctx: &'a Ctx,
        _: &'a Relation,
        job: &'a Value,
    ) -> BoxFuture<'a, Result<NewRun, Error>> {
        async move {
            let question = Question {
                project_id: None,
                source: Source::Query(id_of(job, "query_id")?),
                parameters: Map::new(),
            };
            Ok(self.0.run_of(ctx, &question).await?.1)
        }
        .boxed()
    }
}
