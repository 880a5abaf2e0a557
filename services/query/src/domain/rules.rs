use datacovey_auth::authorize;
use datacovey_error::{Error, Violations};
use datacovey_persistence::{Change, RowRules};
use datacovey_rest::Relation;
use datacovey_rows::changed;
use datacovey_types::{Ctx, Permission};
use serde_json::Value;

use super::text::check_text;

/// What queries must be where they are written as rows: what the calls of gRPC hold them to. Jobs are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

impl RowRules for Rules {
    fn authorize(&self, ctx: &Ctx, relation: &Relation, _: Change) -> Result<(), Error> {
        match relation.name.as_str() {
            "query" => authorize(ctx, Permission::Query),
            // A row alone would run nothing; QueryJobService makes jobs and cancels them.
            "query_job" => Err(Error::not_implemented("writing query_job as rows")),
            // Histories, which the database writes.
            _ => authorize(ctx, Permission::Backfill),
        }
    }

    fn check(&self, relation: &Relation, before: Option<&Value>, after: &Value, violations: &mut Violations) {
        if relation.name == "query"
            && let Some(text) = changed("query_text", before, after).and_then(Value::as_str)
        {
            check_text("query_text", text, violations);
        }
    }
}
