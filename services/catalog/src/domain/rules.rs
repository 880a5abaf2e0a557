use datacovey_auth::authorize;
use datacovey_error::{Error, Violations};
use datacovey_persistence::{Change, RowRules, SchemaRule};
use datacovey_rest::Relation;
use datacovey_rows::{changed, check_texts};
use datacovey_types::{Ctx, Permission};
use serde_json::Value;

use super::path::Path;
use super::{schema, text};

/// What projects, datasets and tables must be where they are written as rows: what the calls of gRPC hold them
/// to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

impl RowRules for Rules {
    fn authorize(&self, ctx: &Ctx, relation: &Relation, _: Change) -> Result<(), Error> {
        let permission = match relation.name.as_str() {
            "project" => Permission::ManageProjects,
            "dataset" | "table" => Permission::EditDatasets,
            // Histories, which the database writes.
            _ => Permission::Backfill,
        };
        authorize(ctx, permission)
    }

    fn check(&self, relation: &Relation, before: Option<&Value>, after: &Value, violations: &mut Violations) {
        let name = match relation.name.as_str() {
            "project" => text::display_name,
            "dataset" | "table" => text::identifier,
            _ => return,
        };
        let rules = [("name", name as _), ("description", text::description as _)];
        check_texts(&rules, before, after, violations);
        if relation.name == "table"
            && let Some(given) = changed("schema", before, after)
        {
            schema::check(given, &Path::new("schema"), violations);
        }
    }

    fn schema(&self) -> Option<SchemaRule> {
        Some(schema::check_change)
    }
}
